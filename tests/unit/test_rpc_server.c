/* links: rpc net */
/* The server's door, seen by callers that do not behave: plain sockets, their SP framing by
 * hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "base/clock.h"
#include "candor/v1/kv.pb-c.h"
#include "net/message_memory.h"
#include "rpc/rpc.h"
#include "sp_socket.h"

#define MESSAGE_BYTES ((size_t)1 << 20)

/* ---- A server whose handlers do what the key says -------------------------------------------- */

struct held {
    Candor__V1__GetResponse_Closure closure;
    struct rpc_call *call;
};

struct fixture {
    Candor__V1__KV_Service kv; /* first: handlers get a pointer to it */
    ProtobufCService *services[1];
    int port;
    struct rpc_server *server;
    atomic_uint run;
    atomic_uint told;
    atomic_uint gone;     /* of the held ones, when they were answered */
    pthread_mutex_t lock; /* of all below */
    bool ending;          /* nothing is held any more */
    size_t held_count;
    struct held held[LIMIT_RPC_CALLS];
};

static void answer(struct held held, const char *text)
{
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    item.value = (ProtobufCBinaryData){.data = (uint8_t *)copy, .len = strlen(copy)};
    item.found = true;
    response.item = &item;
    held.closure(&response, held.call);
}

static void answer_bytes(struct held held, size_t length)
{
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    item.value = (ProtobufCBinaryData){.data = calloc(1, length), .len = length};
    item.found = true;
    response.item = &item;
    held.closure(&response, held.call);
    free(item.value.data);
}

/* In the call's own memory, as a handler keeps what it needs: a sanitizer sees a `gone` that comes
 * after the end. */
struct note {
    struct fixture *f;
};

static void caller_gone(struct rpc_call *call, void *closure)
{
    struct note *note = closure;
    assert_true(rpc_call_gone(call));
    atomic_fetch_add(&note->f->told, 1);
}

/* As caller_gone(), and ends the call at once. */
static void caller_gone_ends(struct rpc_call *call, void *closure)
{
    struct note *note = closure;
    struct fixture *f = note->f;
    struct candor_error error;
    candor_error_set(&error, CANDOR_CANCELLED, CANDOR_REASON_NONE, "the caller is gone");
    rpc_call_fail(call, &error);
    atomic_fetch_add(&f->told, 1);
}

static bool key_is(const Candor__V1__GetRequest *request, const char *key)
{
    size_t length = strlen(key);
    return request->key.len >= length && memcmp(request->key.data, key, length) == 0;
}

static void watch(struct fixture *f, struct rpc_call *call,
                  void (*gone)(struct rpc_call *call, void *closure))
{
    struct note *note = rpc_call_alloc(call, sizeof *note);
    *note = (struct note){f};
    rpc_call_when_gone(call, gone, note);
}

/* "hold": later; "watch": later, told when its caller is gone; "end": ends then; "large N": N
 * bytes; else its key. */
static void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                   Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct fixture *f = (struct fixture *)service;
    struct held held = {closure, closure_data};
    atomic_fetch_add(&f->run, 1);
    if (key_is(request, "end")) {
        watch(f, held.call, caller_gone_ends);
    } else if (key_is(request, "hold") || key_is(request, "watch")) {
        if (key_is(request, "watch"))
            watch(f, held.call, caller_gone);
        pthread_mutex_lock(&f->lock);
        bool ending = f->ending;
        if (!ending)
            f->held[f->held_count++] = held;
        pthread_mutex_unlock(&f->lock);
        if (ending)
            answer(held, "ending");
    } else if (key_is(request, "large ")) {
        answer_bytes(held, strtoul((const char *)request->key.data + 6, NULL, 10));
    } else {
        answer(held, "now");
    }
}

static size_t held_count(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    size_t count = f->held_count;
    pthread_mutex_unlock(&f->lock);
    return count;
}

