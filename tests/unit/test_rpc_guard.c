/* links: rpc net */
/* Descriptors and connections of a server: each test lowers the limit of descriptors in a child of
 * its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "net/guard.h"
#include "nng_attack.h"
#include "rpc/rpc.h"
#include "sp_socket.h"

#define DESCRIPTORS 128 /* of the server; a quarter of them is kept for files */
/* One that is refused takes a descriptor for a moment. */
#define KEPT (DESCRIPTORS / 4 - 4)
#define CONNECTIONS 12

struct limits {
    int port;
    uint32_t connections;
};

/* ---- A server in a child, with few descriptors ----------------------------------------------- */

/* What the child tells each time it is asked. */
struct report {
    struct rpc_server_stats stats;
    struct guard_counts guard;
    int files; /* how many more it could open */
};

static int files_left(void)
{
    int fds[DESCRIPTORS];
    int count = 0;
    while (count < DESCRIPTORS) {
        fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fds[count] < 0)
            break;
        count++;
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return count;
}

static int serve_and_report(int in, int out, void *closure)
{
    const struct limits *limits = closure;
    struct rlimit descriptors = {DESCRIPTORS, DESCRIPTORS};
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        return 2;
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", limits->port);
    struct rpc_server_options options = {
        .address = address, .message_bytes = 1 << 16, .connections = limits->connections};
    struct rpc_server *server;
    if (rpc_server_open(&options, &server, NULL) != CANDOR_OK)
        return 3;
    int ready = 1;
    if (write(out, &ready, sizeof ready) != sizeof ready)
        return 4;
    char byte;
    while (read(in, &byte, 1) == 1) {
        struct report report = {.guard = guard_counts(), .files = files_left()};
        rpc_server_stats(server, &report.stats);
        if (write(out, &report, sizeof report) != sizeof report)
            return 5;
    }
    rpc_server_close(server);
    return 0;
}

static struct victim start(struct limits *limits)
{
    limits->port = free_port();
    struct victim victim = victim_start(serve_and_report, limits);
    int ready = 0;
    ASSERT(victim_says(&victim, &ready, sizeof ready) && ready == 1);
    return victim;
}

static struct report ask_report(struct victim *victim)
{
    struct report report = {0};
    ASSERT(write(victim->to, "?", 1) == 1);
    ASSERT(victim_says(victim, &report, sizeof report));
    return report;
}

