/* links: client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <candor/client.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "longer_deadlines.h"
#include "rpc/rpc.h"

#define CLUSTER 0xC1u
#define SCRIPT_MAX 16
#define NOTED_MAX 512 /* calls of which ids are noted */
/* Of calls that have none of their own. */
#define CLIENT_DEADLINE_MS 60000

/* ---- Nodes that answer what a script says ---------------------------------------------------- */

struct node;

struct reply {
    enum candor_code code;
    enum candor_reason reason;
    const struct node *redirect; /* with an error: who the primary is */
    bool stay_silent;            /* until the node is closed */
    uint32_t delay_ms;
    uint64_t term;     /* of the node's epoch; 0: 1 */
    uint64_t pos_term; /* of the answer's position; 0: term */
    uint64_t seq;      /* of the answer's position */
    bool has_bound;
    uint64_t bound_ms;
    bool contradict; /* says FRESH and stale */
    bool no_items;
    bool replayed;
    bool succeeded;     /* of a condition */
    size_t empty_items; /* of a MultiGet: two bytes each on the wire */
    uint32_t retry_after_ms;
};

/* The last reply of a script is repeated. */
struct node {
    Candor__V1__KV_Service kv; /* first: handlers get a pointer to it */
    ProtobufCService *services[1];
    char id[8];
    char address[96];
    struct rpc_server *server;
    pthread_mutex_t lock; /* of all below */
    struct reply script[SCRIPT_MAX];
    size_t script_count;
    size_t calls;
    struct rpc_call *silent[SCRIPT_MAX];
    size_t silent_count;
    size_t hops; /* of the newest call */
    char first_hop[8];
    uint64_t numbers[NOTED_MAX]; /* request numbers, in order */
    uint8_t client_ids[NOTED_MAX][CANDOR_CLIENT_ID_BYTES];
    uint64_t asked_seq; /* of the newest session token */
};

struct fixture {
    char dir[32];
    struct node nodes[3];
    struct candor_client *client;
};

static Candor__V1__Epoch *epoch_in(struct rpc_call *call, uint64_t term)
{
    Candor__V1__Epoch *epoch = rpc_call_alloc(call, sizeof *epoch);
    candor__v1__epoch__init(epoch);
    epoch->generation = 1;
    epoch->term = term;
    epoch->owner = rpc_call_string(call, "a");
    return epoch;
}

static Candor__V1__Pos *pos_in(struct rpc_call *call, const struct reply *reply)
{
    uint64_t term = reply->term != 0 ? reply->term : 1;
    Candor__V1__Pos *pos = rpc_call_alloc(call, sizeof *pos);
    candor__v1__pos__init(pos);
    pos->epoch = epoch_in(call, reply->pos_term != 0 ? reply->pos_term : term);
    pos->seq = reply->seq;
    return pos;
}

static void fill_envelope(struct node *node, struct rpc_call *call, const struct reply *reply)
{
    Candor__V1__Freshness *f = rpc_call_alloc(call, sizeof *f);
    candor__v1__freshness__init(f);
    f->node = rpc_call_string(call, node->id);
    f->role = CANDOR__V1__ROLE__ROLE_REPLICA;
    f->state = CANDOR__V1__NODE_STATE__NODE_STATE_FRESH;
    f->stale = reply->contradict;
    f->epoch = epoch_in(call, reply->term != 0 ? reply->term : 1);
    f->applied_seq = reply->seq;
    if (reply->has_bound) {
        f->bound_case = CANDOR__V1__FRESHNESS__BOUND_STALENESS_BOUND_MS;
        f->staleness_bound_ms = reply->bound_ms;
    }
    if (reply->seq > 0) {
        f->token = rpc_call_alloc(call, sizeof *f->token);
        candor__v1__session_token__init(f->token);
        f->token->cluster_id = CLUSTER;
        f->token->pos = pos_in(call, reply);
    }
    rpc_call_reply(call)->freshness = f;
    if (reply->redirect == NULL && reply->retry_after_ms == 0)
        return;
    Candor__V1__RetryHint *hint = rpc_call_alloc(call, sizeof *hint);
    candor__v1__retry_hint__init(hint);
    hint->retry_after_ms = reply->retry_after_ms;
    rpc_call_reply(call)->retry = hint;
    if (reply->redirect == NULL)
        return;
    hint->primary = rpc_call_string(call, reply->redirect->id);
    hint->endpoint = rpc_call_string(call, reply->redirect->address);
}

/* Notes the call, and gives its reply. False: the call is not to be answered. */
static bool next_reply(struct node *node, struct rpc_call *call, struct reply *reply)
{
    const Candor__V1__RpcRequest *envelope = rpc_call_envelope(call);
    pthread_mutex_lock(&node->lock);
    size_t n = node->calls++;
    if (envelope->request_id != NULL && n < NOTED_MAX) {
        node->numbers[n] = envelope->request_id->number;
        memcpy(node->client_ids[n], envelope->request_id->client_id.data, CANDOR_CLIENT_ID_BYTES);
    }
    node->hops = envelope->n_hops;
    snprintf(node->first_hop, sizeof node->first_hop, "%s",
             envelope->n_hops > 0 ? envelope->hops[0] : "");
    *reply = node->script[n < node->script_count ? n : node->script_count - 1];
    if (reply->stay_silent)
        node->silent[node->silent_count++] = call;
    pthread_mutex_unlock(&node->lock);
    struct timespec delay = {.tv_nsec = (long)(reply->delay_ms * NS_PER_MS)};
    nanosleep(&delay, NULL); /* a slow network */
    return !reply->stay_silent;
}

/* Fails the call where the script says so. */
static bool refused(struct node *node, struct rpc_call *call, struct reply *reply)
{
    if (!next_reply(node, call, reply))
        return true;
    fill_envelope(node, call, reply);
    if (reply->code == CANDOR_OK)
        return false;
    struct candor_error error;
    candor_error_set(&error, reply->code, reply->reason, "as the script says");
    rpc_call_fail(call, &error);
    return true;
}

