/* links: rpc net */
/* NNG with its fix (docs/architecture.md) under what it does not survive without: see
 * test_nng_unfixed.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "nng_attack.h"
#include "nng_clock.h"
#include "nng_poller.h"

static void the_listener_survives_resets_before_the_handshake(void **state)
{
    (void)state;
    int port = 0;
    struct victim server = server_start(&port);
    for (int round = 0; round < 5; round++) {
        attack_fin_and_reset(&server, port, 20);
        assert_true(server_answers(port));
    }
    assert_true(victim_ends(&server, PATIENCE_NS));
}

static void connections_dropped_in_mid_message_come_again_without_a_leak(void **state)
{
    (void)state;
    int drops = 200;
    struct victim subscriber = victim_start(subscribe_and_drop, &drops);
    struct subscriber_report report = {0};
    assert_true(victim_says(&subscriber, &report, sizeof report));
    bool closed = victim_ends(&subscriber, PATIENCE_NS);
    assert_int_equal(report.dropped, drops);
    assert_in_range(report.descriptors_after, 1, report.descriptors_before + 4);
    assert_true(report.received > 0);
    assert_true(closed);
}

/* One hostile connection of each kind: a port scan, garbage, partial handshakes and messages,
 * forged lengths. */
static void attack_once(int port, int kind, struct rng *rng)
{
    uint8_t bytes[64] = {0};
    int fd = sp_connect(port);
    if (fd < 0)
        return;
    random_bytes(bytes, 8);
    bytes[0] = 0xff;
    size_t at = 0;
    uint8_t message[8 + 4 + 2000] = {0};
    memcpy(message + frame_put(message, 100), "\x80\0\0\1", 4);
    switch (kind) {
    case 0: /* port scan */
        break;
    case 1: /* part of a handshake */
        send_all(fd, HANDSHAKE_REQ, rng_below(rng, 8));
        break;
    case 2: /* not SP at all */
        send_all(fd, bytes, 8);
        break;
    case 3: /* part of a length */
        memcpy(bytes, HANDSHAKE_REQ, 8);
        at = 8 + frame_put(bytes + 8, 100);
        send_all(fd, bytes, at - 1 - rng_below(rng, 8));
        break;
    case 4: /* part of a message, in two pieces */
        send_all(fd, HANDSHAKE_REQ, 8);
        send_all(fd, message, 12 + rng_below(rng, 50));
        send_all(fd, message, rng_below(rng, 30));
        break;
    case 5: /* a length beyond the limit */
        send_all(fd, HANDSHAKE_REQ, 8);
        frame_put(bytes, UINT64_C(1) << 40);
        send_all(fd, bytes, 64);
        break;
    case 6: /* no request id at all */
        send_all(fd, HANDSHAKE_REQ, 8);
        frame_put(bytes, 2);
        send_all(fd, bytes, 10);
        break;
    default: /* many requests, no reply read */
        send_all(fd, HANDSHAKE_REQ, 8);
        for (int i = 0; i < 10; i++)
            send_all(fd, message, 108);
        break;
    }
    if (rng_below(rng, 2) == 0)
        sp_reset(fd);
    else
        close(fd);
}

#define ATTACK_KINDS 8

