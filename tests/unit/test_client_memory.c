/* links: client */
/* libcandor without memory: a call says so, and the caller's process goes on. malloc() and calloc()
 * are wrapped by the linker and fail as the test says: the n-th of this thread, all from the n-th
 * on, or those of one size in any thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <candor/async.h>

#include "candor/v1/kv.pb-c.h"
#include "rpc/rpc.h"

/* ---- Failing allocators ---------------------------------------------------------------------- */

static _Thread_local int countdown; /* 0: not armed */
static _Thread_local bool goes_on;  /* after the first failure */
static _Thread_local int failures;
static _Thread_local bool in_nng;
static _Thread_local bool nng_too;
static atomic_size_t failing_bytes;

void *__real_nni_alloc(size_t bytes);
void *__real_nni_zalloc(size_t bytes);
void *__wrap_nni_alloc(size_t bytes);
void *__wrap_nni_zalloc(size_t bytes);
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

static bool fails(size_t bytes)
{
    bool size = bytes != 0 && atomic_load(&failing_bytes) == bytes;
    bool turn = countdown > 0 && (nng_too || !in_nng) && (countdown == 1 || --countdown == 1);
    if (turn)
        countdown = goes_on ? 1 : 0;
    failures += turn;
    return turn || size;
}

void *__wrap_malloc(size_t bytes)
{
    return fails(bytes) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails(count * bytes) ? NULL : __real_calloc(count, bytes);
}

void *__wrap_nni_alloc(size_t bytes)
{
    in_nng = true;
    void *memory = __real_nni_alloc(bytes);
    in_nng = false;
    return memory;
}

void *__wrap_nni_zalloc(size_t bytes)
{
    in_nng = true;
    void *memory = __real_nni_zalloc(bytes);
    in_nng = false;
    return memory;
}

/* The n-th from now on, n from 1. */
static void arm(int n, bool all_after)
{
    countdown = n + 1;
    goes_on = all_after;
    failures = 0;
}

/* Whether any failed. */
static bool disarm(void)
{
    countdown = 0;
    return failures > 0;
}

/* ---- A node ---------------------------------------------------------------------------------- */

enum { VALUE_BYTES = 20011 };

static struct candor_queue *queue; /* of what is submitted */

struct fixture {
    Candor__V1__KV_Service kv; /* first: handlers get a pointer to it */
    ProtobufCService *services[1];
    char dir[40];
    char address[64];
    struct rpc_server *server;
    struct candor_client *client;
    uint8_t value[VALUE_BYTES];
};

static Candor__V1__Pos *any_pos(void)
{
    static char owner[] = "a";
    static Candor__V1__Epoch epoch;
    static Candor__V1__Pos pos;
    candor__v1__epoch__init(&epoch);
    candor__v1__pos__init(&pos);
    epoch.generation = epoch.term = 1;
    epoch.owner = owner;
    pos.epoch = &epoch;
    pos.seq = 5;
    return &pos;
}

static void fill_item(struct fixture *f, Candor__V1__KeyValue *item)
{
    candor__v1__key_value__init(item);
    item->value = (ProtobufCBinaryData){sizeof f->value, f->value};
    item->found = true;
    item->mod_seq = 7;
}

static void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                   Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item;
    (void)request;
    fill_item((struct fixture *)service, &item);
    response.item = &item;
    closure(&response, closure_data);
}

static void kv_multi_get(Candor__V1__KV_Service *service,
                         const Candor__V1__MultiGetRequest *request,
                         Candor__V1__MultiGetResponse_Closure closure, void *closure_data)
{
    Candor__V1__MultiGetResponse response = CANDOR__V1__MULTI_GET_RESPONSE__INIT;
    Candor__V1__KeyValue item;
    Candor__V1__KeyValue *items[] = {&item, &item};
    (void)request;
    fill_item((struct fixture *)service, &item);
    response.items = items;
    response.n_items = 2;
    closure(&response, closure_data);
}