static void note_token(struct node *node, const Candor__V1__SessionToken *token)
{
    pthread_mutex_lock(&node->lock);
    node->asked_seq = token != NULL && token->pos != NULL ? token->pos->seq : 0;
    pthread_mutex_unlock(&node->lock);
}

static void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                   Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct node *node = (struct node *)service;
    struct reply reply;
    note_token(node, request->options != NULL ? request->options->token : NULL);
    if (refused(node, closure_data, &reply))
        return;
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    item.key = request->key;
    item.value = (ProtobufCBinaryData){.data = (uint8_t *)node->id, .len = strlen(node->id)};
    item.found = true;
    item.mod_seq = 7;
    response.item = reply.no_items ? NULL : &item;
    closure(&response, closure_data);
}

static void kv_multi_get(Candor__V1__KV_Service *service,
                         const Candor__V1__MultiGetRequest *request,
                         Candor__V1__MultiGetResponse_Closure closure, void *closure_data)
{
    struct node *node = (struct node *)service;
    struct reply reply;
    (void)request;
    if (refused(node, closure_data, &reply))
        return;
    Candor__V1__MultiGetResponse response = CANDOR__V1__MULTI_GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    response.n_items = reply.empty_items; /* other than keys */
    response.items = calloc(reply.empty_items + 1, sizeof(void *));
    assert_non_null(response.items);
    for (size_t i = 0; i < reply.empty_items; i++)
        response.items[i] = &item;
    closure(&response, closure_data);
    free(response.items);
}

static void kv_put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
                   Candor__V1__PutResponse_Closure closure, void *closure_data)
{
    struct node *node = (struct node *)service;
    struct reply reply;
    note_token(node, request->options != NULL ? request->options->token : NULL);
    if (refused(node, closure_data, &reply))
        return;
    Candor__V1__PutResponse response = CANDOR__V1__PUT_RESPONSE__INIT;
    response.pos = pos_in(closure_data, &reply);
    response.ack = CANDOR__V1__ACK_LEVEL__ACK_LEVEL_LOCAL;
    response.replayed = reply.replayed;
    closure(&response, closure_data);
}

static void kv_cas(Candor__V1__KV_Service *service,
                   const Candor__V1__CompareAndSwapRequest *request,
                   Candor__V1__CompareAndSwapResponse_Closure closure, void *closure_data)
{
    struct reply reply;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    (void)request;
    if (refused((struct node *)service, closure_data, &reply))
        return;
    Candor__V1__CompareAndSwapResponse response = CANDOR__V1__COMPARE_AND_SWAP_RESPONSE__INIT;
    response.pos = pos_in(closure_data, &reply);
    response.succeeded = reply.succeeded;
    response.item = reply.succeeded ? NULL : &item;
    closure(&response, closure_data);
}

/* Answers for one operation, which found nothing. */
static void kv_txn(Candor__V1__KV_Service *service, const Candor__V1__TxnRequest *request,
                   Candor__V1__TxnResponse_Closure closure, void *closure_data)
{
    struct reply reply;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    Candor__V1__TxnOpResult result = CANDOR__V1__TXN_OP_RESULT__INIT;
    Candor__V1__TxnOpResult *results[] = {&result};
    (void)request;
    if (refused((struct node *)service, closure_data, &reply))
        return;
    Candor__V1__TxnResponse response = CANDOR__V1__TXN_RESPONSE__INIT;
    result.item = &item;
    response.pos = pos_in(closure_data, &reply);
    response.succeeded = reply.succeeded;
    response.results = results;
    response.n_results = 1;
    closure(&response, closure_data);
}