static void answer_held(struct fixture *f)
{
    for (;;) {
        pthread_mutex_lock(&f->lock);
        bool none = f->held_count == 0;
        struct held held = none ? (struct held){0} : f->held[--f->held_count];
        pthread_mutex_unlock(&f->lock);
        if (none)
            return;
        if (rpc_call_gone(held.call))
            atomic_fetch_add(&f->gone, 1);
        answer(held, "held");
    }
}

static int setup_with(void **state, struct rpc_server_options options)
{
    struct fixture *f = calloc(1, sizeof *f);
    candor__v1__kv__init(&f->kv, NULL);
    f->kv.get = kv_get;
    f->services[0] = &f->kv.base;
    pthread_mutex_init(&f->lock, NULL);
    f->port = free_port();
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", f->port);
    options.address = address;
    options.services = f->services;
    options.service_count = 1;
    struct candor_error err;
    if (rpc_server_open(&options, &f->server, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, (struct rpc_server_options){.message_bytes = MESSAGE_BYTES});
}

static int setup_small(void **state)
{
    return setup_with(state,
                      (struct rpc_server_options){.message_bytes = MESSAGE_BYTES, .calls = 128});
}

#define MEMORY_BYTES (8 * MESSAGE_BYTES)

static int setup_tight(void **state)
{
    return setup_with(state, (struct rpc_server_options){.message_bytes = MESSAGE_BYTES,
                                                         .memory_bytes = MEMORY_BYTES});
}

static int setup_impatient(void **state)
{
    return setup_with(state,
                      (struct rpc_server_options){.message_bytes = MESSAGE_BYTES, .idle_ms = 2000});
}

static int setup_large(void **state)
{
    return setup_with(state, (struct rpc_server_options){.message_bytes = LIMIT_MESSAGE_BYTES_MAX});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pthread_mutex_lock(&f->lock);
    f->ending = true;
    pthread_mutex_unlock(&f->lock);
    answer_held(f);
    rpc_server_close(f->server);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

/* ---- Callers --------------------------------------------------------------------------------- */

static int caller(int port)
{
    int fd = sp_connect(port);
    ASSERT(fd >= 0);
    struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    uint8_t handshake[8];
    ASSERT(send_all(fd, HANDSHAKE_REQ, sizeof HANDSHAKE_REQ));
    ASSERT(receive_all(fd, handshake, sizeof handshake));
    return fd;
}

static size_t pack_request(const char *key, uint32_t deadline_ms, uint8_t out[256])
{
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    char copy[64];
    snprintf(copy, sizeof copy, "%s", key);
    get.key = (ProtobufCBinaryData){.data = (uint8_t *)copy, .len = strlen(copy)};
    uint8_t body[128];
    Candor__V1__RpcRequest envelope = CANDOR__V1__RPC_REQUEST__INIT;
    char method[] = "/candor.v1.KV/Get";
    envelope.method = method;
    envelope.deadline_ms = deadline_ms;
    envelope.body =
        (ProtobufCBinaryData){.data = body, .len = candor__v1__get_request__pack(&get, body)};
    return candor__v1__rpc_request__pack(&envelope, out);
}

static bool ask(int fd, uint32_t id, const char *key)
{
    uint8_t bytes[256];
    size_t length = pack_request(key, 60000, bytes);
    return sp_send(fd, 0x80000000u | id, bytes, length);
}

static Candor__V1__RpcReply *next_reply(int fd)
{
    static uint8_t bytes[2 * MESSAGE_BYTES];
    uint32_t id;
    long length = sp_receive(fd, &id, bytes, sizeof bytes);
    return length < 0 ? NULL : candor__v1__rpc_reply__unpack(NULL, (size_t)length, bytes);
}

/* The code of the next reply; -1: none came. */
static int next_code(int fd)
{
    Candor__V1__RpcReply *reply = next_reply(fd);
    if (reply == NULL)
        return -1;
    int code = (int)reply->code;
    candor__v1__rpc_reply__free_unpacked(reply, NULL);
    return code;
}

static bool answers(int fd)
{
    return ask(fd, 1, "now") && next_code(fd) == CANDOR_OK;
}

static struct rpc_server_stats stats_of(struct fixture *f)
{
    struct rpc_server_stats stats;
    rpc_server_stats(f->server, &stats);
    return stats;
}

/* Waits until the expression holds. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;                                         \
        while (!(condition) && clock_boot_ns() < until_ns)                                         \
            pause_ms(1);                                                                           \
        assert_true(condition);                                                                    \
    } while (0)

/* ---- Calls that wait ------------------------------------------------------------------------- */

static void many_calls_that_wait_keep_nobody_waiting(void **state)
{
    struct fixture *f = *state;
    enum { CALLERS = 5, EACH = 1000 };
    int waiting[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        waiting[i] = caller(f->port);
        for (uint32_t j = 0; j < EACH; j++)
            assert_true(ask(waiting[i], j, "hold"));
    }
    AWAIT(held_count(f) == (size_t)CALLERS * EACH);
    int other = caller(f->port);
    assert_true(answers(other));
    assert_int_equal(held_count(f), CALLERS * EACH); /* they still wait */
    answer_held(f);
    for (int i = 0; i < CALLERS; i++) {
        for (int j = 0; j < EACH; j++)
            assert_int_equal(next_code(waiting[i]), CANDOR_OK);
        close(waiting[i]);
    }
    close(other);
    AWAIT(stats_of(f).contexts <= 2 * LIMIT_RPC_RECEIVERS); /* what they took has been given back */
}

static void calls_beyond_the_limit_are_told_when_to_come_back(void **state)
{
    struct fixture *f = *state; /* 128 calls in all */
    int greedy = caller(f->port);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(ask(greedy, i, "hold"));
    /* One connection may hold as much as it leaves of three quarters: 48. */
    for (int i = 0; i < 52; i++) {
        Candor__V1__RpcReply *reply = next_reply(greedy);
        assert_non_null(reply);
        assert_int_equal(reply->code, CANDOR_RESOURCE_EXHAUSTED);
        assert_int_equal(reply->reason, CANDOR_REASON_OVERLOADED);
        assert_non_null(reply->retry);
        assert_int_equal(reply->retry->retry_after_ms, LIMIT_RPC_RETRY_AFTER_MS);
        candor__v1__rpc_reply__free_unpacked(reply, NULL);
    }
    AWAIT(held_count(f) == 48);
    int modest = caller(f->port);
    assert_true(answers(modest));
    answer_held(f);
    for (int i = 0; i < 48; i++)
        assert_int_equal(next_code(greedy), CANDOR_OK);
    assert_true(answers(greedy)); /* recovered */
    close(greedy);
    close(modest);
}

static void no_crowd_of_connections_shuts_the_door(void **state)
{
    struct fixture *f = *state; /* 128 calls in all */
    enum { CROWD = 20 };
    int crowd[CROWD];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = caller(f->port);
        size_t before = held_count(f);
        for (uint32_t j = 0; j < 20; j++)
            assert_true(ask(crowd[i], j, "hold"));
        AWAIT(held_count(f) > before);
    }
    int other = caller(f->port);
    assert_true(answers(other));
    for (int i = 0; i < CROWD; i++)
        close(crowd[i]);
    close(other);
}

/* ---- Callers that are gone ------------------------------------------------------------------- */

static void a_call_is_told_when_its_caller_is_gone(void **state)
{
    struct fixture *f = *state;
    int leaves = caller(f->port);
    int stays = caller(f->port);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(ask(leaves, i, "watch") && ask(stays, i, "watch"));
    AWAIT(held_count(f) == 200);
    close(leaves);
    AWAIT(atomic_load(&f->told) == 100);
    answer_held(f);
    assert_int_equal(atomic_load(&f->gone), 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(next_code(stays), CANDOR_OK);
    close(stays);
    assert_int_equal(atomic_load(&f->told), 100);
}

static void who_is_told_may_end_the_call(void **state)
{
    struct fixture *f = *state;
    int leaves = caller(f->port);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(ask(leaves, i, "end"));
    AWAIT(atomic_load(&f->run) == 100);
    sp_reset(leaves);
    AWAIT(atomic_load(&f->told) == 100);
}

/* A call that asks only after its caller has gone is told at once. */
static void asking_late_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    int leaves = caller(f->port);
    assert_true(ask(leaves, 1, "hold"));
    AWAIT(held_count(f) == 1);
    close(leaves);
    struct held held = f->held[0];
    AWAIT(rpc_call_gone(held.call));
    f->held_count = 0;
    watch(f, held.call, caller_gone);
    assert_int_equal(atomic_load(&f->told), 1);
    answer(held, "for nobody");
}

/* Callers leave while their calls are being finished: nobody is told of a call that has ended. */
struct leaver {
    struct fixture *f;
    atomic_bool stop;
};

static void *finish_all_the_time(void *closure)
{
    struct leaver *leaver = closure;
    while (!atomic_load(&leaver->stop))
        answer_held(leaver->f);
    return NULL;
}

static void leaving_and_finishing_at_once_is_sound(void **state)
{
    struct fixture *f = *state;
    struct leaver leaver = {.f = f};
    pthread_t thread;
    pthread_create(&thread, NULL, finish_all_the_time, &leaver);
    for (int i = 0; i < 100; i++) {
        int fd = caller(f->port);
        for (uint32_t j = 0; j < 20; j++)
            assert_true(ask(fd, j, j % 2 == 0 ? "watch" : "end"));
        if (i % 2 == 0)
            sp_reset(fd);
        else
            close(fd);
    }
    int fd = caller(f->port);
    assert_true(answers(fd));
    /* Else the server is closed while requests are still unread: nobody sees then that their
     * callers are gone. */
    AWAIT(stats_of(f).connections == 1 && stats_of(f).calls == 0);
    atomic_store(&leaver.stop, true);
    pthread_join(thread, NULL);
    close(fd);
}

/* ---- Callers that do not read ---------------------------------------------------------------- */

/* Others are answered while its connection lives; only a machine that is slow beyond
 * LIMIT_RPC_REPLY_WAIT_MS has to look again. */
static void who_reads_no_replies_delays_nobody(void **state)
{
    struct fixture *f = *state;
    int other = caller(f->port);
    bool answered = false;
    uint64_t patience_ns = clock_boot_ns() + PATIENCE_NS;
    while (!answered && clock_boot_ns() < patience_ns) {
        int silent = caller(f->port);
        for (uint32_t i = 0; i < 400; i++)
            ask(silent, i, "large 60000");
        /* a slow machine closes the connection while it still sends */
        AWAIT(atomic_load(&f->run) >= 400 || stats_of(f).connections == 1);
        answered = answers(other) && stats_of(f).connections == 2;
        AWAIT(stats_of(f).connections == 1);
        close(silent);
    }
    assert_true(answered);
    AWAIT(stats_of(f).calls == 0);
    close(other);
}

/* ---- Connections that do nothing ------------------------------------------------------------- */

static void an_idle_connection_is_closed_and_a_waiting_one_is_not(void **state)
{
    struct fixture *f = *state;
    int waits = caller(f->port);
    assert_true(ask(waits, 1, "hold"));
    AWAIT(held_count(f) == 1);
    int idle = caller(f->port);
    uint8_t byte;
    assert_int_equal(recv(idle, &byte, 1, 0), 0); /* closed, not timed out */
    answer_held(f);
    assert_int_equal(next_code(waits), CANDOR_OK);
    close(waits);
    close(idle);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* A request whose key has that many bytes; `out` has room for 256 more. */
static size_t pack_large_request(size_t key_bytes, uint32_t deadline_ms, uint8_t *out)
{
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = (ProtobufCBinaryData){.data = calloc(1, key_bytes), .len = key_bytes};
    Candor__V1__RpcRequest envelope = CANDOR__V1__RPC_REQUEST__INIT;
    char method[] = "/candor.v1.KV/Get";
    envelope.method = method;
    envelope.deadline_ms = deadline_ms;
    envelope.body.data = malloc(key_bytes + 64);
    envelope.body.len = candor__v1__get_request__pack(&get, envelope.body.data);
    size_t length = candor__v1__rpc_request__pack(&envelope, out);
    free(envelope.body.data);
    free(get.key.data);
    return length;
}

/* The look's time may be older than a message: another thread has allocated it meanwhile. */
static void a_message_younger_than_the_look_is_not_stuck(void **state)
{
    (void)state;
    nng_socket socket;
    assert_int_equal(nng_rep0_open_raw(&socket), 0);
    struct budget *budget = message_memory_begin(socket, MEMORY_BYTES);
    uint64_t look_ns = clock_boot_ns();
    nng_msg *message;
    assert_int_equal(message_memory_alloc(&message, MESSAGE_BYTES, budget, 7), 0);
    uint32_t pipe;
    assert_int_equal(message_memory_stuck(budget, look_ns, &pipe, 1), 0);
    uint64_t late_ns = clock_boot_ns() + 60 * NS_PER_S;
    assert_int_equal(message_memory_stuck(budget, late_ns, &pipe, 1), 1);
    assert_int_equal(pipe, 7);
    nng_msg_free(message);
    message_memory_end(budget);
    nng_close(socket);
}

static void a_call_that_has_ended_holds_no_memory(void **state)
{
    struct fixture *f = *state;
    enum { CALLERS = 4 };
    static uint8_t request[MESSAGE_BYTES];
    size_t length = pack_large_request(MESSAGE_BYTES - 256, 60000, request);
    int fds[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        fds[i] = caller(f->port);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < CALLERS; i++)
            assert_true(sp_send(fds[i], 0x80000001, request, length));
        for (int i = 0; i < CALLERS; i++)
            assert_int_equal(next_code(fds[i]), CANDOR_OK);
    }
    /* The connections are still there. A context keeps a block of 2 KiB. */
    AWAIT(stats_of(f).memory_bytes <= (size_t)stats_of(f).contexts << 11);
    for (int i = 0; i < CALLERS; i++)
        close(fds[i]);
}

/* The first bytes of a message of `announced` bytes. */
static int send_half(int port, uint64_t announced, size_t sent)
{
    static uint8_t bytes[MESSAGE_BYTES];
    uint8_t head[8];
    int fd = caller(port);
    frame_put(head, announced);
    assert_true(send_all(fd, head, sizeof head));
    bytes[0] = 0x80;
    (void)send(fd, bytes, sent,
               MSG_NOSIGNAL | MSG_DONTWAIT); /* its connection may be closed by now */
    return fd;
}

static void half_sent_messages_are_bounded_together(void **state)
{
    struct fixture *f = *state;
    enum { CALLERS = 40 };
    int fds[CALLERS];
    size_t most = 0;
    for (int i = 0; i < CALLERS; i++) {
        fds[i] = send_half(f->port, MESSAGE_BYTES, MESSAGE_BYTES / 2);
        size_t now = stats_of(f).memory_bytes;
        most = now > most ? now : most;
    }
    AWAIT(stats_of(f).connections <= MEMORY_BYTES / MESSAGE_BYTES);
    assert_in_range(most, MESSAGE_BYTES, MEMORY_BYTES + 64 * 1024);
    int other = caller(f->port);
    assert_true(answers(other));
    for (int i = 0; i < CALLERS; i++)
        close(fds[i]);
    AWAIT(stats_of(f).memory_bytes <= (size_t)stats_of(f).contexts << 11);
    close(other);
}

static void replies_that_nobody_reads_are_bounded_together(void **state)
{
    struct fixture *f = *state;
    enum { SILENT = 4, EACH = 60 };
    int fds[SILENT];
    for (int i = 0; i < SILENT; i++) {
        fds[i] = caller(f->port);
        for (uint32_t j = 0; j < EACH; j++)
            assert_true(ask(fds[i], j, "large 1000000"));
    }
    AWAIT(atomic_load(&f->run) >= SILENT * EACH);
    assert_in_range(stats_of(f).memory_bytes, 0, MEMORY_BYTES + SILENT * EACH * 2048 + (1 << 16));
    int other = caller(f->port);
    assert_true(answers(other));
    /* A reply that there is no room for is refused with a time to come back. */
    int refused = 0;
    for (int j = 0; j < EACH; j++) {
        int code = next_code(fds[SILENT - 1]);
        if (code < 0)
            break;
        refused += code == CANDOR_RESOURCE_EXHAUSTED;
    }
    assert_true(refused > 0);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    AWAIT(stats_of(f).memory_bytes <= (size_t)stats_of(f).contexts << 11);
    close(other);
}

static void a_message_that_does_not_get_on_costs_its_connection(void **state)
{
    struct fixture *f = *state;
    int fd = send_half(f->port, 20000, 10000);
    AWAIT(stats_of(f).memory_bytes >= 20000);
    uint8_t byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* closed after LIMIT_RPC_MESSAGE_MS */
    AWAIT(stats_of(f).memory_bytes <= (size_t)stats_of(f).contexts << 11);
    close(fd);
}

/* Unfolding 32 MiB takes longer than the millisecond that its caller waits. */
static void a_call_that_is_too_late_is_not_run(void **state)
{
    struct fixture *f = *state;
    size_t key_bytes = (size_t)32 << 20;
    uint8_t *request = malloc(key_bytes + 256);
    size_t length = pack_large_request(key_bytes, 1, request);
    int fd = caller(f->port);
    assert_true(sp_send(fd, 0x80000001, request, length));
    assert_int_equal(next_code(fd), CANDOR_DEADLINE_EXCEEDED);
    assert_int_equal(atomic_load(&f->run), 0);
    assert_true(answers(fd));
    free(request);
    close(fd);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_TIGHT_SERVER(test) cmocka_unit_test_setup_teardown(test, setup_tight, teardown)
#define WITH_IMPATIENT_SERVER(test) cmocka_unit_test_setup_teardown(test, setup_impatient, teardown)
#define WITH_LARGE_SERVER(test) cmocka_unit_test_setup_teardown(test, setup_large, teardown)
#define WITH_SMALL_SERVER(test) cmocka_unit_test_setup_teardown(test, setup_small, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH_SERVER(many_calls_that_wait_keep_nobody_waiting),
        WITH_SMALL_SERVER(calls_beyond_the_limit_are_told_when_to_come_back),
        WITH_SMALL_SERVER(no_crowd_of_connections_shuts_the_door),
        WITH_SERVER(a_call_is_told_when_its_caller_is_gone),
        WITH_SERVER(who_is_told_may_end_the_call),
        WITH_SERVER(asking_late_is_told_at_once),
        WITH_SERVER(leaving_and_finishing_at_once_is_sound),
        WITH_SERVER(who_reads_no_replies_delays_nobody),
        WITH_IMPATIENT_SERVER(an_idle_connection_is_closed_and_a_waiting_one_is_not),
        cmocka_unit_test(a_message_younger_than_the_look_is_not_stuck),
        WITH_SERVER(a_call_that_has_ended_holds_no_memory),
        WITH_SERVER(a_message_that_does_not_get_on_costs_its_connection),
        WITH_TIGHT_SERVER(half_sent_messages_are_bounded_together),
        WITH_TIGHT_SERVER(replies_that_nobody_reads_are_bounded_together),
        WITH_LARGE_SERVER(a_call_that_is_too_late_is_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
