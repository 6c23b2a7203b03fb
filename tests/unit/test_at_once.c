/* links: net */
/* What NNG would do on a further thread is done on the one that is there (net/at_once.h). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "net/at_once.h"

enum { PATIENCE_MS = 60000, LISTENERS = 20, ROUNDS = 30 };

int __real_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);

static atomic_uint signals; /* to single threads, in all of the process */

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    atomic_fetch_add(&signals, 1);
    return __real_pthread_cond_signal(condition);
}

static char dir[] = "/tmp/candor-at-once-XXXXXX";
static char address[64];

static int setup(void **state)
{
    (void)state;
    snprintf(address, sizeof address, "ipc://%s/socket", dir);
    return 0;
}

/* One end of a conversation, and what it was told. */
struct party {
    nng_ctx context;
    nng_aio *aio;
    atomic_uint told;
    int result;
    pthread_t on;        /* which thread told it */
    atomic_bool stopped; /* nng_aio_stop() has returned */
    bool stopped_first;  /* before it was told */
};

static void told(void *closure)
{
    struct party *party = closure;
    party->result = nng_aio_result(party->aio);
    party->on = pthread_self();
    party->stopped_first = atomic_load(&party->stopped);
    atomic_fetch_add(&party->told, 1);
}

static void party_open(struct party *party, nng_socket socket)
{
    *party = (struct party){0};
    assert_int_equal(nng_ctx_open(&party->context, socket), 0);
    assert_int_equal(nng_aio_alloc(&party->aio, told, party), 0);
    nng_aio_set_timeout(party->aio, PATIENCE_MS);
}

static void wait_told(struct party *party, unsigned times)
{
    while (atomic_load(&party->told) < times)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nng_aio_wait(party->aio);
    assert_int_equal(party->result, 0);
}

static void give_message(struct party *party)
{
    nng_msg *message;
    assert_int_equal(nng_msg_alloc(&message, 100), 0);
    nng_aio_set_msg(party->aio, message);
}

static void drop_message(struct party *party)
{
    nng_msg_free(nng_aio_get_msg(party->aio));
    nng_aio_set_msg(party->aio, NULL);
}

static void party_close(struct party *party)
{
    nng_aio_stop(party->aio);
    drop_message(party); /* what it has received, or not sent */
    nng_aio_free(party->aio);
    nng_ctx_close(party->context);
}

/* Two who ask, and two at the other end who have heard them. */
struct conversation {
    nng_socket asking;
    nng_socket answering;
    struct party ask[2];
    struct party answer[2];
};

static void conversation_open(struct conversation *it)
{
    assert_int_equal(nng_rep0_open(&it->answering), 0);
    assert_int_equal(nng_req0_open(&it->asking), 0);
    assert_int_equal(nng_listen(it->answering, address, NULL, 0), 0);
    assert_int_equal(nng_dial(it->asking, address, NULL, 0), 0);
    for (int i = 0; i < 2; i++) {
        party_open(&it->ask[i], it->asking);
        party_open(&it->answer[i], it->answering);
        nng_ctx_recv(it->answer[i].context, it->answer[i].aio);
        give_message(&it->ask[i]);
        nng_ctx_send(it->ask[i].context, it->ask[i].aio);
        wait_told(&it->ask[i], 1);
        nng_ctx_recv(it->ask[i].context, it->ask[i].aio);
        wait_told(&it->answer[i], 1);
        drop_message(&it->answer[i]);
    }
}

static void conversation_close(struct conversation *it)
{
    for (int i = 0; i < 2; i++) {
        party_close(&it->ask[i]);
        party_close(&it->answer[i]);
    }
    nng_close(it->asking);
    nng_close(it->answering);
}

static void send_at_once(struct party *party)
{
    at_once_begin(party->aio);
    nng_ctx_send(party->context, party->aio);
    at_once_end();
}

static void who_sends_is_told_by_its_own_thread_and_the_connection_is_free_again(void **state)
{
    (void)state;
    struct conversation it;
    conversation_open(&it);
    for (int i = 0; i < 2; i++) {
        struct party *answer = &it.answer[i];
        give_message(answer);
        at_once_begin(answer->aio);
        nng_ctx_send(answer->context, answer->aio);
        assert_int_equal(atomic_load(&answer->told), 1); /* not before the end */
        at_once_end();
        assert_int_equal(atomic_load(&answer->told), 2);
        assert_int_equal(answer->result, 0);
        assert_true(pthread_equal(answer->on, pthread_self()));
    }
    for (int i = 0; i < 2; i++) {
        wait_told(&it.ask[i], 2);
        drop_message(&it.ask[i]);
        drop_message(&it.answer[i]);
    }
    /* The other way, and with the aio given to NNG again before the end. */
    for (int i = 0; i < 2; i++) {
        nng_ctx_recv(it.answer[i].context, it.answer[i].aio);
        give_message(&it.ask[i]);
        send_at_once(&it.ask[i]);
        assert_int_equal(atomic_load(&it.ask[i].told), 3);
        assert_true(pthread_equal(it.ask[i].on, pthread_self()));
        wait_told(&it.answer[i], 3);
        drop_message(&it.answer[i]);
    }
    conversation_close(&it);
}

