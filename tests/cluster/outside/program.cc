// As program.c, in C++11: put, get, watch and txn at one node. program ENDPOINT KEY
#include <candor/async.h>
#include <candor/channel.h>
#include <candor/client.h>
#include <candor/watch.h>

#include <iostream>
#include <stdexcept>
#include <string>

namespace {

void require(bool holds, const std::string &what, const candor_error &error)
{
    if (!holds)
        throw std::runtime_error(what + ": " + candor_code_name(error.code) + ": " + error.message);
}

std::string text(const candor_bytes &bytes)
{
    return std::string(static_cast<const char *>(bytes.data), bytes.length);
}

// One call's result, freed with it.
struct Result : candor_result {
    Result() : candor_result() {}
    Result(const Result &) = delete;
    Result &operator=(const Result &) = delete;
    ~Result() { candor_result_free(this); }
};

class Client {
public:
    explicit Client(const char *endpoint)
    {
        candor_client_options options = {};
        candor_error error;
        options.endpoints = &endpoint;
        options.endpoint_count = 1;
        require(candor_client_open(&options, &client, &error) == CANDOR_OK, "open", error);
    }
    ~Client() { candor_client_close(client); }
    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;
    operator candor_client *() const { return client; }

private:
    candor_client *client = nullptr;
};

void check_get(candor_client *client, candor_bytes key, const std::string &value)
{
    candor_read_options linearizable = {};
    linearizable.level = CANDOR_READ_LINEARIZABLE;
    Result result;
    require(candor_get(client, key, &linearizable, &result) == CANDOR_OK, "get", result.error);
    require(result.items[0].found && text(result.items[0].value) == value, "get: another value",
            result.error);
}

void check_txn(candor_client *client, candor_bytes key)
{
    candor_compare compare = {};
    compare.key = key;
    compare.target = CANDOR_COMPARE_VALUE;
    compare.value = candor_text("one");
    struct candor_txn_op put = {};
    put.kind = CANDOR_TXN_PUT;
    put.key = key;
    put.value = candor_text("two");
    struct candor_txn txn = {};
    txn.compares = &compare;
    txn.compare_count = 1;
    txn.then_ops = &put;
    txn.then_count = 1;
    Result result;
    require(candor_txn(client, &txn, nullptr, &result) == CANDOR_OK, "txn", result.error);
    require(result.succeeded, "txn: the value is not `one`", result.error);
}

void check_watch(candor_watch *watch, const std::string &value)
{
    for (;;) {
        candor_changes changes;
        candor_error error;
        require(candor_watch_next(watch, 5000, &changes, &error) == CANDOR_OK, "watch", error);
        for (size_t i = 0; i < changes.count; i++)
            if (text(changes.events[i].value) == value)
                return;
    }
}

void run(const char *endpoint, const char *name)
{
    const candor_bytes key = candor_text(name);
    Client client(endpoint);
    {
        Result result;
        require(candor_put(client, key, candor_text("one"), nullptr, &result) == CANDOR_OK, "put",
                result.error);
    }
    check_get(client, key, "one");
    candor_watch_options options = {};
    options.key = key;
    options.with_state = true;
    candor_watch *watch;
    candor_error error;
    require(candor_watch_open(client, &options, &watch, &error) == CANDOR_OK, "watch", error);
    check_watch(watch, "one");
    check_txn(client, key);
    check_watch(watch, "two");
    candor_watch_close(watch);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: program ENDPOINT KEY\n";
        return 1;
    }
    try {
        run(argv[1], argv[2]);
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    std::cout << "good\n";
    return 0;
}