static void open_node(struct fixture *f, struct node *node, const char *id)
{
    candor__v1__kv__init(&node->kv, NULL);
    node->kv.get = kv_get;
    node->kv.multi_get = kv_multi_get;
    node->kv.put = kv_put;
    node->kv.compare_and_swap = kv_cas;
    node->kv.txn = kv_txn;
    node->services[0] = &node->kv.base;
    pthread_mutex_init(&node->lock, NULL);
    snprintf(node->id, sizeof node->id, "%s", id);
    snprintf(node->address, sizeof node->address, "ipc://%s/%s", f->dir, id);
    node->script_count = 1; /* OK */
    struct rpc_server_options options = {.address = node->address,
                                         .message_bytes = 1u << 16,
                                         .calls = 16,
                                         .services = node->services,
                                         .service_count = 1,
                                         .closure = node};
    struct candor_error err;
    if (rpc_server_open(&options, &node->server, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static void close_node(struct node *node)
{
    if (node->server == NULL)
        return;
    struct candor_error error = {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN};
    for (size_t i = 0; i < node->silent_count; i++)
        rpc_call_fail(node->silent[i], &error);
    rpc_server_close(node->server);
    pthread_mutex_destroy(&node->lock);
    node->server = NULL;
}

static int setup(void **state)
{
    static const char *const ids[] = {"a", "b", "c"};
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-client-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    for (size_t i = 0; i < 3; i++)
        open_node(f, &f->nodes[i], ids[i]);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    candor_client_close(f->client);
    for (size_t i = 0; i < 3; i++) {
        close_node(&f->nodes[i]);
        unlink(f->nodes[i].address + strlen("ipc://"));
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static void script(struct node *node, size_t count, const struct reply *replies)
{
    memcpy(node->script, replies, count * sizeof *replies);
    node->script_count = count;
}

#define SCRIPT(node, ...)                                                                          \
    script((node), sizeof((struct reply[]){__VA_ARGS__}) / sizeof(struct reply),                   \
           (struct reply[]){__VA_ARGS__})

/* However slow the machine is: what the test counts begins with a connection. Nodes have no
 * Status. */
static void connect_to(struct candor_client *client, const struct node *node)
{
    enum candor_code code = CANDOR_OK;
    while (node->server != NULL && code != CANDOR_UNIMPLEMENTED) {
        struct candor_status status;
        struct candor_result result;
        code = candor_status(client, node->address, CLIENT_DEADLINE_MS, &status, &result);
        candor_result_free(&result);
    }
}

/* A client of the first `count` nodes, connected to those that are there. */
static struct candor_client *open_client(struct fixture *f, size_t count, bool no_redirect)
{
    const char *endpoints[3];
    for (size_t i = 0; i < count; i++)
        endpoints[i] = f->nodes[i].address;
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = count,
                                            .no_redirect = no_redirect,
                                            .deadline_ms = CLIENT_DEADLINE_MS,
                                            .message_bytes = 1u << 16};
    struct candor_error err;
    if (candor_client_open(&options, &f->client, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < count; i++)
        connect_to(f->client, &f->nodes[i]);
    return f->client;
}

#define EXPECT(call, wanted, result)                                                               \
    do {                                                                                           \
        enum candor_code got_code = (call);                                                        \
        if (got_code != (wanted))                                                                  \
            fail_msg("%s/%s: %s", candor_code_name(got_code),                                      \
                     candor_reason_name((result).error.reason), (result).error.message);           \
    } while (0)

static enum candor_code put(struct candor_client *client, struct candor_result *result)
{
    return candor_put(client, candor_text("k"), candor_text("v"), NULL, result);
}

static void *put_once(void *client)
{
    struct candor_result result;
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    return NULL;
}

static enum candor_code get(struct candor_client *client, struct candor_result *result)
{
    return candor_get(client, candor_text("k"), NULL, result);
}

static size_t calls_of(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    size_t calls = node->calls;
    pthread_mutex_unlock(&node->lock);
    return calls;
}

/* Asks until a refusal came back before the deadline. */
static enum candor_code get_refused(struct candor_client *client, struct candor_result *result)
{
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_read_options options = {
            .level = CANDOR_READ_BOUNDED, .max_staleness_ms = 10, .deadline_ms = ms};
        code = candor_get(client, candor_text("k"), &options, result);
        if (result->has_freshness)
            break;
        candor_result_free(result);
    }
    return code;
}

/* ---- Finding the primary --------------------------------------------------------------------- */

static void redirect_is_followed_and_names_its_hops(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_NOT_PRIMARY,
                          .redirect = &f->nodes[1]});
    SCRIPT(&f->nodes[1], {.seq = 9});
    /* b is known from the redirect alone */
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    EXPECT(put(client, &result), CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_int_equal(result.last.seq, 9);
    size_t asked = f->nodes[0].calls; /* more than once where connecting to b takes too long */
    assert_int_equal(result.redirects, asked);
    assert_int_equal(f->nodes[1].hops, 1);
    assert_string_equal(f->nodes[1].first_hop, "a");
    assert_int_equal(f->nodes[0].numbers[0], f->nodes[1].numbers[0]); /* R46 */
    candor_result_free(&result);

    SCRIPT(&f->nodes[1], {.seq = 9}, {.seq = 10});
    EXPECT(put(client, &result), CANDOR_OK, result); /* the primary is remembered */
    candor_result_free(&result);
    assert_int_equal(f->nodes[0].calls, asked);
    assert_int_equal(f->nodes[1].numbers[1], f->nodes[1].numbers[0] + 1);
}

static void redirect_loop_ends_with_max_hops_and_the_trail(void **state)
{
    struct fixture *f = *state;
    struct reply to_b = {.code = CANDOR_FAILED_PRECONDITION,
                         .reason = CANDOR_REASON_NOT_PRIMARY,
                         .redirect = &f->nodes[1]};
    struct reply to_a = to_b;
    to_a.redirect = &f->nodes[0];
    script(&f->nodes[0], 1, &to_b);
    script(&f->nodes[1], 1, &to_a);
    struct candor_result result;
    EXPECT(put(open_client(f, 2, false), &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_MAX_HOPS); /* R45 */
    assert_non_null(strstr(result.error.message, "a -> b -> a -> b"));
    assert_int_equal(f->nodes[0].calls + f->nodes[1].calls, LIMIT_HOPS + 1);
    candor_result_free(&result);
}

/* Each time under another name of one node's socket. */
static void addresses_of_redirects_are_forgotten_in_time(void **state)
{
    struct fixture *f = *state;
    struct node alias = f->nodes[1];
    struct candor_client *client = open_client(f, 1, false);
    for (int i = 0; i < 5 * LIMIT_NODES; i++) {
        struct candor_result result;
        char path[sizeof alias.address];
        snprintf(path, sizeof path, "%s/b%d", f->dir, i);
        snprintf(alias.address, sizeof alias.address, "ipc://%s/b%d", f->dir, i);
        assert_int_equal(symlink(f->nodes[1].address + strlen("ipc://"), path), 0);
        SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                              .reason = CANDOR_REASON_SYNCING,
                              .redirect = &alias});
        EXPECT(get(client, &result), CANDOR_OK, result);
        assert_string_equal(result.freshness.node, "b");
        candor_result_free(&result);
        unlink(path);
    }
}

/* Nobody is there: what counts is that each may be asked. */
static void a_status_keeps_no_place_among_the_addresses(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    for (int i = 0; i < 3 * LIMIT_NODES; i++) {
        char address[64];
        struct candor_status status;
        struct candor_result result;
        snprintf(address, sizeof address, "ipc://%s/nobody%d", f->dir, i);
        EXPECT(candor_status(client, address, 1, &status, &result), CANDOR_UNAVAILABLE, result);
        candor_result_free(&result);
    }
}

static void no_redirect_reports_where_the_primary_is(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_SYNCING,
                          .redirect = &f->nodes[1]});
    struct candor_result result;
    EXPECT(get(open_client(f, 1, true), &result), CANDOR_FAILED_PRECONDITION, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_SYNCING);
    assert_string_equal(result.primary, "b");
    assert_string_equal(result.endpoint, f->nodes[1].address);
    assert_true(result.has_freshness);
    assert_int_equal(f->nodes[1].calls, 0);
    candor_result_free(&result);
}