static void what_must_wait_is_told_by_another_thread(void **state)
{
    (void)state;
    nng_socket asking;
    nng_socket answering;
    struct party ask;
    assert_int_equal(nng_req0_open(&asking), 0);
    party_open(&ask, asking);
    give_message(&ask);
    send_at_once(&ask);
    assert_int_equal(atomic_load(&ask.told), 0); /* nobody is connected */
    assert_int_equal(nng_rep0_open(&answering), 0);
    assert_int_equal(nng_listen(answering, address, NULL, 0), 0);
    assert_int_equal(nng_dial(asking, address, NULL, 0), 0);
    wait_told(&ask, 1);
    assert_false(pthread_equal(ask.on, pthread_self()));
    party_close(&ask);
    nng_close(asking);
    nng_close(answering);
}

static void *stop(void *closure)
{
    struct party *party = closure;
    nng_aio_stop(party->aio);
    atomic_store(&party->stopped, true);
    return NULL;
}

static void who_stops_an_aio_waits_for_the_end(void **state)
{
    (void)state;
    struct conversation it;
    pthread_t stopper;
    conversation_open(&it);
    struct party *answer = &it.answer[0];
    give_message(answer);
    at_once_begin(answer->aio);
    nng_ctx_send(answer->context, answer->aio);
    assert_int_equal(pthread_create(&stopper, NULL, stop, answer), 0);
    at_once_end();
    pthread_join(stopper, NULL);
    assert_int_equal(atomic_load(&answer->told), 2);
    assert_false(answer->stopped_first);
    conversation_close(&it);
}

static void publish(nng_socket publisher, char number)
{
    at_once_begin(NULL);
    assert_int_equal(nng_send(publisher, &number, 1, 0), 0);
    at_once_end();
}

/* Connected on both sides: it has heard something. */
static void listener_open(nng_socket *listener, nng_socket publisher)
{
    nng_msg *message;
    assert_int_equal(nng_sub0_open(listener), 0);
    assert_int_equal(nng_socket_set(*listener, NNG_OPT_SUB_SUBSCRIBE, "", 0), 0);
    assert_int_equal(nng_socket_set_int(*listener, NNG_OPT_RECVBUF, 2 * ROUNDS), 0);
    assert_int_equal(nng_socket_set_ms(*listener, NNG_OPT_RECVTIMEO, 20), 0);
    assert_int_equal(nng_dial(*listener, address, NULL, 0), 0);
    do {
        publish(publisher, 0);
    } while (nng_recvmsg(*listener, &message, 0) != 0);
    nng_msg_free(message);
    assert_int_equal(nng_socket_set_ms(*listener, NNG_OPT_RECVTIMEO, PATIENCE_MS), 0);
}

/* Nothing but `number`, and what was published while others connected. */
static void hear(nng_socket listener, char number)
{
    char heard = 0;
    while (heard == 0) {
        nng_msg *message;
        assert_int_equal(nng_recvmsg(listener, &message, 0), 0);
        heard = *(char *)nng_msg_body(message);
        nng_msg_free(message);
    }
    assert_int_equal(heard, number);
}

/* The length of a message, and the rest: one thread reads both, and is woken once. */
static void a_message_that_comes_whole_wakes_one_thread(void **state)
{
    (void)state;
    nng_socket publisher;
    nng_socket listener;
    assert_int_equal(nng_pub0_open(&publisher), 0);
    assert_int_equal(nng_listen(publisher, address, NULL, 0), 0);
    listener_open(&listener, publisher);
    unsigned before = atomic_load(&signals);
    for (int round = 1; round <= ROUNDS; round++) {
        publish(publisher, (char)round);
        hear(listener, (char)round);
    }
    assert_in_range(atomic_load(&signals) - before, 1, ROUNDS + ROUNDS / 2);
    nng_close(listener);
    nng_close(publisher);
}

/* More of them than one sender tells at once. */
static void a_message_for_many_reaches_all(void **state)
{
    (void)state;
    nng_socket publisher;
    nng_socket listeners[LISTENERS];
    assert_int_equal(nng_pub0_open(&publisher), 0);
    assert_int_equal(nng_socket_set_int(publisher, NNG_OPT_SENDBUF, ROUNDS), 0);
    assert_int_equal(nng_listen(publisher, address, NULL, 0), 0);
    for (int i = 0; i < LISTENERS; i++)
        listener_open(&listeners[i], publisher);
    for (int round = 1; round <= ROUNDS; round++) {
        publish(publisher, (char)round);
        for (int i = 0; i < LISTENERS; i++)
            hear(listeners[i], (char)round);
    }
    for (int i = 0; i < LISTENERS; i++)
        nng_close(listeners[i]);
    nng_close(publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_sends_is_told_by_its_own_thread_and_the_connection_is_free_again),
        cmocka_unit_test(what_must_wait_is_told_by_another_thread),
        cmocka_unit_test(who_stops_an_aio_waits_for_the_end),
        cmocka_unit_test(a_message_that_comes_whole_wakes_one_thread),
        cmocka_unit_test(a_message_for_many_reaches_all),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, setup, NULL);
    rmdir(dir);
    return failed;
}