static void kv_put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
                   Candor__V1__PutResponse_Closure closure, void *closure_data)
{
    Candor__V1__PutResponse response = CANDOR__V1__PUT_RESPONSE__INIT;
    (void)service;
    (void)request;
    response.pos = any_pos();
    closure(&response, closure_data);
}

static void kv_batch(Candor__V1__KV_Service *service, const Candor__V1__BatchRequest *request,
                     Candor__V1__BatchResponse_Closure closure, void *closure_data)
{
    Candor__V1__BatchResponse response = CANDOR__V1__BATCH_RESPONSE__INIT;
    protobuf_c_boolean found[2] = {true, false};
    (void)service;
    (void)request;
    response.first = response.last = any_pos();
    response.found = found;
    response.n_found = 2;
    closure(&response, closure_data);
}

static void kv_txn(Candor__V1__KV_Service *service, const Candor__V1__TxnRequest *request,
                   Candor__V1__TxnResponse_Closure closure, void *closure_data)
{
    Candor__V1__TxnResponse response = CANDOR__V1__TXN_RESPONSE__INIT;
    Candor__V1__TxnOpResult result = CANDOR__V1__TXN_OP_RESULT__INIT;
    Candor__V1__TxnOpResult *results[] = {&result};
    (void)service;
    (void)request;
    response.pos = any_pos();
    response.succeeded = true;
    response.results = results;
    response.n_results = 1;
    closure(&response, closure_data);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-memory-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->address, sizeof f->address, "ipc://%s/a", f->dir);
    candor__v1__kv__init(&f->kv, NULL);
    f->kv.get = kv_get;
    f->kv.multi_get = kv_multi_get;
    f->kv.put = kv_put;
    f->kv.batch = kv_batch;
    f->kv.txn = kv_txn;
    f->services[0] = &f->kv.base;
    assert_int_equal(candor_queue_open(&queue, NULL), CANDOR_OK);
    struct rpc_server_options options = {.address = f->address,
                                         .message_bytes = 1u << 16,
                                         .calls = 4,
                                         .services = f->services,
                                         .service_count = 1,
                                         .closure = f};
    struct candor_error err;
    assert_int_equal(rpc_server_open(&options, &f->server, &err), CANDOR_OK);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    atomic_store(&failing_bytes, 0);
    candor_client_close(f->client);
    candor_queue_close(queue);
    rpc_server_close(f->server);
    unlink(f->address + strlen("ipc://"));
    rmdir(f->dir);
    free(f);
    return 0;
}

static enum candor_code open_client(struct fixture *f, struct candor_error *err)
{
    const char *endpoint = f->address;
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .message_bytes = 1u << 16};
    return candor_client_open(&options, &f->client, err);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static enum candor_code get(struct candor_client *client, struct candor_result *result)
{
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    return candor_get(client, candor_text("k"), &session, result);
}

static enum candor_code mget(struct candor_client *client, struct candor_result *result)
{
    const struct candor_bytes keys[] = {candor_text("k"), candor_text("l")};
    return candor_mget(client, keys, 2, NULL, result);
}

static enum candor_code put(struct candor_client *client, struct candor_result *result)
{
    return candor_put(client, candor_text("k"), candor_text("v"), NULL, result);
}

static enum candor_code batch(struct candor_client *client, struct candor_result *result)
{
    const struct candor_op ops[] = {{.key = candor_text("k"), .value = candor_text("v")},
                                    {.is_delete = true, .key = candor_text("l")}};
    return candor_batch(client, ops, 2, NULL, result);
}

static enum candor_code txn(struct candor_client *client, struct candor_result *result)
{
    const struct candor_compare compare = {
        .key = candor_text("k"), .target = CANDOR_COMPARE_EXISTS, .exists = true};
    const struct candor_txn_op op = {
        .kind = CANDOR_TXN_PUT, .key = candor_text("k"), .value = candor_text("v")};
    struct candor_txn txn = {
        .compares = &compare, .compare_count = 1, .then_ops = &op, .then_count = 1};
    return candor_txn(client, &txn, NULL, result);
}

