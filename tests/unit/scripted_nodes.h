/* Nodes that answer what a script says, over ipc:// in a temporary directory, and a client of them.
 * For the tests of src/client. */
#ifndef SCRIPTED_NODES_H
#define SCRIPTED_NODES_H

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

#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "rpc/rpc.h"

#define HELPER __attribute__((unused)) static /* not every test uses every one */

#ifndef SCRIPTED_CALLS
#define SCRIPTED_CALLS 16 /* under way at a node */
#endif
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
    enum candor_ack ack; /* of AwaitCommit; also beside an error */
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
    struct rpc_call *silent[SCRIPTED_CALLS];
    size_t silent_count;
    bool closing; /* nobody is kept silent any more */
    size_t bundles;
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

HELPER Candor__V1__Epoch *epoch_in(struct rpc_call *call, uint64_t term)
{
    Candor__V1__Epoch *epoch = rpc_call_alloc(call, sizeof *epoch);
    candor__v1__epoch__init(epoch);
    epoch->generation = 1;
    epoch->term = term;
    epoch->owner = rpc_call_string(call, "a");
    return epoch;
}

HELPER Candor__V1__Pos *pos_in(struct rpc_call *call, const struct reply *reply)
{
    uint64_t term = reply->term != 0 ? reply->term : 1;
    Candor__V1__Pos *pos = rpc_call_alloc(call, sizeof *pos);
    candor__v1__pos__init(pos);
    pos->epoch = epoch_in(call, reply->pos_term != 0 ? reply->pos_term : term);
    pos->seq = reply->seq;
    return pos;
}

HELPER void fill_envelope(struct node *node, struct rpc_call *call, const struct reply *reply)
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
HELPER bool next_reply(struct node *node, struct rpc_call *call, struct reply *reply)
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
    reply->stay_silent = reply->stay_silent && !node->closing;
    if (reply->stay_silent)
        node->silent[node->silent_count++] = call;
    pthread_mutex_unlock(&node->lock);
    struct timespec delay = {.tv_nsec = (long)(reply->delay_ms * NS_PER_MS)};
    nanosleep(&delay, NULL); /* a slow network */
    return !reply->stay_silent;
}

/* Fails the call where the script says so. */
HELPER bool refused(struct node *node, struct rpc_call *call, struct reply *reply)
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

HELPER void note_token(struct node *node, const Candor__V1__SessionToken *token)
{
    pthread_mutex_lock(&node->lock);
    node->asked_seq = token != NULL && token->pos != NULL ? token->pos->seq : 0;
    pthread_mutex_unlock(&node->lock);
}

HELPER void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
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

HELPER void kv_multi_get(Candor__V1__KV_Service *service,
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

HELPER void kv_put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
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

HELPER void kv_cas(Candor__V1__KV_Service *service,
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
HELPER void kv_txn(Candor__V1__KV_Service *service, const Candor__V1__TxnRequest *request,
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

HELPER void kv_await_commit(Candor__V1__KV_Service *service,
                            const Candor__V1__AwaitCommitRequest *request,
                            Candor__V1__AwaitCommitResponse_Closure closure, void *closure_data)
{
    struct node *node = (struct node *)service;
    struct rpc_call *call = closure_data;
    struct reply reply;
    note_token(node, request->of_case == CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_TOKEN ? request->token
                                                                                    : NULL);
    if (!next_reply(node, call, &reply))
        return;
    fill_envelope(node, call, &reply);
    if (reply.ack == CANDOR_ACK_NONE) {
        struct candor_error error;
        candor_error_set(&error, reply.code, reply.reason, "as the script says");
        rpc_call_fail(call, &error);
        return;
    }
    Candor__V1__AwaitCommitResponse response = CANDOR__V1__AWAIT_COMMIT_RESPONSE__INIT;
    rpc_call_reply(call)->code = (Candor__V1__Code)reply.code;
    rpc_call_reply(call)->reason = (Candor__V1__Reason)reply.reason;
    response.pos = pos_in(call, &reply);
    response.ack = (Candor__V1__AckLevel)reply.ack;
    closure(&response, call);
}

HELPER void take_bundle(void *closure, struct rpc_bundle *bundle)
{
    struct node *node = closure;
    pthread_mutex_lock(&node->lock);
    node->bundles++;
    pthread_mutex_unlock(&node->lock);
    rpc_bundle_run(bundle, UINT64_MAX);
}

HELPER void open_node(struct fixture *f, struct node *node, const char *id)
{
    candor__v1__kv__init(&node->kv, NULL);
    node->kv.get = kv_get;
    node->kv.multi_get = kv_multi_get;
    node->kv.put = kv_put;
    node->kv.compare_and_swap = kv_cas;
    node->kv.txn = kv_txn;
    node->kv.await_commit = kv_await_commit;
    node->services[0] = &node->kv.base;
    pthread_mutex_init(&node->lock, NULL);
    snprintf(node->id, sizeof node->id, "%s", id);
    snprintf(node->address, sizeof node->address, "ipc://%s/%s", f->dir, id);
    node->script_count = 1; /* OK */
    struct rpc_server_options options = {.address = node->address,
                                         .message_bytes = 1u << 16,
                                         .calls = SCRIPTED_CALLS,
                                         .services = node->services,
                                         .service_count = 1,
                                         .bundle = take_bundle,
                                         .closure = node};
    struct candor_error err;
    if (rpc_server_open(&options, &node->server, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

HELPER void close_node(struct node *node)
{
    if (node->server == NULL)
        return;
    struct candor_error error = {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN};
    pthread_mutex_lock(&node->lock);
    node->closing = true;
    pthread_mutex_unlock(&node->lock);
    for (size_t i = 0; i < node->silent_count; i++)
        rpc_call_fail(node->silent[i], &error);
    rpc_server_close(node->server);
    pthread_mutex_destroy(&node->lock);
    node->server = NULL;
}

HELPER int setup(void **state)
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

HELPER int teardown(void **state)
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

HELPER void script(struct node *node, size_t count, const struct reply *replies)
{
    memcpy(node->script, replies, count * sizeof *replies);
    node->script_count = count;
}

#define SCRIPT(node, ...)                                                                          \
    script((node), sizeof((struct reply[]){__VA_ARGS__}) / sizeof(struct reply),                   \
           (struct reply[]){__VA_ARGS__})

/* However slow the machine is: what the test counts begins with a connection. Nodes have no
 * Status. */
HELPER void connect_to(struct candor_client *client, const struct node *node)
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
HELPER struct candor_client *open_client(struct fixture *f, size_t count, bool no_redirect)
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

HELPER enum candor_code put(struct candor_client *client, struct candor_result *result)
{
    return candor_put(client, candor_text("k"), candor_text("v"), NULL, result);
}

HELPER void *put_once(void *client)
{
    struct candor_result result;
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    return NULL;
}

HELPER enum candor_code get(struct candor_client *client, struct candor_result *result)
{
    return candor_get(client, candor_text("k"), NULL, result);
}

HELPER size_t calls_of(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    size_t calls = node->calls;
    pthread_mutex_unlock(&node->lock);
    return calls;
}

#endif
