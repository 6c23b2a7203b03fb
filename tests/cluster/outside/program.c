/* A program of somebody else, for test_install.py: put, get, watch and txn at one node.
 * program ENDPOINT KEY; writes `good`, or what went wrong, and ends with status 1. */
#include <candor/async.h>
#include <candor/channel.h>
#include <candor/client.h>
#include <candor/watch.h>

#include <stdio.h>
#include <stdlib.h>

static void require(bool holds, const char *what, const struct candor_error *error)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, candor_code_name(error->code), error->message);
    exit(1);
}

static bool equal(struct candor_bytes bytes, const char *text)
{
    return bytes.length == strlen(text) && memcmp(bytes.data, text, bytes.length) == 0;
}

static void check_get(struct candor_client *client, struct candor_bytes key, const char *value)
{
    struct candor_read_options linearizable = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_result result;
    require(candor_get(client, key, &linearizable, &result) == CANDOR_OK, "get", &result.error);
    require(result.items[0].found && equal(result.items[0].value, value), "get: another value",
            &result.error);
    candor_result_free(&result);
}

/* Raises the value from `one` to `two`, if it is `one`. */
static void check_txn(struct candor_client *client, struct candor_bytes key)
{
    struct candor_compare compare = {
        .key = key, .target = CANDOR_COMPARE_VALUE, .value = candor_text("one")};
    struct candor_txn_op put = {.kind = CANDOR_TXN_PUT, .key = key, .value = candor_text("two")};
    struct candor_txn txn = {
        .compares = &compare, .compare_count = 1, .then_ops = &put, .then_count = 1};
    struct candor_result result;
    require(candor_txn(client, &txn, NULL, &result) == CANDOR_OK, "txn", &result.error);
    require(result.succeeded, "txn: the value is not `one`", &result.error);
    candor_result_free(&result);
}

/* The present state, then what comes. */
static void check_watch(struct candor_watch *watch, const char *value)
{
    struct candor_changes changes;
    struct candor_error error;
    for (;;) {
        require(candor_watch_next(watch, 5000, &changes, &error) == CANDOR_OK, "watch", &error);
        for (size_t i = 0; i < changes.count; i++)
            if (equal(changes.events[i].value, value))
                return;
    }
}

int main(int argc, char **argv)
{
    struct candor_error error = {0};
    require(argc == 3, "usage: program ENDPOINT KEY", &error);
    const char *endpoints[] = {argv[1]};
    struct candor_bytes key = candor_text(argv[2]);
    struct candor_client_options options = {.endpoints = endpoints, .endpoint_count = 1};
    struct candor_watch_options from_now = {.key = key, .with_state = true};
    struct candor_client *client;
    struct candor_watch *watch;
    struct candor_result result;

    require(candor_client_open(&options, &client, &error) == CANDOR_OK, "open", &error);
    require(candor_put(client, key, candor_text("one"), NULL, &result) == CANDOR_OK, "put",
            &result.error);
    candor_result_free(&result);
    check_get(client, key, "one");
    require(candor_watch_open(client, &from_now, &watch, &error) == CANDOR_OK, "watch", &error);
    check_watch(watch, "one");
    check_txn(client, key);
    check_watch(watch, "two");
    candor_watch_close(watch);
    candor_client_close(client);
    puts("good");
    return 0;
}