static void read_goes_elsewhere_when_a_node_does_not_answer(void **state)
{
    struct fixture *f = *state;
    close_node(&f->nodes[0]);
    struct candor_result result;
    EXPECT(get(open_client(f, 2, false), &result), CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_memory_equal(result.items[0].value.data, "b", 1);
    candor_result_free(&result);
}

static void silent_node_does_not_use_up_a_reads_deadline(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    struct candor_client *client = open_client(f, 2, false);
    struct candor_result result;
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_read_options options = {.deadline_ms = ms};
        code = candor_get(client, candor_text("k"), &options, &result);
        if (code == CANDOR_OK)
            break;
        candor_result_free(&result);
    }
    EXPECT(code, CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_true(calls_of(&f->nodes[0]) > 0);
    candor_result_free(&result);
}

static void call_ends_at_its_deadline_when_nobody_is_there(void **state)
{
    struct fixture *f = *state;
    close_node(&f->nodes[0]);
    close_node(&f->nodes[1]);
    struct candor_read_options options = {.deadline_ms = 300};
    struct candor_result result;
    uint64_t begun = clock_boot_ns();
    EXPECT(candor_get(open_client(f, 2, false), candor_text("k"), &options, &result),
           CANDOR_UNAVAILABLE, result);
    uint64_t took_ms = (clock_boot_ns() - begun) / NS_PER_MS;
    assert_in_range(took_ms, 0, CLIENT_DEADLINE_MS - 1);
    assert_int_equal(result.has_freshness, false);
    assert_non_null(strstr(result.error.message, "gave up"));
    candor_result_free(&result);
}

static void giving_up_early_tells_the_time_that_passed_and_why(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE,
                          .reason = CANDOR_REASON_NO_PRIMARY,
                          .retry_after_ms = 3600000});
    struct candor_result result;
    uint64_t begun = clock_boot_ns();
    EXPECT(put(open_client(f, 1, false), &result), CANDOR_UNAVAILABLE, result);
    uint64_t took_ms = ns_to_ms_up(clock_boot_ns() - begun);
    const char *told = strstr(result.error.message, "gave up after ");
    assert_non_null(told);
    assert_in_range(strtoull(told + strlen("gave up after "), NULL, 10), 0, took_ms);
    assert_non_null(strstr(told, " ms and 1 attempt: the node asks to wait 3600000 ms"));
    candor_result_free(&result);
}

static void refusal_is_told_when_the_node_it_names_is_gone(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_TOO_STALE,
                          .redirect = &f->nodes[1]});
    close_node(&f->nodes[1]);
    struct candor_result result;
    /* The deadline comes while the client asks b, or while it has turned to a once more. */
    enum candor_code code = get_refused(open_client(f, 1, false), &result);
    if (code != CANDOR_DEADLINE_EXCEEDED)
        EXPECT(code, CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_TOO_STALE);
    assert_string_equal(result.freshness.node, "a");
    assert_string_equal(result.primary, "b");
    assert_non_null(strstr(result.error.message, "a: as the script says; "));
    const struct node *silent = &f->nodes[code == CANDOR_UNAVAILABLE ? 1 : 0];
    assert_non_null(strstr(result.error.message, silent->address));
    candor_result_free(&result);
}

/* ---- Writes ---------------------------------------------------------------------------------- */

static void refused_write_is_repeated_with_its_request_id(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY},
           {.code = CANDOR_RESOURCE_EXHAUSTED, .reason = CANDOR_REASON_OVERLOADED}, {.seq = 3});
    struct candor_result result;
    EXPECT(put(open_client(f, 1, false), &result), CANDOR_OK, result);
    assert_int_equal(f->nodes[0].calls, 3);
    assert_int_equal(result.attempts, 3);
    assert_int_equal(f->nodes[0].numbers[1], f->nodes[0].numbers[0]); /* R46 */
    assert_int_equal(f->nodes[0].numbers[2], f->nodes[0].numbers[0]);
    candor_result_free(&result);
}

/* R46: the nodes execute an id once, so a write whose outcome is unknown is asked for again. */
static void write_that_may_have_been_executed_is_repeated_with_its_request_id(void **state)
{
    struct fixture *f = *state;
    static const struct reply lost[] = {
        {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN},
        {.code = CANDOR_UNKNOWN, .reason = CANDOR_REASON_OUTCOME_UNKNOWN},
        {.code = CANDOR_DEADLINE_EXCEEDED, .reason = CANDOR_REASON_OUTCOME_UNKNOWN}};
    SCRIPT(&f->nodes[1], {.seq = 5, .replayed = true});
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        struct candor_client *client = open_client(f, 2, false);
        struct candor_result result;
        script(&f->nodes[0], 1, &lost[i]);
        f->nodes[0].calls = f->nodes[1].calls = 0;
        EXPECT(put(client, &result), CANDOR_OK, result);
        assert_true(result.replayed);
        assert_int_equal(result.attempts, 2);
        assert_int_equal(f->nodes[1].numbers[0], f->nodes[0].numbers[0]);
        assert_int_equal(result.request.number, f->nodes[0].numbers[0]);
        assert_memory_equal(f->nodes[1].client_ids[0], f->nodes[0].client_ids[0],
                            CANDOR_CLIENT_ID_BYTES);
        assert_memory_equal(result.request.client_id, f->nodes[0].client_ids[0],
                            CANDOR_CLIENT_ID_BYTES);
        candor_result_free(&result);
        candor_client_close(client);
        f->client = NULL;
    }
}

