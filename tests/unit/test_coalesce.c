/* links: rpc */
/* Calls that wait for a message in flight travel together in the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "rpc/rpc.h"
#include "sp_socket.h"

#define MESSAGE_BYTES ((size_t)4 << 20)
#define CALLS_MOST 2000

/* ---- A server whose handler does what the key says ------------------------------------------- */

struct held {
    Candor__V1__GetResponse_Closure closure;
    struct rpc_call *call;
};

struct fixture {
    Candor__V1__KV_Service kv; /* first: handlers get a pointer to it */
    ProtobufCService *services[1];
    char address[64];
    struct rpc_server *server;
    struct rpc_client *client;
    atomic_uint bundles;
    atomic_uint run;
    pthread_mutex_t lock; /* of all below */
    size_t held_count;
    struct held held[CALLS_MOST];
};

static void answer(struct held held, size_t length)
{
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    item.value = (ProtobufCBinaryData){.data = calloc(1, length + 1), .len = length};
    response.item = &item;
    held.closure(&response, held.call);
    free(item.value.data);
}

/* "hold": later; else as many bytes as its key says. */
static void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                   Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct fixture *f = (struct fixture *)service;
    struct held held = {closure, closure_data};
    char key[32] = "";
    memcpy(key, request->key.data, request->key.len < 31 ? request->key.len : 31);
    atomic_fetch_add(&f->run, 1);
    if (strcmp(key, "hold") != 0) {
        answer(held, strtoul(key, NULL, 10));
        return;
    }
    pthread_mutex_lock(&f->lock);
    assert_true(f->held_count < CALLS_MOST);
    f->held[f->held_count++] = held;
    pthread_mutex_unlock(&f->lock);
}

static void take_bundle(void *closure, struct rpc_bundle *bundle)
{
    struct fixture *f = closure;
    atomic_fetch_add(&f->bundles, 1);
    rpc_bundle_run(bundle, UINT64_MAX);
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
        answer(held, 1);
    }
}

static void await(atomic_uint *count, unsigned least)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (atomic_load(count) < least && clock_boot_ns() < until_ns)
        pause_ms(1);
    assert_true(atomic_load(count) >= least);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    candor__v1__kv__init(&f->kv, NULL);
    f->kv.get = kv_get;
    f->services[0] = &f->kv.base;
    pthread_mutex_init(&f->lock, NULL);
    snprintf(f->address, sizeof f->address, "tcp://127.0.0.1:%d", free_port());
    struct rpc_server_options options = {.address = f->address,
                                         .message_bytes = MESSAGE_BYTES,
                                         .services = f->services,
                                         .service_count = 1,
                                         .bundle = take_bundle,
                                         .closure = f};
    struct candor_error err;
    if (rpc_server_open(&options, &f->server, &err) != CANDOR_OK ||
        rpc_client_open(f->address, MESSAGE_BYTES, &f->client, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->client != NULL)
        rpc_client_close(f->client);
    answer_held(f);
    rpc_server_close(f->server);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

struct call {
    struct rpc_exchange exchange; /* first: the closure gets it */
    atomic_uint *ended;
    enum candor_code code;
    enum candor_reason reason;
    size_t bytes; /* of the answer */
    unsigned times;
};

struct crowd {
    struct call calls[CALLS_MOST];
    size_t count;
    atomic_uint ended;
};

static void take(struct slice response, struct rpc_exchange *exchange)
{
    struct call *call = (struct call *)exchange;
    call->code = exchange->error.code;
    call->reason = exchange->error.reason;
    call->bytes = response.length;
    call->times++;
    atomic_fetch_add(call->ended, 1);
}

static void begin(struct fixture *f, struct crowd *crowd, const char *method, const char *key,
                  enum rpc_class class, uint32_t deadline_ms)
{
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    char copy[32];
    snprintf(copy, sizeof copy, "%s", key);
    get.key = (ProtobufCBinaryData){.data = (uint8_t *)copy, .len = strlen(copy)};
    uint8_t body[64];
    size_t length = candor__v1__get_request__pack(&get, body);
    struct call *call = &crowd->calls[crowd->count++];
    *call = (struct call){.exchange = {.deadline_ms = deadline_ms, .class = class},
                          .ended = &crowd->ended};
    rpc_client_call(f->client, method, slice_of(body, length), take, &call->exchange);
}

static void begin_many(struct fixture *f, struct crowd *crowd, size_t count, const char *key,
                       enum rpc_class class)
{
    for (size_t i = 0; i < count; i++)
        begin(f, crowd, "/candor.v1.KV/Get", key, class, 30000);
}

static struct crowd *crowd_new(void)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    return crowd;
}

