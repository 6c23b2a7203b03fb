/* links: faultproxy */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "cli/faultproxy/fault_ask.h"
#include "cli/faultproxy/fault_proxy.h"

#define DEADLINE_MS 20000
enum { A, B, C };

/* Three nodes; the test listens where b's and c's peer door would. */
struct fixture {
    char dir[64];
    struct topology topology;
    struct topology seen[3]; /* by each node, through the proxy */
    int listener[3];
    struct fault_proxy *proxy;
    pthread_t thread;
};

static int listen_at(char address[LIMIT_ADDRESS_BYTES])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &length), 0);
    snprintf(address, LIMIT_ADDRESS_BYTES, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
    return fd;
}

static void *run_proxy(void *proxy)
{
    fault_proxy_run(proxy);
    return NULL;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct candor_error err = {0};
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-fault-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->topology.node_count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        struct topology_node *node = &f->topology.nodes[i];
        char id[2] = {(char)('a' + (char)i), '\0'};
        node->id = node_id_of(id);
        f->listener[i] = listen_at(node->peer);
        /* Nobody listens there: a dialer is to be reset. Ports 1 and 2 are never handed out. */
        snprintf(node->stream, sizeof node->stream, "tcp://127.0.0.1:1");
        snprintf(node->rpc, sizeof node->rpc, "tcp://127.0.0.1:2");
        snprintf(node->heartbeat, sizeof node->heartbeat, "ipc://%s/heartbeat-%s", f->dir, id);
    }
    assert_int_equal(fault_proxy_open(&f->topology, f->dir, &f->proxy, &err), CANDOR_OK);
    for (uint32_t i = 0; i < 3; i++)
        fault_proxy_topology(f->proxy, i, &f->seen[i]);
    assert_int_equal(pthread_create(&f->thread, NULL, run_proxy, f->proxy), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fault_proxy_stop(f->proxy);
    pthread_join(f->thread, NULL);
    fault_proxy_close(f->proxy);
    for (int i = 0; i < 3; i++)
        close(f->listener[i]);
    if (rmdir(f->dir) != 0)
        fail_msg("%s: %s: the proxy left something behind", f->dir, strerror(errno));
    free(f);
    return 0;
}

/* ---- Sockets ---- */

static bool ready(int fd, short events, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = events};
    return poll(&wait, 1, timeout_ms) == 1;
}

static void dial_address(const char *address, struct sockaddr_in *out)
{
    const char *colon = strrchr(address, ':');
    *out = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
}