static uint64_t newest_number(struct node *node)
{
    size_t calls = calls_of(node);
    assert_in_range(calls, 1, NOTED_MAX);
    return node->numbers[calls - 1];
}

static void silent_node_does_not_use_up_a_writes_deadline(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    SCRIPT(&f->nodes[1], {.seq = 5});
    struct candor_client *client = open_client(f, 2, false);
    struct candor_result result;
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_write_options options = {.deadline_ms = ms};
        code = candor_put(client, candor_text("k"), candor_text("v"), &options, &result);
        if (code == CANDOR_OK)
            break;
        candor_result_free(&result);
    }
    EXPECT(code, CANDOR_OK, result);
    assert_int_equal(newest_number(&f->nodes[0]), result.request.number);
    assert_int_equal(newest_number(&f->nodes[1]), result.request.number);
    candor_result_free(&result);
}

/* The client gives up at such a refusal, not at its deadline: nothing depends on the machine's
 * speed. */
#define COME_BACK_LATER                                                                            \
    {                                                                                              \
        .code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY, .retry_after_ms = 3600000  \
    }

/* Writes until one has come to the node, which stays silent, before the deadline. */
static enum candor_code put_unanswered(struct candor_client *client, struct node *node,
                                       struct candor_result *result)
{
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_write_options options = {.deadline_ms = ms};
        size_t before = calls_of(node);
        code = candor_put(client, candor_text("k"), candor_text("v"), &options, result);
        if (calls_of(node) > before)
            break;
        candor_result_free(result);
    }
    return code;
}

