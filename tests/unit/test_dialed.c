/* links: net */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>

#include "net/dialed.h"
#include "publisher.h"

/* ---- What is dialed -------------------------------------------------------------------------- */

static void dialed_open(struct dialed *dialed, int port, void (*changed)(void *, bool),
                        void *closure)
{
    char address[64];
    nng_socket socket;
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    assert_int_equal(nng_sub0_open(&socket), 0);
    assert_int_equal(dialed_start(dialed, socket, address, changed, closure), 0);
}

static void await_connection(struct dialed *dialed)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    uint64_t since_ns;
    while (dialed_pipe(dialed, &since_ns) == 0) {
        assert_true(clock_boot_ns() < until_ns);
        pause_ms(1);
    }
}

struct redialler {
    struct dialed *dialed;
    uint32_t count;
    atomic_uint done;
};

/* Waits as long as a greeting takes: each meets every moment of the other. Without patience: each
 * call closes a dialer, whatever that is about to do. */
static void *redial_often(void *closure)
{
    struct redialler *redialler = closure;
    struct rng rng;
    rng_seed(&rng, 2);
    for (uint32_t i = 0; i < redialler->count; i++) {
        uint64_t since_ns;
        dialed_redial(redialler->dialed, 0);
        if (i % 3 == 0)
            dialed_drop(redialler->dialed, dialed_pipe(redialler->dialed, &since_ns));
        atomic_fetch_add(&redialler->done, 1);
        usleep((useconds_t)rng_below(&rng, GREETING_US));
    }
    return NULL;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static uint32_t total_of(struct redialler *redialler, int count)
{
    uint32_t total = 0;
    for (int i = 0; i < count; i++)
        total += atomic_load(&redialler[i].done);
    return total;
}

static void redialling_in_mid_handshake_hangs_nobody(void **state)
{
    (void)state;
    enum { DIALED = 4, CALLS = 5000 };
    struct publisher publisher[DIALED];
    struct dialed dialed[DIALED];
    struct redialler redialler[DIALED] = {0};
    pthread_t thread[DIALED];
    for (int i = 0; i < DIALED; i++) {
        publisher_start(&publisher[i], "127.0.0.1", free_port(), false);
        dialed_open(&dialed[i], publisher[i].port, NULL, NULL);
        redialler[i].dialed = &dialed[i];
        redialler[i].count = CALLS;
        pthread_create(&thread[i], NULL, redial_often, &redialler[i]);
    }
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    for (uint32_t seen = 0; seen < DIALED * CALLS; pause_ms(1)) {
        uint32_t done = total_of(redialler, DIALED);
        if (done != seen)
            until_ns = clock_boot_ns() + PATIENCE_NS;
        if (clock_boot_ns() > until_ns)
            fail_msg("after %u calls, dialed_redial() does not return", done);
        seen = done;
    }
    /* NNG's reaper and its tasks still work: connections come, and closing returns. */
    for (int i = 0; i < DIALED; i++) {
        pthread_join(thread[i], NULL);
        atomic_store(&publisher[i].stays, true);
        await_connection(&dialed[i]);
        dialed_close(&dialed[i]);
        publisher_stop(&publisher[i]);
    }
}

/* A callback that stays in `changed` for as long as the test wishes. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool entered;
    bool open;
};

static void wait_at_gate(void *closure, bool up)
{
    struct gate *gate = closure;
    (void)up;
    pthread_mutex_lock(&gate->lock);
    gate->entered = true;
    pthread_cond_broadcast(&gate->moved);
    while (!gate->open)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* What the node thread asks for never waits for what NNG's threads do. */
static void a_callback_that_does_not_end_keeps_nobody_who_asks(void **state)
{
    (void)state;
    struct publisher publisher;
    struct dialed dialed;
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    publisher_start(&publisher, "127.0.0.1", free_port(), true);
    dialed_open(&dialed, publisher.port, wait_at_gate, &gate);
    pthread_mutex_lock(&gate.lock);
    while (!gate.entered)
        pthread_cond_wait(&gate.moved, &gate.lock);
    pthread_mutex_unlock(&gate.lock);

    uint64_t since_ns;
    uint32_t pipe = dialed_pipe(&dialed, &since_ns);
    assert_int_not_equal(pipe, 0);
    alarm((unsigned)(PATIENCE_NS / NS_PER_S)); /* what waits here is ended by it */
    for (int i = 0; i < 100; i++) {
        dialed_drop(&dialed, pipe);
        dialed_redial(&dialed, 0);
        (void)dialed_pipe(&dialed, &since_ns);
    }
    alarm(0);

    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.lock);
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (dialed_pipe(&dialed, &since_ns) == pipe) { /* it was dropped, as it was asked for */
        assert_true(clock_boot_ns() < until_ns);
        pause_ms(1);
    }
    await_connection(&dialed);
    dialed_close(&dialed);
    publisher_stop(&publisher);
}

static void closing_while_others_ask_ends_all(void **state)
{
    (void)state;
    struct publisher publisher;
    publisher_start(&publisher, "127.0.0.1", free_port(), false);
    for (int i = 0; i < 50; i++) {
        struct dialed dialed;
        dialed_open(&dialed, publisher.port, NULL, NULL);
        struct redialler redialler = {.dialed = &dialed, .count = 5};
        redial_often(&redialler);
        dialed_close(&dialed); /* what the keeper still has to do is not done any more */
    }
    publisher_stop(&publisher);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redialling_in_mid_handshake_hangs_nobody),
        cmocka_unit_test(a_callback_that_does_not_end_keeps_nobody_who_asks),
        cmocka_unit_test(closing_while_others_ask_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