static int dial(const char *address)
{
    struct sockaddr_in in;
    dial_address(address, &in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static int answer(int listener)
{
    assert_true(ready(listener, POLLIN, DEADLINE_MS));
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect(int fd, const char *text)
{
    char got[64] = "";
    size_t length = 0;
    while (length < strlen(text)) {
        assert_true(ready(fd, POLLIN, DEADLINE_MS));
        ssize_t more = recv(fd, got + length, strlen(text) - length, 0);
        assert_true(more > 0);
        length += (size_t)more;
    }
    assert_string_equal(got, text);
}

static void expect_end(int fd)
{
    char byte;
    assert_true(ready(fd, POLLIN, DEADLINE_MS));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static void expect_nothing(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

struct pair {
    int dialer;
    int listener;
};

static struct pair connect_pair(struct fixture *f, int from, int to)
{
    struct pair pair = {.dialer = dial(f->seen[from].nodes[to].peer)};
    pair.listener = answer(f->listener[to]);
    return pair;
}

static void close_pair(struct pair pair)
{
    close(pair.dialer);
    close(pair.listener);
}

/* Whatever could flow before has flowed: the proxy serves what became ready earlier first.
 * `witness` is not cut. Twice, since the first round may have begun before the bytes in question
 * came. */
static void barrier(struct pair witness)
{
    for (int i = 0; i < 2; i++) {
        say(witness.dialer, "x");
        expect(witness.listener, "x");
        say(witness.listener, "y");
        expect(witness.dialer, "y");
    }
}

/* ---- Control ---- */

static json_t *ask(struct fixture *f, json_t *request)
{
    json_t *reply = NULL;
    struct candor_error err = {0};
    enum candor_code code = fault_proxy_ask(f->dir, request, &reply, &err);
    if (code != CANDOR_OK)
        fail_msg("%s", err.message);
    return reply;
}

static void change(struct fixture *f, const char *op, const char *from, const char *to,
                   bool one_way)
{
    json_decref(ask(
        f, json_pack("{s:s,s:s,s:s,s:b}", "op", op, "from", from, "to", to, "one_way", one_way)));
}

static void heal_all(struct fixture *f)
{
    json_decref(ask(f, json_pack("{s:s,s:b}", "op", "heal", "all", 1)));
}

static json_int_t path_number(struct fixture *f, const char *from, const char *to,
                              const char *member)
{
    json_t *list = ask(f, json_pack("{s:s}", "op", "list"));
    json_int_t number = -1;
    size_t i;
    json_t *path;
    json_array_foreach(json_object_get(list, "paths"), i, path)
    {
        if (strcmp(json_string_value(json_object_get(path, "from")), from) == 0 &&
            strcmp(json_string_value(json_object_get(path, "to")), to) == 0)
            number = json_is_boolean(json_object_get(path, member))
                         ? json_is_true(json_object_get(path, member))
                         : json_integer_value(json_object_get(path, member));
    }
    json_decref(list);
    return number;
}

/* ---- The claims ---- */

static void nodes_see_peers_through_the_proxy_and_themselves_directly(void **state)
{
    struct fixture *f = *state;
    const char *addresses[32];
    size_t count = 0;
    for (int self = 0; self < 3; self++) {
        for (int peer = 0; peer < 3; peer++) {
            const struct topology_node *seen = &f->seen[self].nodes[peer];
            const struct topology_node *real = &f->topology.nodes[peer];
            assert_string_equal(seen->rpc, real->rpc); /* clients' alone: never the proxy's */
            assert_int_equal(strcmp(seen->peer, real->peer) == 0, self == peer);
            assert_int_equal(strcmp(seen->stream, real->stream) == 0, self == peer);
            assert_int_equal(strcmp(seen->heartbeat, real->heartbeat) == 0, self == peer);
            assert_int_equal(strncmp(seen->heartbeat, "ipc://", 6), 0);
            if (self != peer) {
                addresses[count++] = seen->peer;
                addresses[count++] = seen->stream;
                addresses[count++] = seen->heartbeat;
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(addresses[i], addresses[j]);
}

static void bytes_and_ends_flow_both_ways(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    say(p.dialer, "question");
    expect(p.listener, "question");
    say(p.listener, "answer");
    expect(p.dialer, "answer");
    shutdown(p.dialer, SHUT_WR);
    expect_end(p.listener);
    say(p.listener, "late"); /* half of it is still open */
    expect(p.dialer, "late");
    close(p.listener);
    expect_end(p.dialer);
    close(p.dialer);
}

static void a_cut_holds_bytes_and_a_heal_lets_them_go_on(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    struct pair back = connect_pair(f, B, A);
    struct pair witness = connect_pair(f, C, B);
    barrier(p);
    change(f, "cut", "a", "b", false);
    say(p.dialer, "from a");
    say(p.listener, "from b");
    say(back.dialer, "also b");
    barrier(witness);
    expect_nothing(p.listener);
    expect_nothing(p.dialer);
    expect_nothing(back.listener);
    assert_int_equal(path_number(f, "a", "b", "cut"), 1);
    assert_int_equal(path_number(f, "b", "a", "cut"), 1);
    assert_int_equal(path_number(f, "c", "b", "cut"), 0);
    change(f, "heal", "b", "a", false);
    expect(p.listener, "from a");
    expect(p.dialer, "from b");
    expect(back.listener, "also b");
    close_pair(p);
    close_pair(back);
    close_pair(witness);
}

static void a_one_way_cut_leaves_the_other_way_open_whoever_dialed(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    struct pair back = connect_pair(f, B, A);
    struct pair witness = connect_pair(f, C, B);
    change(f, "cut", "a", "b", true);
    say(p.dialer, "lost");
    say(back.listener, "lost too");
    say(p.listener, "hello");
    say(back.dialer, "hello");
    expect(p.dialer, "hello");
    expect(back.listener, "hello");
    barrier(witness);
    expect_nothing(p.listener);
    expect_nothing(back.dialer);
    heal_all(f);
    expect(p.listener, "lost");
    expect(back.dialer, "lost too");
    close_pair(p);
    close_pair(back);
    close_pair(witness);
}

static void healing_one_way_leaves_the_other_way_cut(void **state)
{
    struct fixture *f = *state;
    change(f, "cut", "a", "b", false);
    change(f, "heal", "a", "b", true);
    assert_int_equal(path_number(f, "a", "b", "cut"), 0);
    assert_int_equal(path_number(f, "b", "a", "cut"), 1);
}

static void a_new_connection_over_a_cut_is_neither_answered_nor_refused(void **state)
{
    static const char *const cuts[][2] = {{"a", "b"}, {"b", "a"}};
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct pair witness = connect_pair(f, C, B);
        change(f, "cut", cuts[i][0], cuts[i][1], true); /* a handshake needs both ways */
        int dialer = dial(f->seen[A].nodes[B].peer);
        say(dialer, "hello");
        barrier(witness);
        assert_false(ready(f->listener[B], POLLIN, 0));
        assert_false(ready(dialer, POLLIN | POLLHUP | POLLERR, 0));
        heal_all(f);
        int listener = answer(f->listener[B]);
        expect(listener, "hello");
        say(listener, "there you are");
        expect(dialer, "there you are");
        close(dialer);
        close(listener);
        close_pair(witness);
    }
}

static void later_dials_over_a_cut_get_no_answer_at_all(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in in;
    dial_address(f->seen[A].nodes[B].peer, &in);
    change(f, "cut", "a", "b", false);
    int fds[8];
    int unanswered = 0;
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int failed = connect(fds[i], (struct sockaddr *)&in, sizeof in);
        assert_true(failed == 0 || errno == EINPROGRESS);
        unanswered += failed != 0 && !ready(fds[i], POLLOUT, 0);
    }
    assert_in_range(unanswered, 5, 7); /* Linux lets one or two into an empty queue */
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}

static void the_end_of_a_connection_is_lost_in_a_cut_too(void **state)
{
    struct fixture *f = *state;
    struct pair ended = connect_pair(f, A, B);
    struct pair reset = connect_pair(f, A, B);
    struct pair witness = connect_pair(f, C, B);
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    change(f, "cut", "a", "b", false);
    close(ended.dialer);
    setsockopt(reset.listener, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(reset.listener);
    say(reset.dialer, "into the void");
    barrier(witness);
    expect_nothing(ended.listener);
    expect_nothing(reset.dialer);
    heal_all(f);
    expect_end(ended.listener);
    expect_end(reset.dialer);
    close(ended.listener);
    close(reset.dialer);
    close_pair(witness);
}

/* a -> b is open, b -> a is not: what a sends reaches a b that is gone, and a must not learn of
 * it. */
static void a_reset_does_not_travel_over_the_cut_half(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    struct pair witness = connect_pair(f, C, B);
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    change(f, "cut", "b", "a", true);
    setsockopt(p.listener, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(p.listener);
    for (int i = 0; i < 3; i++) {
        say(p.dialer, "to nobody");
        barrier(witness);
        expect_nothing(p.dialer);
    }
    heal_all(f);
    expect_end(p.dialer);
    close(p.dialer);
    close_pair(witness);
}

static void a_dialer_is_reset_when_nobody_listens_behind_the_proxy(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f->seen[A].nodes[B].stream);
    expect_end(fd);
    close(fd);
}

static void unix_sockets_are_forwarded_to_unix_sockets(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un real = {.sun_family = AF_UNIX};
    struct sockaddr_un seen = {.sun_family = AF_UNIX};
    snprintf(real.sun_path, sizeof real.sun_path, "%s/heartbeat-b", f->dir);
    snprintf(seen.sun_path, sizeof seen.sun_path, "%.100s",
             f->seen[A].nodes[B].heartbeat + strlen("ipc://"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&real, sizeof real), 0);
    assert_int_equal(listen(listener, 1), 0);
    struct pair p = {.dialer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(p.dialer, (struct sockaddr *)&seen, sizeof seen), 0);
    p.listener = answer(listener);
    say(p.dialer, "beat");
    expect(p.listener, "beat");
    close_pair(p);
    close(listener);
    unlink(real.sun_path);
}

/* Writes until nothing more is taken; `pattern` bytes so that the other end can compare. */
static size_t fill(int fd, struct pair witness)
{
    uint8_t bytes[4096];
    size_t total = 0;
    int full = 0;
    while (full < 3 && total < (64u << 20)) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((total + i) * 31 >> 3);
        ssize_t sent = send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            total += (size_t)sent;
            full = 0;
        } else {
            full++;
            barrier(witness); /* the proxy may still take some */
        }
    }
    assert_in_range(total, 1, (64u << 20) - 1);
    return total;
}

static void drain(int fd, size_t total)
{
    uint8_t bytes[65536];
    for (size_t at = 0; at < total;) {
        assert_true(ready(fd, POLLIN, DEADLINE_MS));
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++, at++)
            if (bytes[i] != (uint8_t)(at * 31 >> 3))
                fail_msg("byte %zu of %zu differs", at, total);
    }
}

static void what_is_held_is_bounded_and_arrives_in_order(void **state)
{
    static const bool cut[] = {false, true};
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct pair p = connect_pair(f, A, B);
        struct pair witness = connect_pair(f, C, B);
        if (cut[i])
            change(f, "cut", "a", "b", false);
        size_t total = fill(p.dialer, witness);
        json_int_t held = path_number(f, "a", "b", "held_bytes");
        assert_in_range(held, cut[i] ? 0 : 1, cut[i] ? 0 : LIMIT_PROXY_HELD_BYTES);
        if (cut[i])
            heal_all(f);
        drain(p.listener, total);
        close_pair(p);
        close_pair(witness);
    }
}

static void bytes_held_when_the_cut_comes_wait_for_the_heal(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    struct pair witness = connect_pair(f, C, B);
    size_t total = fill(p.dialer, witness);
    change(f, "cut", "a", "b", false);
    /* Only now: until the cut the kernel may take more of it, as the window grows. */
    json_int_t held = path_number(f, "a", "b", "held_bytes");
    assert_true(held > 0);
    uint8_t bytes[65536];
    size_t got_total = 0;
    ssize_t got;
    while ((got = recv(p.listener, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < got; i++, got_total++)
            assert_int_equal(bytes[i], (uint8_t)(got_total * 31 >> 3));
        barrier(witness);
    }
    assert_int_equal(path_number(f, "a", "b", "held_bytes"), held);
    assert_true(got_total < total);
    heal_all(f);
    for (size_t at = got_total; at < total;) {
        assert_true(ready(p.listener, POLLIN, DEADLINE_MS));
        got = recv(p.listener, bytes, sizeof bytes, 0);
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++, at++)
            assert_int_equal(bytes[i], (uint8_t)(at * 31 >> 3));
    }
    close_pair(p);
    close_pair(witness);
}

static void delayed_bytes_take_that_long_each_way(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    json_decref(
        ask(f, json_pack("{s:s,s:s,s:s,s:i}", "op", "delay", "from", "a", "to", "b", "ms", 40)));
    uint64_t begin = clock_boot_ns();
    say(p.dialer, "ping");
    expect(p.listener, "ping");
    assert_true(clock_boot_ns() - begin >= 40 * NS_PER_MS);
    say(p.listener, "pong");
    shutdown(p.listener, SHUT_WR); /* the end comes behind the bytes */
    expect(p.dialer, "pong");
    assert_true(clock_boot_ns() - begin >= 80 * NS_PER_MS);
    expect_end(p.dialer);
    heal_all(f);
    assert_int_equal(path_number(f, "a", "b", "delay_ms"), 0);
    close_pair(p);
}

static void bytes_never_overtake_those_that_a_former_delay_holds(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    struct pair witness = connect_pair(f, C, B);
    json_decref(
        ask(f, json_pack("{s:s,s:s,s:s,s:i}", "op", "delay", "from", "a", "to", "b", "ms", 100)));
    say(p.dialer, "first");
    barrier(witness);
    heal_all(f);
    say(p.dialer, "second");
    expect(p.listener, "firstsecond");
    close_pair(p);
    close_pair(witness);
}

static void list_counts_connections_and_bytes(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f, A, B);
    say(p.dialer, "12345");
    expect(p.listener, "12345");
    assert_int_equal(path_number(f, "a", "b", "connections"), 1);
    assert_int_equal(path_number(f, "b", "a", "connections"), 0);
    assert_int_equal(path_number(f, "a", "b", "forwarded_bytes"), 5);
    assert_int_equal(path_number(f, "b", "a", "forwarded_bytes"), 0);
    close_pair(p);
}

static void wrong_requests_are_refused_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {
        "{\"op\":\"cut\",\"from\":\"a\",\"to\":\"a\"}",
        "{\"op\":\"cut\",\"from\":\"a\",\"to\":\"z\"}",
        "{\"op\":\"cut\",\"from\":\"a\"}",
        "{\"op\":\"cut\",\"from\":[\"a\"],\"to\":7}",
        "{\"op\":\"cut\",\"from\":\"a\",\"to\":\"b\",\"one_way\":\"yes\"}",
        "{\"op\":\"cut\",\"op\":\"heal\",\"from\":\"a\",\"to\":\"b\"}",
        "{\"op\":\"delay\",\"from\":\"a\",\"to\":\"b\"}",
        "{\"op\":\"delay\",\"from\":\"a\",\"to\":\"b\",\"ms\":-1}",
        "{\"op\":\"delay\",\"from\":\"a\",\"to\":\"b\",\"ms\":60001}",
        "{\"op\":\"delay\",\"from\":\"a\",\"to\":\"b\",\"ms\":1e3}",
        "{\"op\":\"heal\",\"all\":1}",
        "{\"op\":\"explode\"}",
        "{}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *reply = NULL;
        struct candor_error err = {0};
        json_t *request = json_loads(wrong[i], 0, NULL);
        assert_non_null(request);
        if (strstr(wrong[i], "\"op\":\"cut\",\"op\"") != NULL) {
            json_decref(request); /* duplicates can only be said as text: below */
            continue;
        }
        assert_int_equal(fault_proxy_ask(f->dir, request, &reply, &err), CANDOR_INVALID_ARGUMENT);
        assert_null(reply);
        assert_int_not_equal(err.message[0], '\0');
    }
    assert_int_equal(path_number(f, "a", "b", "cut"), 0);
    assert_int_equal(path_number(f, "a", "b", "delay_ms"), 0);
}

static int dial_control(struct fixture *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s/fault.sock", f->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    return fd;
}

static void hostile_bytes_at_the_control_socket_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = {
        "\n",           "GET / HTTP/1.1\r\n",
        "[]\n",         "null\n",
        "{\"op\":\n",   "\xff\xfe\x80\n",
        "{\"op\":3}\n", "{\"op\":\"cut\",\"op\":\"heal\",\"from\":\"a\",\"to\":\"b\"}\n",
    };
    int fd = dial_control(f);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        say(fd, lines[i]);
        expect(fd, "{\"ok\":false,\"error\":\"");
        char byte = 0;
        while (byte != '\n')
            assert_int_equal(recv(fd, &byte, 1, 0), 1);
    }
    close(fd);

    static char deep[LIMIT_PROXY_LINE_BYTES];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 2] = '\n';
    fd = dial_control(f);
    say(fd, deep);
    expect(fd, "{\"ok\":false,\"error\":\"");
    close(fd);
    assert_int_equal(path_number(f, "a", "b", "cut"), 0);
}