static void outcome_stays_unknown_when_later_attempts_are_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN},
           COME_BACK_LATER);
    EXPECT(put(client, &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_int_equal(result.attempts, 2);
    candor_result_free(&result);

    SCRIPT(&f->nodes[0], COME_BACK_LATER);
    EXPECT(put(client, &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_NO_PRIMARY); /* surely not executed */
    candor_result_free(&result);

    SCRIPT(&f->nodes[0], {.stay_silent = true});
    EXPECT(put_unanswered(client, &f->nodes[0], &result), CANDOR_DEADLINE_EXCEEDED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    candor_result_free(&result);
}

static bool same_client(const struct node *node, size_t a, size_t b)
{
    return memcmp(node->client_ids[a], node->client_ids[b], CANDOR_CLIENT_ID_BYTES) == 0;
}

/* The node loses the call that it has not answered. */
static void let_go(struct node *node)
{
    struct candor_error error = {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN};
    pthread_mutex_lock(&node->lock);
    assert_int_equal(node->silent_count, 1);
    node->silent_count = 0;
    pthread_mutex_unlock(&node->lock);
    rpc_call_fail(node->silent[0], &error);
}

/* Returns NULL when it went well. */
static void *put_slowly(void *client)
{
    struct candor_result result;
    struct candor_write_options options = {.deadline_ms = 60000};
    enum candor_code code =
        candor_put(client, candor_text("k"), candor_text("v"), &options, &result);
    candor_result_free(&result);
    return code == CANDOR_OK ? NULL : client;
}

/* R46: it must not fall out of the numbers that nodes remember of a client. */
static void slow_write_is_passed_by_under_another_client_id(void **state)
{
    struct fixture *f = *state;
    struct node *node = &f->nodes[0];
    struct candor_client *client = open_client(f, 1, false);
    enum { WRITES = LIMIT_REQUESTS_PER_CLIENT + 20 };
    SCRIPT(node, {.stay_silent = true}, {.seq = 1});
    pthread_t slow;
    void *wrong;
    assert_int_equal(pthread_create(&slow, NULL, put_slowly, client), 0);
    while (calls_of(node) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (int i = 0; i < WRITES; i++)
        put_once(client);
    let_go(node);
    pthread_join(slow, &wrong);
    assert_null(wrong);
    size_t with_slow = 1;
    while (with_slow < WRITES && same_client(node, 0, with_slow))
        with_slow++;
    assert_in_range(with_slow, 2, LIMIT_REQUESTS_PER_CLIENT - 1);
    /* and all of them under one */
    for (size_t i = with_slow; i <= WRITES; i++)
        assert_true(same_client(node, with_slow, i));
    assert_true(same_client(node, 0, WRITES + 1)); /* the slow one again */
    assert_int_equal(node->numbers[WRITES + 1], node->numbers[0]);
}

/* So that what is asked for later is not forgotten meanwhile. */
static void unknown_outcome_ends_its_client_id(void **state)
{
    struct fixture *f = *state;
    struct node *node = &f->nodes[0];
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(node, {.seq = 1}, {.code = CANDOR_UNKNOWN, .reason = CANDOR_REASON_OUTCOME_UNKNOWN},
           COME_BACK_LATER);
    put_once(client);
    EXPECT(put(client, &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    candor_result_free(&result);
    size_t next = calls_of(node);
    SCRIPT(node, {.seq = 3});
    put_once(client);
    assert_true(same_client(node, 0, 1));
    assert_int_equal(node->numbers[1], 2);
    assert_false(same_client(node, 0, next));
    assert_int_equal(node->numbers[next], 1);
}

/* REQUEST_ID_REUSED, or an answer to what no attempt of the call has done: the process was copied,
 * with its ids. */
static void id_that_somebody_else_uses_is_told_and_given_up(void **state)
{
    struct fixture *f = *state;
    static const struct reply reused[] = {
        {.code = CANDOR_INVALID_ARGUMENT, .reason = CANDOR_REASON_REQUEST_ID_REUSED},
        {.seq = 3, .replayed = true},
    };
    for (size_t i = 0; i < 2; i++) {
        struct node *node = &f->nodes[0];
        struct candor_result result;
        node->calls = 0;
        SCRIPT(node, {.seq = 1}, reused[i], {.seq = 4});
        struct candor_client *client = open_client(f, 1, false);
        EXPECT(put(client, &result), CANDOR_OK, result);
        candor_result_free(&result);
        EXPECT(put(client, &result), CANDOR_INVALID_ARGUMENT, result);
        assert_int_equal(result.error.reason, CANDOR_REASON_REQUEST_ID_REUSED);
        assert_int_equal(result.attempts, 1); /* it is for the caller to write again */
        assert_false(result.wrote);
        assert_string_equal(result.violation, "");
        candor_result_free(&result);
        EXPECT(put(client, &result), CANDOR_OK, result);
        candor_result_free(&result);
        assert_memory_equal(node->client_ids[0], node->client_ids[1], CANDOR_CLIENT_ID_BYTES);
        assert_memory_not_equal(node->client_ids[1], node->client_ids[2], CANDOR_CLIENT_ID_BYTES);
        candor_client_close(client);
        f->client = NULL;
    }
}

static void write_that_was_never_sent_goes_to_another_node(void **state)
{
    struct fixture *f = *state;
    close_node(&f->nodes[0]);
    SCRIPT(&f->nodes[1], {.seq = 4});
    struct candor_result result;
    EXPECT(put(open_client(f, 2, false), &result), CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    candor_result_free(&result);
}

static void request_beyond_a_message_is_refused_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[1u << 16];
    struct candor_result result;
    EXPECT(candor_put(open_client(f, 1, false), candor_text("k"),
                      (struct candor_bytes){large, sizeof large}, NULL, &result),
           CANDOR_RESOURCE_EXHAUSTED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_TOO_LARGE);
    assert_int_equal(f->nodes[0].calls, 0);
    candor_result_free(&result);
}

static void answer_that_does_not_decode_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_bytes keys[] = {candor_text("k"), candor_text("l")};
    struct candor_result result;
    EXPECT(candor_mget(client, keys, 2, NULL, &result), CANDOR_INTERNAL, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_MALFORMED);
    candor_result_free(&result);
    SCRIPT(&f->nodes[0], {.no_items = true});
    EXPECT(get(client, &result), CANDOR_INTERNAL, result);
    assert_int_equal(result.item_count, 0);
    candor_result_free(&result);
}

/* Two bytes on the wire are some hundred in memory: a node that is none could fill that of its
 * clients. */
static void answer_unfolds_to_a_bounded_size(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 30000 };
    static const struct {
        size_t count;
        enum candor_code code;
    } cases[] = {{KEYS / 3, CANDOR_OK}, {KEYS, CANDOR_INTERNAL}};
    struct candor_bytes *keys = calloc(KEYS, sizeof *keys);
    assert_non_null(keys);
    struct candor_client *client = open_client(f, 1, false);
    for (size_t i = 0; i < 2; i++) {
        struct candor_result result;
        SCRIPT(&f->nodes[0], {.empty_items = cases[i].count});
        EXPECT(candor_mget(client, keys, cases[i].count, NULL, &result), cases[i].code, result);
        candor_result_free(&result);
    }
    free(keys);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static void session_token_never_goes_back(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 10}, {.seq = 5}, {.seq = 11});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    static const uint64_t wanted[] = {10, 10, 11};
    for (size_t i = 0; i < 3; i++) {
        struct candor_token token;
        EXPECT(get(client, &result), CANDOR_OK, result);
        candor_result_free(&result);
        candor_client_token(client, &token);
        assert_int_equal(token.pos.seq, wanted[i]);
        assert_int_equal(token.cluster_id, CLUSTER);
    }
}

static void session_read_sends_the_token_and_refusals_leave_it_alone(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 10}, {.seq = 10},
           {.code = CANDOR_FAILED_PRECONDITION,
            .reason = CANDOR_REASON_SESSION_LOST,
            .term = 2,
            .seq = 8});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    struct candor_result result;
    struct candor_token token;
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    EXPECT(candor_get(client, candor_text("k"), &session, &result), CANDOR_OK, result);
    candor_result_free(&result);
    assert_int_equal(f->nodes[0].asked_seq, 10);

    EXPECT(candor_get(client, candor_text("k"), &session, &result), CANDOR_FAILED_PRECONDITION,
           result);
    assert_int_equal(result.error.reason, CANDOR_REASON_SESSION_LOST); /* R44 */
    candor_client_token(client, &token);
    assert_int_equal(token.pos.seq, 10);
    candor_client_restart_session(client, &result.token); /* the caller has understood */
    candor_client_token(client, &token);
    assert_int_equal(token.pos.seq, 8);
    candor_result_free(&result);
}

static void only_a_judged_answer_of_another_epoch_moves_the_session(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 10}, {.term = 2, .seq = 20}, {.term = 2, .seq = 21},
           {.term = 2, .seq = 22});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    const struct candor_read_options *levels[] = {NULL, NULL, &session, NULL};
    static const uint64_t wanted[] = {10, 10, 21, 22};
    for (size_t i = 0; i < 4; i++) {
        struct candor_result result;
        struct candor_token token;
        EXPECT(candor_get(client, candor_text("k"), levels[i], &result), CANDOR_OK, result);
        candor_result_free(&result);
        candor_client_token(client, &token);
        assert_int_equal(token.pos.seq, wanted[i]);
    }
}

static void a_write_tells_what_its_session_lost_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 10},
           {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_SESSION_LOST, .term = 2, .seq = 8},
           {.term = 2, .seq = 9}, {.term = 2, .seq = 10});
    static const bool lost[] = {false, true, false};
    static const uint64_t asked[] = {0, 8, 9};
    for (size_t i = 0; i < 3; i++) {
        EXPECT(put(client, &result), CANDOR_OK, result);
        assert_int_equal(result.session_lost, lost[i]);
        assert_int_equal(f->nodes[0].asked_seq, asked[i]);
        candor_result_free(&result);
    }
    assert_int_equal(f->nodes[0].calls, 4);
    assert_int_equal(f->nodes[0].numbers[1], f->nodes[0].numbers[2]);
}