static void the_server_survives_hostile_bytes_and_leaks_nothing(void **state)
{
    (void)state;
    int port = 0;
    struct victim server = server_start(&port);
    assert_true(server_answers(port));
    int before = descriptors_of(server.pid);
    uint64_t seed = random_u64_nonzero();
    struct rng rng;
    rng_seed(&rng, seed);
    print_message("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 150 * ATTACK_KINDS; i++)
        attack_once(port, i % ATTACK_KINDS, &rng);
    assert_true(server_answers(port));
    assert_in_range(descriptors_at_most(server.pid, before + 2), 1, before + 2);
    assert_true(victim_ends(&server, PATIENCE_NS));
}

static void a_listener_closes_while_connections_hang_in_the_handshake(void **state)
{
    (void)state;
    int port = 0;
    struct victim server = server_start(&port);
    int hanging[30];
    for (int i = 0; i < 30; i++) {
        hanging[i] = sp_connect(port);
        assert_true(hanging[i] >= 0);
        send_all(hanging[i], HANDSHAKE_REQ, (size_t)i % 9);
    }
    bool ended = victim_ends(&server, PATIENCE_NS);
    for (int i = 0; i < 30; i++)
        close(hanging[i]);
    assert_true(ended);
}

static void it_waits_for_a_time_limit_without_looking_at_the_clock(void **state)
{
    (void)state;
    assert_in_range(answer_of(sleep_shortly), SHORT_SLEEPS, LOOKS_BETWEEN);
}

static void a_socket_that_is_not_connected_does_not_keep_the_poller_busy(void **state)
{
    (void)state;
    assert_in_range(answer_of(keep_an_unconnected_socket), 0, 20);
}

/* ---- A client with many calls in flight, whose server is killed again and again -------------- */

struct caller {
    struct rpc_client *client;
    atomic_uint_fast64_t *answered;
    struct rpc_exchange exchange;
    atomic_bool ended;
};

static uint8_t large_body[20000];

/* An unknown method: any reply will do. Again and again until the client is closed. */
static void call_again(struct slice response, struct rpc_exchange *exchange)
{
    (void)response;
    struct caller *caller = exchange->closure_data;
    if (exchange->reply != NULL)
        atomic_fetch_add(caller->answered, 1);
    if (exchange->error.code == CANDOR_CANCELLED)
        atomic_store(&caller->ended, true);
    else
        rpc_client_call(caller->client, "/none/none", slice_of(large_body, sizeof large_body),
                        call_again, exchange);
}

#define CALLERS 64

struct load {
    int port;
    atomic_uint_fast64_t answered; /* in shared memory */
};

static int call_until_closed(int in, int out, void *closure)
{
    (void)out;
    struct load *load = closure;
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", load->port);
    struct rpc_client *client;
    ASSERT(rpc_client_open(address, 1 << 16, &client, NULL) == CANDOR_OK);
    static struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.client = client, .answered = &load->answered};
        callers[i].exchange =
            (struct rpc_exchange){.deadline_ms = 500, .closure_data = &callers[i]};
        call_again((struct slice){0}, &callers[i].exchange);
    }
    await_end_of(in);
    rpc_client_close(client);
    for (int i = 0; i < CALLERS; i++)
        ASSERT(atomic_load(&callers[i].ended));
    return 0;
}

static bool calls_go_on(struct load *load, uint64_t more)
{
    uint64_t first = atomic_load(&load->answered);
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (atomic_load(&load->answered) - first < more && clock_boot_ns() < until_ns)
        pause_ms(1);
    return atomic_load(&load->answered) - first >= more;
}

static void a_client_recovers_from_every_kill_of_its_server(void **state)
{
    (void)state;
    struct load *load =
        mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(load, MAP_FAILED);
    struct victim server = server_start(&load->port);
    struct victim client = victim_start(call_until_closed, load);
    assert_true(calls_go_on(load, 200));
    int before = descriptors_of(client.pid);
    for (int i = 0; i < 25; i++) {
        kill(server.pid, SIGKILL);
        victim_ends(&server, PATIENCE_NS);
        server = server_start(&load->port);
        assert_true(calls_go_on(load, 200));
    }
    assert_in_range(descriptors_at_most(client.pid, before + 2), 1, before + 2);
    assert_true(victim_ends(&client, PATIENCE_NS));
    assert_true(victim_ends(&server, PATIENCE_NS));
    munmap(load, sizeof *load);
}

static void an_operation_refused_in_its_own_callback_is_told_so(void **state)
{
    (void)state;
    assert_int_equal(answer_of(resubmit_on_a_closed_aio), 2);
}

#if NNG_MINOR_VERSION >= 9
static void what_is_being_finished_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(answer_of(cancel_what_will_be_finished), 1);
}
#endif

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_listener_survives_resets_before_the_handshake),
        cmocka_unit_test(connections_dropped_in_mid_message_come_again_without_a_leak),
        cmocka_unit_test(the_server_survives_hostile_bytes_and_leaks_nothing),
        cmocka_unit_test(a_listener_closes_while_connections_hang_in_the_handshake),
        cmocka_unit_test(a_client_recovers_from_every_kill_of_its_server),
        cmocka_unit_test(an_operation_refused_in_its_own_callback_is_told_so),
        cmocka_unit_test(it_waits_for_a_time_limit_without_looking_at_the_clock),
        cmocka_unit_test(a_socket_that_is_not_connected_does_not_keep_the_poller_busy),
#if NNG_MINOR_VERSION >= 9
        cmocka_unit_test(what_is_being_finished_is_waited_for),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
