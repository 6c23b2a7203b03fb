/* links: node client rpc topology log core state record */
/* Many calls in one message, at a whole node: each as if it had come alone. */
#include "node_fixture.h"

enum { CALLS_MOST = LIMIT_BUNDLE_CALLS + 1 };

struct pool;
struct job;
bool __real_pool_push(struct pool *pool, struct job *job);
bool __wrap_pool_push(struct pool *pool, struct job *job);

static atomic_uint handed; /* to the readers, or another pool, to be begun there */

bool __wrap_pool_push(struct pool *pool, struct job *job)
{
    atomic_fetch_add(&handed, 1);
    return __real_pool_push(pool, job);
}

/* A bundle in the making, and its answer. */
struct bundle {
    Candor__V1__BundleRequest request;
    Candor__V1__RpcRequest calls[CALLS_MOST];
    Candor__V1__RpcRequest *list[CALLS_MOST];
    Candor__V1__RequestId ids[CALLS_MOST];
    uint8_t *bodies[CALLS_MOST];
    struct candor_error error;
    Candor__V1__RpcReply *envelope;
    Candor__V1__BundleResponse *response;
};

static struct bundle *bundle_new(void)
{
    struct bundle *bundle = calloc(1, sizeof *bundle);
    assert_non_null(bundle);
    candor__v1__bundle_request__init(&bundle->request);
    bundle->request.calls = bundle->list;
    return bundle;
}

static void answer_free(struct bundle *bundle)
{
    if (bundle->response != NULL)
        candor__v1__bundle_response__free_unpacked(bundle->response, NULL);
    if (bundle->envelope != NULL)
        candor__v1__rpc_reply__free_unpacked(bundle->envelope, NULL);
    bundle->response = NULL;
    bundle->envelope = NULL;
}

static void bundle_free(struct bundle *bundle)
{
    answer_free(bundle);
    for (size_t i = 0; i < bundle->request.n_calls; i++)
        free(bundle->bodies[i]);
    free(bundle);
}

/* `method` must stay. */
static Candor__V1__RpcRequest *add(struct bundle *bundle, char *method,
                                   const ProtobufCMessage *request)
{
    size_t i = bundle->request.n_calls++;
    assert_true(i < CALLS_MOST);
    Candor__V1__RpcRequest *call = bundle->list[i] = &bundle->calls[i];
    candor__v1__rpc_request__init(call);
    call->method = method;
    call->body.len = protobuf_c_message_get_packed_size(request);
    call->body.data = bundle->bodies[i] = malloc(call->body.len + 1);
    protobuf_c_message_pack(request, call->body.data);
    return call;
}

static ProtobufCBinaryData binary(const char *text)
{
    union {
        const char *in;
        uint8_t *out;
    } cast = {.in = text};
    return (ProtobufCBinaryData){.data = cast.out, .len = strlen(text)};
}

static Candor__V1__RpcRequest *add_get(struct bundle *bundle, const char *key)
{
    static char method[] = "/candor.v1.KV/Get";
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = binary(key);
    return add(bundle, method, &get.base);
}

static Candor__V1__RpcRequest *add_put(struct bundle *bundle, const char *key,
                                       ProtobufCBinaryData value, Candor__V1__AckLevel ack)
{
    static char method[] = "/candor.v1.KV/Put";
    Candor__V1__PutRequest put = CANDOR__V1__PUT_REQUEST__INIT;
    Candor__V1__WriteOptions options = CANDOR__V1__WRITE_OPTIONS__INIT;
    options.ack = ack;
    put.key = binary(key);
    put.value = value;
    put.options = &options;
    return add(bundle, method, &put.base);
}

static enum candor_code send(struct cluster *cluster, struct bundle *bundle,
                             struct rpc_exchange *exchange)
{
    struct rpc_client *client;
    answer_free(bundle);
    assert_int_equal(
        rpc_client_open(cluster->topology.nodes[0].rpc, 8 << 20, &client, &bundle->error),
        CANDOR_OK);
    size_t length = candor__v1__bundle_request__get_packed_size(&bundle->request);
    uint8_t *body = malloc(length + 1);
    candor__v1__bundle_request__pack(&bundle->request, body);
    uint8_t *bytes = NULL;
    size_t bytes_length = 0;
    enum candor_code code =
        rpc_client_call_wait(client, "/candor.v1.Rpc/Bundle", slice_of(body, length), exchange,
                             &bytes, &bytes_length, &bundle->envelope, &bundle->error);
    if (code == CANDOR_OK)
        bundle->response = candor__v1__bundle_response__unpack(NULL, bytes_length, bytes);
    free(bytes);
    free(body);
    rpc_client_close(client);
    return code;
}