static void all_ended(const struct crowd *crowd, enum candor_code code)
{
    for (size_t i = 0; i < crowd->count; i++) {
        assert_int_equal(crowd->calls[i].code, code);
        assert_int_equal(crowd->calls[i].times, 1);
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void a_lone_call_is_a_message_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    for (unsigned i = 1; i <= 20; i++) {
        begin_many(f, crowd, 1, "5", RPC_AT_ONCE);
        await(&crowd->ended, i);
    }
    all_ended(crowd, CANDOR_OK);
    assert_int_equal(atomic_load(&f->bundles), 0);
    free(crowd);
}

/* They do not wait for long for those in flight: nobody ever answers these. */
static void what_comes_meanwhile_travels_together(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    struct crowd *late = crowd_new();
    begin_many(f, crowd, LIMIT_BUNDLE_IN_FLIGHT, "hold", RPC_AT_ONCE);
    await(&f->run, LIMIT_BUNDLE_IN_FLIGHT);
    begin_many(f, late, 1000, "7", RPC_AT_ONCE);
    await(&late->ended, 1000);
    all_ended(late, CANDOR_OK);
    for (size_t i = 0; i < late->count; i++)
        assert_int_equal(late->calls[i].bytes, late->calls[0].bytes);
    assert_true(atomic_load(&f->bundles) >= 1);
    assert_true(atomic_load(&f->bundles) < 1000 / 4);
    assert_int_equal(atomic_load(&crowd->ended), 0);
    answer_held(f);
    await(&crowd->ended, LIMIT_BUNDLE_IN_FLIGHT);
    all_ended(crowd, CANDOR_OK);
    free(crowd);
    free(late);
}

static void what_waits_holds_up_no_other_class(void **state)
{
    struct fixture *f = *state;
    struct crowd *slow = crowd_new();
    struct crowd *fast = crowd_new();
    begin_many(f, slow, 100, "hold", RPC_REPLICATED);
    await(&f->run, 100);
    for (unsigned i = 1; i <= 10; i++) {
        begin_many(f, fast, 1, "3", RPC_AT_ONCE);
        await(&fast->ended, i);
    }
    assert_int_equal(atomic_load(&slow->ended), 0);
    answer_held(f);
    await(&slow->ended, 100);
    all_ended(slow, CANDOR_OK);
    all_ended(fast, CANDOR_OK);
    free(slow);
    free(fast);
}

static void each_has_its_own_outcome(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    begin_many(f, crowd, LIMIT_BUNDLE_IN_FLIGHT, "hold", RPC_LOCAL);
    for (int i = 0; i < 50; i++) {
        begin(f, crowd, i % 2 == 0 ? "/candor.v1.KV/Get" : "/candor.v1.KV/None", "9", RPC_LOCAL,
              30000);
        await(&f->run, 1);
    }
    await(&crowd->ended, 50);
    for (size_t i = LIMIT_BUNDLE_IN_FLIGHT; i < crowd->count; i++)
        assert_int_equal(crowd->calls[i].code,
                         (i - LIMIT_BUNDLE_IN_FLIGHT) % 2 == 0 ? CANDOR_OK : CANDOR_UNIMPLEMENTED);
    answer_held(f);
    await(&crowd->ended, (unsigned)crowd->count);
    free(crowd);
}

static void a_large_answer_comes_alone(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    begin_many(f, crowd, LIMIT_BUNDLE_IN_FLIGHT, "hold", RPC_AT_ONCE);
    begin_many(f, crowd, 6, "900000", RPC_AT_ONCE);
    await(&crowd->ended, 6);
    answer_held(f);
    await(&crowd->ended, (unsigned)crowd->count);
    all_ended(crowd, CANDOR_OK);
    for (size_t i = LIMIT_BUNDLE_IN_FLIGHT; i < crowd->count; i++)
        assert_true(crowd->calls[i].bytes > 900000);
    assert_true(atomic_load(&f->run) > crowd->count); /* some were asked for again */
    free(crowd);
}

static void deadlines_that_differ_do_not_travel_together(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    struct crowd *patient = crowd_new();
    begin_many(f, patient, LIMIT_BUNDLE_IN_FLIGHT, "hold", RPC_REPLICATED);
    for (int i = 0; i < 20; i++) {
        begin(f, crowd, "/candor.v1.KV/Get", "hold", RPC_REPLICATED, 200);
        begin(f, patient, "/candor.v1.KV/Get", "hold", RPC_REPLICATED, 60000);
    }
    await(&crowd->ended, 20);
    all_ended(crowd, CANDOR_DEADLINE_EXCEEDED);
    assert_int_equal(atomic_load(&patient->ended), 0);
    await(&f->run, (unsigned)(crowd->count + patient->count));
    answer_held(f);
    await(&patient->ended, (unsigned)patient->count);
    all_ended(patient, CANDOR_OK);
    free(crowd);
    free(patient);
}

static void closing_ends_each_once(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    begin_many(f, crowd, 600, "hold", RPC_AT_ONCE);
    rpc_client_close(f->client);
    f->client = NULL;
    assert_int_equal(atomic_load(&crowd->ended), 600);
    all_ended(crowd, CANDOR_CANCELLED);
    free(crowd);
}

static void a_lost_connection_ends_all_that_travelled(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    begin_many(f, crowd, LIMIT_BUNDLE_IN_FLIGHT + 100, "hold", RPC_LOCAL);
    await(&f->run, (unsigned)crowd->count);
    struct rpc_server_stats stats;
    rpc_server_stats(f->server, &stats);
    assert_true(stats.calls >= crowd->count);
    answer_held(f);
    rpc_server_close(f->server);
    await(&crowd->ended, (unsigned)crowd->count);
    for (size_t i = 0; i < crowd->count; i++)
        assert_true(crowd->calls[i].code == CANDOR_OK ||
                    crowd->calls[i].code == CANDOR_UNAVAILABLE);
    free(crowd);
    struct rpc_server_options options = {.address = f->address, .message_bytes = MESSAGE_BYTES};
    struct candor_error err;
    assert_int_equal(rpc_server_open(&options, &f->server, &err), CANDOR_OK);
}

static void a_node_that_knows_no_bundles_gets_none(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new();
    rpc_client_close(f->client);
    rpc_server_close(f->server);
    struct rpc_server_options options = {.address = f->address,
                                         .message_bytes = MESSAGE_BYTES,
                                         .services = f->services,
                                         .service_count = 1};
    struct candor_error err;
    assert_int_equal(rpc_server_open(&options, &f->server, &err), CANDOR_OK);
    assert_int_equal(rpc_client_open(f->address, MESSAGE_BYTES, &f->client, &err), CANDOR_OK);
    begin_many(f, crowd, LIMIT_BUNDLE_IN_FLIGHT, "hold", RPC_LOCAL);
    await(&f->run, LIMIT_BUNDLE_IN_FLIGHT);
    begin_many(f, crowd, 100, "8", RPC_LOCAL);
    await(&crowd->ended, 100);
    answer_held(f);
    await(&crowd->ended, (unsigned)crowd->count);
    all_ended(crowd, CANDOR_OK);
    assert_int_equal(atomic_load(&f->run), crowd->count);
    free(crowd);
}

/* Callers that begin again in their closure. */
struct relay {
    struct call call; /* first */
    struct fixture *f;
    atomic_uint *ended;
    unsigned left;
};

static void take_and_go_on(struct slice response, struct rpc_exchange *exchange)
{
    struct relay *relay = (struct relay *)exchange;
    (void)response;
    assert_int_equal(exchange->error.code, CANDOR_OK);
    if (relay->left-- == 0) {
        atomic_fetch_add(relay->ended, 1);
        return;
    }
    static const uint8_t body[] = {10, 1, '4'}; /* GetRequest.key */
    rpc_client_call(relay->f->client, "/candor.v1.KV/Get", slice_of(body, sizeof body),
                    take_and_go_on, exchange);
}

static void callers_that_go_on_at_once_share_messages(void **state)
{
    struct fixture *f = *state;
    enum { CHAINS = 64, LENGTH = 200 };
    struct relay *chains = calloc(CHAINS, sizeof *chains);
    atomic_uint ended = 0;
    for (int i = 0; i < CHAINS; i++) {
        chains[i] = (struct relay){.f = f, .ended = &ended, .left = LENGTH};
        chains[i].call.exchange = (struct rpc_exchange){.deadline_ms = 60000, .class = RPC_AT_ONCE};
        take_and_go_on((struct slice){0}, &chains[i].call.exchange);
    }
    await(&ended, CHAINS);
    assert_int_equal(atomic_load(&f->run), CHAINS * LENGTH);
    assert_true(atomic_load(&f->bundles) > 0);
    free(chains);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_lone_call_is_a_message_of_its_own),
        TEST(what_comes_meanwhile_travels_together),
        TEST(what_waits_holds_up_no_other_class),
        TEST(each_has_its_own_outcome),
        TEST(a_large_answer_comes_alone),
        TEST(deadlines_that_differ_do_not_travel_together),
        TEST(closing_ends_each_once),
        TEST(a_lost_connection_ends_all_that_travelled),
        TEST(a_node_that_knows_no_bundles_gets_none),
        TEST(callers_that_go_on_at_once_share_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