static void a_write_that_loses_its_session_twice_fails(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 10},
           {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_SESSION_LOST, .term = 2, .seq = 8});
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    EXPECT(put(client, &result), CANDOR_ABORTED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_SESSION_LOST);
    assert_int_equal(f->nodes[0].calls, 3);
    candor_result_free(&result);
}

static void tokens_survive_export_and_foreign_ones_are_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_token token = {.cluster_id = CLUSTER, .pos = {{2, 7, {"node-b"}}, 1042}};
    struct candor_token back;
    struct candor_error err;
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    size_t length = candor_token_export(&token, bytes);
    assert_in_range(length, 1, sizeof bytes);
    assert_int_equal(candor_token_import((struct candor_bytes){bytes, length}, &back, &err),
                     CANDOR_OK);
    assert_int_equal(candor_pos_compare(&back.pos, &token.pos), 0);
    assert_int_equal(back.cluster_id, CLUSTER);

    assert_int_equal(candor_client_join(client, &token, &err), CANDOR_OK);
    back.cluster_id = CLUSTER + 1;
    assert_int_equal(candor_client_join(client, &back, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(err.reason, CANDOR_REASON_FOREIGN_CLUSTER);
    for (size_t cut = 1; cut < length;
         cut++) { /* no prefix is taken for a token that crashes or lies about its cluster */
        if (candor_token_import((struct candor_bytes){bytes, cut}, &back, &err) == CANDOR_OK)
            assert_int_equal(back.cluster_id, CLUSTER);
    }
    assert_int_equal(candor_token_import((struct candor_bytes){"\xff\xff\xff", 3}, &back, &err),
                     CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_token_export(&(struct candor_token){0}, bytes), 0);
}

/* ---- Promises -------------------------------------------------------------------------------- */

static void bound_grows_by_the_time_since_the_request_was_sent(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.has_bound = true, .bound_ms = 30, .delay_ms = 60});
    struct candor_result result;
    EXPECT(get(open_client(f, 1, false), &result), CANDOR_OK, result);
    assert_true(result.freshness.has_staleness_bound);
    assert_in_range(result.freshness.staleness_bound_ms, 90, 5000);
    assert_string_equal(result.violation, "");
    candor_result_free(&result);
}

struct broken_promise {
    const char *what; /* in the violation; NULL: none is broken */
    struct candor_read_options read;
    bool write;
    struct reply first;
    struct reply second;
};

static const struct broken_promise promises[] = {
    {"went back from epoch", {0}, false, {.term = 3}, {.term = 2}},
    {NULL, {0}, false, {.term = 2}, {.term = 3}},
    {"now it proves only",
     {0},
     false,
     {.has_bound = true, .bound_ms = 10},
     {.has_bound = true, .bound_ms = 60000}},
    {NULL, {0}, false, {.has_bound = true, .bound_ms = 60000}, {.has_bound = true, .bound_ms = 10}},
    /* Evidence is dropped with the epoch (R37). */
    {NULL,
     {0},
     false,
     {.has_bound = true, .bound_ms = 10},
     {.term = 2, .has_bound = true, .bound_ms = 60000}},
    {NULL, {0}, false, {.has_bound = true, .bound_ms = 10}, {.has_bound = false}},
    {"without a bound",
     {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 100},
     false,
     {.has_bound = true},
     {.has_bound = false}},
    {"bounded by 100 ms",
     {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 100},
     false,
     {.has_bound = true, .bound_ms = 90},
     {.term = 2, .has_bound = true, .bound_ms = 60000}},
    {"before the session's", {.level = CANDOR_READ_SESSION}, false, {.seq = 10}, {.seq = 9}},
    {"without a position", {.level = CANDOR_READ_SESSION}, false, {.seq = 10}, {.seq = 0}},
    {NULL, {.level = CANDOR_READ_SESSION}, false, {.seq = 10}, {.seq = 10}},
    {"stale = true", {0}, false, {0}, {.contradict = true}},
    {"although the session has seen",
     {0},
     true,
     {.term = 2, .seq = 10},
     {.term = 2, .pos_term = 1, .seq = 30}},
    {"although the session has seen", {0}, true, {.seq = 10}, {.seq = 10}},
    {NULL, {0}, true, {.seq = 10}, {.seq = 11}},
};

static void told(void *closure, const char *text)
{
    snprintf(closure, 256, "%s", text);
}

static void node_that_goes_back_on_its_word_is_reported(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        const struct broken_promise *p = &promises[i];
        const char *endpoint = f->nodes[0].address;
        char seen[256] = "";
        struct candor_client_options options = {
            .endpoints = &endpoint, .endpoint_count = 1, .violation = told, .closure = seen};
        struct candor_error err;
        struct candor_client *client;
        struct candor_result result;
        f->nodes[0].calls = 0;
        SCRIPT(&f->nodes[0], p->first, p->second);
        assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
        for (int n = 0; n < 2; n++) {
            EXPECT(p->write ? put(client, &result)
                            : candor_get(client, candor_text("k"), &p->read, &result),
                   CANDOR_OK, result);
            if (n == 0 && result.violation[0] != '\0')
                fail_msg("case %zu: the first answer: %s", i, result.violation);
            if (n == 1 && p->what == NULL && result.violation[0] != '\0')
                fail_msg("case %zu: nothing is broken: %s", i, result.violation);
            if (n == 1 && p->what != NULL && strstr(result.violation, p->what) == NULL)
                fail_msg("case %zu: wanted \"%s\", got \"%s\"", i, p->what, result.violation);
            if (n == 1)
                assert_string_equal(seen, result.violation);
            candor_result_free(&result);
        }
        assert_int_equal(candor_client_violations(client), p->what != NULL);
        candor_client_close(client);
    }
}