static void must_send(struct cluster *cluster, struct bundle *bundle)
{
    struct rpc_exchange exchange = {.deadline_ms = 10000};
    assert_int_equal(send(cluster, bundle, &exchange), CANDOR_OK);
    assert_int_equal(bundle->response->n_replies, bundle->request.n_calls);
}

static bool shows(const Candor__V1__RpcReply *reply, const char *value)
{
    if (reply->code != CANDOR__V1__CODE__CODE_OK)
        return false;
    Candor__V1__GetResponse *got =
        candor__v1__get_response__unpack(NULL, reply->body.len, reply->body.data);
    assert_non_null(got);
    bool same = value == NULL ? !got->item->found
                              : got->item->found && got->item->value.len == strlen(value) &&
                                    memcmp(got->item->value.data, value, strlen(value)) == 0;
    candor__v1__get_response__free_unpacked(got, NULL);
    return same;
}

static struct cluster *one_node(const char *settings)
{
    struct cluster *cluster = cluster_new(1, 0, settings);
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "known", "before");
    candor_client_close(client);
    return cluster;
}

/* ---- Each as if it had come alone ------------------------------------------------------------ */

static void a_call_that_fails_hurts_no_other(void **state)
{
    (void)state;
    struct cluster *cluster = one_node("");
    struct bundle *bundle = bundle_new();
    static char nowhere[] = "/candor.v1.KV/Nothing";
    static char nested[] = "/candor.v1.Rpc/Bundle";
    Candor__V1__BundleRequest inner = CANDOR__V1__BUNDLE_REQUEST__INIT;
    char long_key[LIMIT_KEY_BYTES + 2];
    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';

    add_get(bundle, "known");
    add_get(bundle, "unknown");
    add(bundle, nowhere, &inner.base);
    add_put(bundle, "new", binary("written"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT);
    add(bundle, nested, &inner.base);
    add_get(bundle, long_key);
    add_get(bundle, "known")->body = binary("\xff\xff\xff");
    add_get(bundle, "known");
    must_send(cluster, bundle);
    Candor__V1__RpcReply **replies = bundle->response->replies;
    assert_true(shows(replies[0], "before"));
    assert_true(shows(replies[1], NULL));
    assert_int_equal(replies[2]->code, CANDOR__V1__CODE__CODE_UNIMPLEMENTED);
    assert_int_equal(replies[3]->code, CANDOR__V1__CODE__CODE_OK);
    assert_int_equal(replies[4]->code, CANDOR__V1__CODE__CODE_INVALID_ARGUMENT);
    assert_int_not_equal(replies[5]->code, CANDOR__V1__CODE__CODE_OK);
    assert_int_equal(replies[6]->reason, CANDOR__V1__REASON__REASON_MALFORMED);
    assert_true(shows(replies[7], "before"));
    bundle_free(bundle);

    struct candor_client *client = client_of(cluster, 0);
    assert_true(has(client, "new", "written"));
    candor_client_close(client);
    cluster_free(cluster);
}

static void reads_that_share_a_view_say_their_freshness_once(void **state)
{
    (void)state;
    struct cluster *cluster = one_node("");
    struct bundle *bundle = bundle_new();
    add_get(bundle, "known");
    add_get(bundle, "unknown");
    must_send(cluster, bundle);
    assert_null(bundle->response->replies[0]->freshness);
    assert_null(bundle->response->replies[1]->freshness);
    const Candor__V1__Freshness *freshness = bundle->envelope->freshness;
    assert_non_null(freshness);
    assert_string_equal(freshness->node, "a");
    assert_true(freshness->token->pos->seq >= 2);
    assert_int_equal(freshness->token->pos->seq, freshness->applied_seq);

    add_put(bundle, "known", binary("after"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT);
    must_send(cluster, bundle);
    const Candor__V1__RpcReply *put = bundle->response->replies[2];
    assert_int_equal(put->code, CANDOR__V1__CODE__CODE_OK);
    assert_non_null(put->freshness); /* a write's position is its own */
    assert_true(put->freshness->token->pos->seq > bundle->envelope->freshness->applied_seq);
    bundle_free(bundle);
    cluster_free(cluster);
}

/* How often what the bundle asks for was handed over before it was begun. */
static unsigned handed_for(struct cluster *cluster, struct bundle *bundle)
{
    unsigned before = atomic_load(&handed);
    must_send(cluster, bundle);
    for (size_t i = 0; i < bundle->request.n_calls; i++)
        assert_int_equal(bundle->response->replies[i]->code, CANDOR__V1__CODE__CODE_OK);
    return atomic_load(&handed) - before;
}

/* As what comes alone is, by the thread that brings it: unless one of them may take long. */
static void a_bundle_of_short_calls_is_begun_at_once(void **state)
{
    (void)state;
    static char get[] = "/candor.v1.KV/Get";
    static char scan[] = "/candor.v1.KV/Scan";
    static char by_the_bundle[] = "";
    Candor__V1__ScanRequest all = CANDOR__V1__SCAN_REQUEST__INIT;
    struct cluster *cluster = one_node("");
    struct bundle *bundle = bundle_new();
    add_get(bundle, "known");
    add_put(bundle, "new", binary("written"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT);
    add_get(bundle, "known")->method = by_the_bundle;
    bundle->request.method = get;
    assert_int_equal(handed_for(cluster, bundle), 0);
    add(bundle, scan, &all.base);
    assert_int_equal(handed_for(cluster, bundle), 1);
    bundle_free(bundle);
    bundle = bundle_new();
    add_get(bundle, "known");
    add(bundle, by_the_bundle, &all.base);
    bundle->request.method = scan;
    assert_int_equal(handed_for(cluster, bundle), 1);
    bundle_free(bundle);
    cluster_free(cluster);
}

static void a_bundle_is_limited(void **state)
{
    (void)state;
    struct cluster *cluster = one_node("");
    struct bundle *bundle = bundle_new();
    struct rpc_exchange exchange = {.deadline_ms = 10000};
    must_send(cluster, bundle); /* of nothing */
    for (int i = 0; i < LIMIT_BUNDLE_CALLS; i++)
        add_get(bundle, "known");
    must_send(cluster, bundle);
    for (int i = 0; i < LIMIT_BUNDLE_CALLS; i++)
        assert_true(shows(bundle->response->replies[i], "before"));
    add_get(bundle, "known");
    assert_int_equal(send(cluster, bundle, &exchange), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(bundle->error.reason, CANDOR_REASON_TOO_LARGE);
    bundle_free(bundle);
    cluster_free(cluster);
}

static void replies_that_do_not_fit_are_asked_for_alone(void **state)
{
    (void)state;
    struct cluster *cluster = one_node("");
    static char value[600 << 10];
    memset(value, 'v', sizeof value);
    ProtobufCBinaryData large = {.data = (uint8_t *)value, .len = sizeof value};
    struct bundle *bundle = bundle_new();
    add_put(bundle, "large", large, CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT);
    must_send(cluster, bundle);
    assert_int_equal(bundle->response->replies[0]->code, CANDOR__V1__CODE__CODE_OK);
    bundle_free(bundle);

    bundle = bundle_new();
    add_get(bundle, "large");
    add_get(bundle, "large");
    add_get(bundle, "known");
    must_send(cluster, bundle);
    assert_int_equal(bundle->response->replies[0]->code, CANDOR__V1__CODE__CODE_OK);
    assert_true(bundle->response->replies[0]->body.len > sizeof value);
    assert_int_equal(bundle->response->replies[1]->reason, CANDOR__V1__REASON__REASON_BUNDLE_FULL);
    assert_true(shows(bundle->response->replies[2], "before"));
    bundle_free(bundle);
    cluster_free(cluster);
}

/* ---- What calls leave out -------------------------------------------------------------------- */

static void what_a_call_leaves_out_is_the_bundles(void **state)
{
    (void)state;
    struct cluster *cluster = one_node("");
    struct bundle *bundle = bundle_new();
    uint8_t client_id[16] = "sixteen bytes id";
    Candor__V1__RequestId id = CANDOR__V1__REQUEST_ID__INIT;
    id.client_id = (ProtobufCBinaryData){.data = client_id, .len = sizeof client_id};
    static char empty[] = "";
    static char put[] = "/candor.v1.KV/Put";
    bundle->request.method = put;
    for (int i = 0; i < 2; i++) { /* the same request, twice: it is executed once */
        Candor__V1__RpcRequest *call =
            add_put(bundle, "twice", binary("v"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT);
        call->method = empty;
        call->request_id = &bundle->ids[i];
        candor__v1__request_id__init(call->request_id);
        call->request_id->number = 1;
    }
    struct rpc_exchange exchange = {.deadline_ms = 10000, .request_id = &id};
    assert_int_equal(send(cluster, bundle, &exchange), CANDOR_OK);
    uint64_t seqs[2];
    bool replayed = false;
    for (int i = 0; i < 2; i++) {
        const Candor__V1__RpcReply *reply = bundle->response->replies[i];
        assert_int_equal(reply->code, CANDOR__V1__CODE__CODE_OK);
        Candor__V1__PutResponse *response =
            candor__v1__put_response__unpack(NULL, reply->body.len, reply->body.data);
        seqs[i] = response->pos->seq;
        replayed = replayed || response->replayed;
        candor__v1__put_response__free_unpacked(response, NULL);
    }
    assert_true(replayed);
    assert_int_equal(seqs[0], seqs[1]);
    bundle_free(bundle);
    cluster_free(cluster);
}

static void a_session_read_takes_the_bundles_token(void **state)
{
    (void)state;
    struct cluster *cluster = one_node("");
    struct bundle *bundle = bundle_new();
    static char method[] = "/candor.v1.KV/Get";
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    Candor__V1__SessionToken token = CANDOR__V1__SESSION_TOKEN__INIT;
    Candor__V1__Pos pos = CANDOR__V1__POS__INIT;
    options.level = CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION;
    get.key = binary("known");
    get.options = &options;
    add(bundle, method, &get.base);
    token.cluster_id = 4711; /* of another cluster */
    token.pos = &pos;
    bundle->request.token = &token;
    must_send(cluster, bundle);
    assert_int_equal(bundle->response->replies[0]->reason,
                     CANDOR__V1__REASON__REASON_FOREIGN_CLUSTER);
    bundle->request.token = NULL;
    must_send(cluster, bundle);
    assert_true(shows(bundle->response->replies[0], "before"));
    bundle_free(bundle);
    cluster_free(cluster);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* One of three voters is there: nothing is committed. */
static void each_call_has_its_own_deadline(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "known", "before");
    uint64_t until_ns = clock_boot_ns() + DEADLINE_NS;
    while (!all_committed(client) && clock_boot_ns() < until_ns)
        usleep(1000);
    candor_client_close(client);
    stop(cluster, 1);
    stop(cluster, 2);
    struct bundle *bundle = bundle_new();
    add_get(bundle, "known");
    add_put(bundle, "waits", binary("v"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY)->deadline_ms =
        400;
    add_put(bundle, "waits not", binary("v"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_LOCAL);
    must_send(cluster, bundle);
    assert_true(shows(bundle->response->replies[0], "before"));
    assert_int_not_equal(bundle->response->replies[1]->code, CANDOR__V1__CODE__CODE_OK);
    assert_int_equal(bundle->response->replies[1]->reason,
                     CANDOR__V1__REASON__REASON_OUTCOME_UNKNOWN);
    assert_int_equal(bundle->response->replies[2]->code, CANDOR__V1__CODE__CODE_OK);
    bundle_free(bundle);
    cluster_free(cluster);
}

static void cancelled(struct slice response, struct rpc_exchange *exchange)
{
    (void)response;
    assert_int_equal(exchange->error.code, CANDOR_CANCELLED);
}

/* Waits until so many calls are under way, those of bundles counted one by one. */
static void await_calls(struct cluster *cluster, uint32_t count)
{
    uint64_t until_ns = clock_boot_ns() + DEADLINE_NS;
    struct rpc_server_stats now = {0};
    do {
        usleep(1000);
        rpc_server_stats(cluster->nodes[0]->front, &now);
    } while (now.calls != count && clock_boot_ns() < until_ns);
    assert_int_equal(now.calls, count);
}

/* Each of its calls learns that nobody waits any more. */
static void a_caller_that_leaves_takes_its_bundle_along(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "known", "before");
    candor_client_close(client);
    stop(cluster, 1);
    stop(cluster, 2);
    struct bundle *bundle = bundle_new();
    for (int i = 0; i < 50; i++)
        add_put(bundle, "waits", binary("v"), CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY);
    uint8_t body[8192];
    size_t length = candor__v1__bundle_request__pack(&bundle->request, body);
    assert_true(length <= sizeof body);
    struct rpc_exchange exchange = {.deadline_ms = 600000};
    struct rpc_client *rpc;
    struct candor_error err;
    assert_int_equal(rpc_client_open(cluster->topology.nodes[0].rpc, 8 << 20, &rpc, &err),
                     CANDOR_OK);
    rpc_client_call(rpc, "/candor.v1.Rpc/Bundle", slice_of(body, length), cancelled, &exchange);
    await_calls(cluster, 51);
    rpc_client_close(rpc);
    await_calls(cluster, 0);
    bundle_free(bundle);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_hurts_no_other),
        cmocka_unit_test(reads_that_share_a_view_say_their_freshness_once),
        cmocka_unit_test(a_bundle_of_short_calls_is_begun_at_once),
        cmocka_unit_test(a_bundle_is_limited),
        cmocka_unit_test(replies_that_do_not_fit_are_asked_for_alone),
        cmocka_unit_test(what_a_call_leaves_out_is_the_bundles),
        cmocka_unit_test(a_session_read_takes_the_bundles_token),
        cmocka_unit_test(each_call_has_its_own_deadline),
        cmocka_unit_test(a_caller_that_leaves_takes_its_bundle_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