#define AWAIT_REPORT(victim, condition)                                                            \
    do {                                                                                           \
        uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;                                         \
        struct report report = ask_report(victim);                                                 \
        while (!(condition) && clock_boot_ns() < until_ns) {                                       \
            pause_ms(10);                                                                          \
            report = ask_report(victim);                                                           \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static bool server_answers_in_time(int port)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (!server_answers(port)) {
        if (clock_boot_ns() >= until_ns)
            return false;
        pause_ms(10);
    }
    return true;
}

static int handshaken(int port)
{
    int fd = sp_connect(port);
    uint8_t reply[8];
    if (fd >= 0 && send_all(fd, HANDSHAKE_REQ, sizeof HANDSHAKE_REQ))
        (void)receive_all(fd, reply, sizeof reply);
    return fd;
}

static bool hung_up(int fd)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return poll(&waits, 1, 0) > 0 && (waits.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

/* More connections than there are descriptors, none of which says a word. */
static void silent_connections_leave_descriptors_for_files(void **state)
{
    (void)state;
    struct limits limits = {0};
    struct victim victim = start(&limits);
    int fds[2 * DESCRIPTORS];
    for (int i = 0; i < 2 * DESCRIPTORS; i++) {
        fds[i] = sp_connect(limits.port);
        if (i % 16 == 0)
            assert_in_range(ask_report(&victim).files, KEPT, DESCRIPTORS);
    }
    AWAIT_REPORT(&victim, report.guard.refused > 0);
    assert_true(server_answers_in_time(limits.port));
    /* They are not kept, although nobody needs their place now. */
    AWAIT_REPORT(&victim, report.guard.silent > 0 && report.files > DESCRIPTORS / 2);
    close_all(fds, 2 * DESCRIPTORS);
    assert_true(victim_ends(&victim, PATIENCE_NS));
}

/* The kernel itself gives none, not even for the moment that a refusal takes: it is counted (and
 * logged), and ends with the shortage. */
static void accept_without_a_descriptor_is_counted_and_passes(void **state)
{
    (void)state;
    struct limits limits = {0};
    struct victim victim = start(&limits);
    assert_true(server_answers_in_time(limits.port));
    assert_true(ask_report(&victim).guard.refused == 0);
    struct rlimit none = {3, DESCRIPTORS};
    struct rlimit enough = {DESCRIPTORS, DESCRIPTORS};
    assert_int_equal(prlimit(victim.pid, RLIMIT_NOFILE, &none, NULL), 0);
    int fd = sp_connect(limits.port);
    AWAIT_REPORT(&victim, report.guard.refused > 0 && report.files == 0);
    assert_int_equal(prlimit(victim.pid, RLIMIT_NOFILE, &enough, NULL), 0);
    assert_true(server_answers_in_time(limits.port));
    close(fd);
    assert_true(victim_ends(&victim, PATIENCE_NS));
}

/* Another connection in place of one that may have been refused. */
static int refill(int port, int fd)
{
    if (fd >= 0)
        close(fd);
    return handshaken(port);
}

/* The same with connections that have shaken hands, and then say nothing: the longest idle ones
 * give way. */
static void idle_connections_give_way_to_new_ones(void **state)
{
    (void)state;
    struct limits limits = {0};
    struct victim victim = start(&limits);
    int fds[2 * DESCRIPTORS];
    for (int i = 0; i < 2 * DESCRIPTORS; i++)
        fds[i] = handshaken(limits.port);
    for (int i = 0; i < 5; i++) {
        /* One that fills a gap has a low number, and says nothing of how many there are. */
        fds[i] = refill(limits.port, fds[i]);
        fds[DESCRIPTORS + i] = refill(limits.port, fds[DESCRIPTORS + i]);
        assert_true(server_answers_in_time(limits.port));
    }
    assert_in_range(ask_report(&victim).files, KEPT, DESCRIPTORS);
    close_all(fds, 2 * DESCRIPTORS);
    assert_true(victim_ends(&victim, PATIENCE_NS));
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void connections_are_bounded_and_the_longest_idle_gives_way(void **state)
{
    (void)state;
    struct limits limits = {.connections = CONNECTIONS};
    struct victim victim = start(&limits);
    int each = CONNECTIONS - CONNECTIONS / 3; /* all are of one address */
    int fds[CONNECTIONS];
    for (int i = 0; i < each; i++) {
        fds[i] = handshaken(limits.port);
        AWAIT_REPORT(&victim, report.stats.connections == (uint32_t)i + 1);
    }
    int newest = handshaken(limits.port);
    uint64_t patience_ns = clock_boot_ns() + PATIENCE_NS;
    while (!hung_up(fds[0]) && clock_boot_ns() < patience_ns)
        pause_ms(1);
    assert_true(hung_up(fds[0]));
    for (int i = 1; i < each; i++)
        assert_false(hung_up(fds[i]));
    assert_false(hung_up(newest));
    AWAIT_REPORT(&victim, report.stats.connections == (uint32_t)each);
    close_all(fds, each);
    close(newest);
    assert_true(victim_ends(&victim, PATIENCE_NS));
}

/* ---- In this process ------------------------------------------------------------------------- */

static void every_connection_is_kept_alive_by_tcp(void **state)
{
    (void)state;
    int port = free_port();
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    struct rpc_server_options options = {.address = address, .message_bytes = 1 << 16};
    struct rpc_server *server;
    assert_int_equal(rpc_server_open(&options, &server, NULL), CANDOR_OK);
    int client = handshaken(port);
    int local = sp_local_port(client);
    int keeps_alive = 0;
    int patience_ms = 0;
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (keeps_alive == 0 && clock_boot_ns() < until_ns) {
        for (int fd = 3; fd < 256; fd++) {
            struct sockaddr_in peer = {0};
            socklen_t length = sizeof peer;
            if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0 ||
                ntohs(peer.sin_port) != local)
                continue;
            length = sizeof keeps_alive;
            getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keeps_alive, &length);
            getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, &length);
            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
        pause_ms(10);
    }
    assert_int_equal(keeps_alive, 1);
    assert_int_equal(patience_ms, LIMIT_TCP_UNANSWERED_MS);
    close(client);
    rpc_server_close(server);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        /* first: they fork */
        cmocka_unit_test(silent_connections_leave_descriptors_for_files),
        cmocka_unit_test(idle_connections_give_way_to_new_ones),
        cmocka_unit_test(accept_without_a_descriptor_is_counted_and_passes),
        cmocka_unit_test(connections_are_bounded_and_the_longest_idle_gives_way),
        cmocka_unit_test(every_connection_is_kept_alive_by_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