/* What a session asks for once it has seen seq 10. */
static enum candor_code swap_absent(struct candor_client *client, struct candor_result *result)
{
    struct candor_expect expect = {.kind = CANDOR_EXPECT_ABSENT};
    return candor_cas(client, candor_text("k"), &expect, candor_text("v"), NULL, result);
}

/* Puts when its compares hold, else gets. */
static enum candor_code put_or_get(struct candor_client *client, struct candor_result *result)
{
    const struct candor_txn_op then = {
        .kind = CANDOR_TXN_PUT, .key = candor_text("k"), .value = candor_text("v")};
    const struct candor_txn_op otherwise = {.kind = CANDOR_TXN_GET, .key = candor_text("k")};
    struct candor_txn txn = {
        .then_ops = &then, .then_count = 1, .else_ops = &otherwise, .else_count = 1};
    return candor_txn(client, &txn, NULL, result);
}

/* Without effect, an answer has the position of what was read: that may be what the session has
 * seen, but nothing older. */
static void only_what_was_written_stands_behind_what_the_session_saw(void **state)
{
    struct fixture *f = *state;
    static enum candor_code (*const calls[])(struct candor_client *,
                                             struct candor_result *) = {swap_absent, put_or_get};
    static const struct {
        struct reply reply;
        bool broken;
    } cases[] = {
        {{.seq = 10}, false},
        {{.seq = 11}, false},
        {{.seq = 9}, true},
        {{.seq = 10, .succeeded = true}, true},
        {{.seq = 11, .succeeded = true}, false},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const struct reply reply = cases[i / 2].reply;
        struct candor_result result;
        f->nodes[0].calls = 0;
        SCRIPT(&f->nodes[0], {.seq = 10}, reply);
        struct candor_client *client = open_client(f, 1, false);
        EXPECT(put(client, &result), CANDOR_OK, result);
        assert_true(result.wrote);
        candor_result_free(&result);
        EXPECT(calls[i % 2](client, &result), CANDOR_OK, result);
        assert_int_equal(result.wrote, reply.succeeded);
        bool broken = strstr(result.violation, "although the session has seen") != NULL;
        if (broken != cases[i / 2].broken)
            fail_msg("case %zu: \"%s\"", i, result.violation);
        candor_result_free(&result);
        candor_client_close(client);
        f->client = NULL;
    }
}

/* ---- Threads, options ------------------------------------------------------------------------ */

/* Returns NULL when every call went well: a failure in this thread could not end the test. */
static void *many_calls(void *argument)
{
    struct candor_client *client = argument;
    bool wrong = false;
    for (int i = 0; i < 100; i++) {
        struct candor_result result;
        bool write = i % 4 == 0;
        enum candor_code code = write ? put(client, &result) : get(client, &result);
        /* the script's writes do not move on */
        bool broken = !write && result.violation[0] != '\0';
        wrong = wrong || code != CANDOR_OK || broken;
        candor_result_free(&result);
    }
    return wrong ? argument : NULL;
}

static void threads_share_a_client(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 1, .has_bound = true, .bound_ms = 5});
    struct candor_client *client = open_client(f, 1, false);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_calls, client), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(f->nodes[0].calls, 400);
}

static void options_that_cannot_work_are_refused(void **state)
{
    (void)state;
    static const char *const malformed[] = {"not an address"};
    struct candor_client *client;
    struct candor_error err;
    struct candor_client_options options = {.endpoints = malformed};
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
    options.endpoint_count = 1;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
    assert_null(client);
    options.endpoint_count = LIMIT_NODES + 1;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(redirect_is_followed_and_names_its_hops),
        TEST(redirect_loop_ends_with_max_hops_and_the_trail),
        TEST(addresses_of_redirects_are_forgotten_in_time),
        TEST(a_status_keeps_no_place_among_the_addresses),
        TEST(no_redirect_reports_where_the_primary_is),
        TEST(read_goes_elsewhere_when_a_node_does_not_answer),
        TEST(silent_node_does_not_use_up_a_reads_deadline),
        TEST(call_ends_at_its_deadline_when_nobody_is_there),
        TEST(giving_up_early_tells_the_time_that_passed_and_why),
        TEST(refusal_is_told_when_the_node_it_names_is_gone),
        TEST(refused_write_is_repeated_with_its_request_id),
        TEST(write_that_may_have_been_executed_is_repeated_with_its_request_id),
        TEST(silent_node_does_not_use_up_a_writes_deadline),
        TEST(outcome_stays_unknown_when_later_attempts_are_refused),
        TEST(slow_write_is_passed_by_under_another_client_id),
        TEST(unknown_outcome_ends_its_client_id),
        TEST(id_that_somebody_else_uses_is_told_and_given_up),
        TEST(write_that_was_never_sent_goes_to_another_node),
        TEST(request_beyond_a_message_is_refused_before_it_is_sent),
        TEST(answer_that_does_not_decode_is_an_error),
        TEST(answer_unfolds_to_a_bounded_size),
        TEST(session_token_never_goes_back),
        TEST(session_read_sends_the_token_and_refusals_leave_it_alone),
        TEST(only_a_judged_answer_of_another_epoch_moves_the_session),
        TEST(a_write_tells_what_its_session_lost_and_goes_on),
        TEST(a_write_that_loses_its_session_twice_fails),
        TEST(tokens_survive_export_and_foreign_ones_are_refused),
        TEST(bound_grows_by_the_time_since_the_request_was_sent),
        TEST(node_that_goes_back_on_its_word_is_reported),
        TEST(only_what_was_written_stands_behind_what_the_session_saw),
        TEST(threads_share_a_client),
        cmocka_unit_test(options_that_cannot_work_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