static void a_line_without_end_is_refused_and_its_connection_closed(void **state)
{
    struct fixture *f = *state;
    int fd = dial_control(f);
    char bytes[1024];
    memset(bytes, 'x', sizeof bytes);
    while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        ;
    expect(fd, "{\"ok\":false,\"error\":\"a request has at most 4096 bytes\"}\n");
    expect_end(fd);
    close(fd);
}

static void controls_beyond_the_limit_are_closed_and_random_bytes_do_no_harm(void **state)
{
    struct fixture *f = *state;
    int fds[LIMIT_PROXY_CONTROLS + 1];
    for (size_t i = 0; i <= LIMIT_PROXY_CONTROLS; i++)
        fds[i] = dial_control(f);
    expect_end(fds[LIMIT_PROXY_CONTROLS]);
    struct rng rng;
    rng_seed(&rng, 7);
    for (size_t i = 0; i <= LIMIT_PROXY_CONTROLS; i++) {
        uint8_t noise[512];
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t)rng_next(&rng);
        ssize_t ignored = send(fds[i], noise, sizeof noise, MSG_NOSIGNAL);
        (void)ignored;
        close(fds[i]);
    }
    struct pair p = connect_pair(f, A, B);
    barrier(p);
    close_pair(p);
}

static void a_second_proxy_in_the_same_place_is_refused_and_a_dead_ones_file_is_not(void **state)
{
    struct fixture *f = *state;
    struct fault_proxy *second = NULL;
    struct candor_error err = {0};
    assert_int_equal(fault_proxy_open(&f->topology, f->dir, &second, &err), CANDOR_ALREADY_EXISTS);
    assert_null(second);

    char dir[] = "/tmp/candor-fault-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s/fault.sock", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd); /* bound, never listened at: as after a kill */
    assert_int_equal(fault_proxy_open(&f->topology, dir, &second, &err), CANDOR_OK);
    fault_proxy_close(second);
    assert_int_equal(rmdir(dir), 0);

    json_t *reply = NULL;
    assert_int_equal(fault_proxy_ask(dir, json_pack("{s:s}", "op", "list"), &reply, &err),
                     CANDOR_NOT_FOUND);
}