/* The code of the submission, or of what came of it. */
static enum candor_code submitted(struct candor_client *client, struct candor_result *result)
{
    struct candor_sink sink = {.queue = queue};
    struct candor_completion done;
    memset(result, 0, sizeof *result);
    if (candor_submit_put(client, candor_text("k"), candor_text("v"), NULL, &sink,
                          &result->error) != CANDOR_OK)
        return result->error.code;
    assert_int_equal(candor_queue_wait(queue, &done, 1, -1), 1);
    *result = done.result;
    return result->error.code;
}

static enum candor_code (*const calls[])(struct candor_client *, struct candor_result *) = {
    get, mget, put, batch, txn, submitted};
enum { CALL_COUNT = sizeof calls / sizeof calls[0], MOST_ALLOCATIONS = 10000 };

/* The call with its n-th allocation failing, for each n, until it needs no more; then it goes on.
 * `connected`: by a call before. Else its first call connects, and NNG's own allocations are
 * spared: while it opens a socket, 1.5.2 does not survive to have none (req0_sock_fini). */
static void fail_each(struct fixture *f, size_t i, bool connected, bool all_after)
{
    bool failed = true;
    size_t refused = 0;
    for (int n = 1; failed; n++) {
        struct candor_error err;
        struct candor_result result;
        assert_true(n < MOST_ALLOCATIONS);
        assert_int_equal(open_client(f, &err), CANDOR_OK);
        if (connected) {
            assert_int_equal(mget(f->client, &result), CANDOR_OK);
            candor_result_free(&result);
        }
        nng_too = connected;
        arm(n, all_after);
        enum candor_code code = calls[i](f->client, &result);
        failed = disarm();
        if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
            fail_msg("call %zu, allocation %d: %s: %s", i, n, candor_code_name(code),
                     result.error.message);
        refused += code != CANDOR_OK;
        candor_result_free(&result);
        code = calls[i](f->client, &result);
        if (code != CANDOR_OK)
            fail_msg("call %zu after allocation %d: %s", i, n, result.error.message);
        candor_result_free(&result);
        candor_client_close(f->client);
        f->client = NULL;
    }
    assert_true(refused >= 2);
}

static void every_allocation_of_a_call_may_fail(void **state)
{
    for (size_t i = 0; i < CALL_COUNT; i++) {
        fail_each(*state, i, false, false);
        fail_each(*state, i, false, true);
        fail_each(*state, i, true, false);
        fail_each(*state, i, true, true);
    }
}

static void opening_a_client_may_fail(void **state)
{
    struct fixture *f = *state;
    bool failed = true;
    for (int n = 1; failed; n++) {
        struct candor_error err;
        arm(n, false);
        enum candor_code code = open_client(f, &err);
        failed = disarm();
        assert_int_equal(code, failed ? CANDOR_RESOURCE_EXHAUSTED : CANDOR_OK);
        assert_true(failed == (f->client == NULL));
    }
}

/* The answer arrives on a thread of the library. */
static void an_answer_that_finds_no_memory_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    struct candor_result result;
    assert_int_equal(open_client(f, &err), CANDOR_OK);
    atomic_store(&failing_bytes, VALUE_BYTES);
    assert_int_equal(get(f->client, &result), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(result.error.reason, CANDOR_REASON_NONE); /* a read has no outcome */
    candor_result_free(&result);
    atomic_store(&failing_bytes, 0);
    assert_int_equal(get(f->client, &result), CANDOR_OK);
    assert_int_equal(result.items[0].value.length, VALUE_BYTES);
    candor_result_free(&result);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_allocation_of_a_call_may_fail),
        TEST(opening_a_client_may_fail),
        TEST(an_answer_that_finds_no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