static void storm_dial(const struct fixture *f)
{
    struct sockaddr_in in;
    dial_address(f->seen[C].nodes[A].peer, &in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = connect(fd, (struct sockaddr *)&in, sizeof in);
    assert_true(failed == 0 || errno == EINPROGRESS);
    close(fd);
}

static size_t storm_send(int fd, size_t sent)
{
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((sent + i) * 31 >> 3);
    ssize_t took = send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    return took > 0 ? (size_t)took : 0;
}

/* Connections come, go and are cut at random: nothing is lost, mixed up or left behind. */
static void a_storm_of_cuts_and_connections_loses_no_byte(void **state)
{
    static const char *const ids[] = {"a", "b", "c"};
    struct fixture *f = *state;
    struct rng rng;
    rng_seed(&rng, 11);
    struct pair p = connect_pair(f, A, B);
    size_t sent = 0;
    for (int round = 0; round < 400; round++) {
        uint64_t from = rng_below(&rng, 3);
        switch (rng_below(&rng, 4)) {
        case 0:
            change(f, "cut", ids[from], ids[(from + 1) % 3], rng_below(&rng, 2));
            break;
        case 1:
            heal_all(f);
            break;
        case 2:
            storm_dial(f);
            break;
        default:
            sent += storm_send(p.dialer, sent);
        }
    }
    heal_all(f);
    assert_true(sent > 0);
    drain(p.listener, sent);
    close_pair(p);
}

#define test(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(nodes_see_peers_through_the_proxy_and_themselves_directly),
        test(bytes_and_ends_flow_both_ways),
        test(a_cut_holds_bytes_and_a_heal_lets_them_go_on),
        test(a_one_way_cut_leaves_the_other_way_open_whoever_dialed),
        test(healing_one_way_leaves_the_other_way_cut),
        test(a_new_connection_over_a_cut_is_neither_answered_nor_refused),
        test(later_dials_over_a_cut_get_no_answer_at_all),
        test(the_end_of_a_connection_is_lost_in_a_cut_too),
        test(a_reset_does_not_travel_over_the_cut_half),
        test(a_dialer_is_reset_when_nobody_listens_behind_the_proxy),
        test(unix_sockets_are_forwarded_to_unix_sockets),
        test(what_is_held_is_bounded_and_arrives_in_order),
        test(bytes_held_when_the_cut_comes_wait_for_the_heal),
        test(delayed_bytes_take_that_long_each_way),
        test(bytes_never_overtake_those_that_a_former_delay_holds),
        test(list_counts_connections_and_bytes),
        test(wrong_requests_are_refused_and_change_nothing),
        test(hostile_bytes_at_the_control_socket_are_refused),
        test(a_line_without_end_is_refused_and_its_connection_closed),
        test(controls_beyond_the_limit_are_closed_and_random_bytes_do_no_harm),
        test(a_second_proxy_in_the_same_place_is_refused_and_a_dead_ones_file_is_not),
        test(a_storm_of_cuts_and_connections_loses_no_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
