/* links: node client rpc topology log core state record */
/* Watches, at whole nodes. */
#include "node_fixture.h"

#include "node/serve/watchers.h"

/* An answer: the bytes of a response are unpacked, also beside an error. */
struct answer {
    enum candor_code code;
    enum candor_reason reason;
    Candor__V1__WatchResponse *response; /* NULL: none */
    Candor__V1__RpcReply *envelope;
};

static void answer_free(struct answer *answer)
{
    if (answer->response != NULL)
        candor__v1__watch_response__free_unpacked(answer->response, NULL);
    if (answer->envelope != NULL)
        candor__v1__rpc_reply__free_unpacked(answer->envelope, NULL);
    *answer = (struct answer){0};
}

static struct answer watch_at(struct cluster *cluster, uint32_t node,
                              const Candor__V1__WatchRequest *request)
{
    struct answer answer = {0};
    struct rpc_client *client;
    struct rpc_exchange exchange = {.deadline_ms = 60000};
    struct candor_error err = {0};
    uint8_t body[4096];
    uint8_t *bytes = NULL;
    size_t length = 0;
    assert_int_equal(rpc_client_open(cluster->topology.nodes[node].rpc, 8 << 20, &client, &err),
                     CANDOR_OK);
    struct slice packed = slice_of(body, candor__v1__watch_request__pack(request, body));
    answer.code = rpc_client_call_wait(client, "/candor.v1.KV/Watch", packed, &exchange, &bytes,
                                       &length, &answer.envelope, &err);
    answer.reason = err.reason;
    if (bytes != NULL)
        answer.response = candor__v1__watch_response__unpack(NULL, length, bytes);
    free(bytes);
    rpc_client_close(client);
    return answer;
}

static struct answer must_watch(struct cluster *cluster, uint32_t node,
                                const Candor__V1__WatchRequest *request)
{
    struct answer answer = watch_at(cluster, node, request);
    if (answer.code != CANDOR_OK || answer.response == NULL)
        fail_msg("watch: %s %s: %s", candor_code_name(answer.code),
                 candor_reason_name(answer.reason),
                 answer.envelope != NULL ? answer.envelope->message : "");
    return answer;
}

static ProtobufCBinaryData binary(const char *text)
{
    union {
        const char *in;
        uint8_t *out;
    } cast = {.in = text};
    return (ProtobufCBinaryData){.data = cast.out, .len = strlen(text)};
}

/* A watch over many answers: what it was told, one word an event. */
struct story {
    Candor__V1__WatchRequest request;
    struct answer newest; /* the cursor points into it */
    char text[4096];
};

static void story_begin(struct story *story)
{
    memset(story, 0, sizeof *story);
    candor__v1__watch_request__init(&story->request);
    story->request.wait_ms = 30000;
}

static void story_end(struct story *story)
{
    answer_free(&story->newest);
}

__attribute__((format(printf, 2, 3))) static void say(struct story *story, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = strlen(story->text);
    vsnprintf(story->text + used, sizeof story->text - used, format, args);
    va_end(args);
}

static void tell_record(struct story *story, const Candor__V1__WatchRecord *record)
{
    for (size_t i = 0; i < record->n_events; i++) {
        const Candor__V1__WatchEvent *event = record->events[i];
        bool put = event->type == CANDOR__V1__WATCH_EVENT_TYPE__WATCH_EVENT_TYPE_PUT;
        say(story, "%s%.*s%s%.*s", i > 0 ? "+" : "", (int)event->key.len,
            (const char *)event->key.data, put ? "=" : "-", (int)event->value.len,
            (const char *)event->value.data);
    }
    say(story, " ");
}

static void tell(struct story *story, const Candor__V1__WatchResponse *response)
{
    for (size_t i = 0; i < response->n_records; i++)
        tell_record(story, response->records[i]);
    for (size_t i = 0; i < response->n_state; i++) {
        const Candor__V1__KeyValue *item = response->state[i];
        say(story, "(%.*s=%.*s) ", (int)item->key.len, (const char *)item->key.data,
            (int)item->value.len, (const char *)item->value.data);
    }
}

/* One more answer; the next request goes on from it. */
static void go_on(struct story *story, struct cluster *cluster, uint32_t node)
{
    struct answer answer = must_watch(cluster, node, &story->request);
    tell(story, answer.response);
    answer_free(&story->newest);
    story->newest = answer;
    story->request.from = answer.response->next;
    story->request.since_seq = 0;
    story->request.with_state = false;
    assert_non_null(story->request.from);
}

static void expect(struct story *story, const char *text)
{
    assert_string_equal(story->text, text);
    story->text[0] = '\0';
}

static void must_delete(struct candor_client *client, const char *key)
{
    struct candor_result result;
    assert_int_equal(candor_delete(client, candor_text(key), NULL, &result), CANDOR_OK);
    candor_result_free(&result);
}

static struct cluster *one_node(struct candor_client **client)
{
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    *client = client_of(cluster, 0);
    EVENTUALLY(put(*client, "first", "0") == CANDOR_OK);
    return cluster;
}

static void end(struct cluster *cluster, struct candor_client *client)
{
    candor_client_close(client);
    cluster_free(cluster);
}

/* ---- What is told ---------------------------------------------------------------------------- */

static void from_now_on_in_the_order_of_the_log(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    struct story story;
    story_begin(&story);
    go_on(&story, cluster, 0);
    expect(&story, "");
    must_put(client, "a", "1");
    must_put(client, "b", "2");
    must_delete(client, "a");
    while (strlen(story.text) < strlen("a=1 b=2 a- "))
        go_on(&story, cluster, 0);
    expect(&story, "a=1 b=2 a- ");
    story_end(&story);
    end(cluster, client);
}

static void what_was_before_from_a_seq_on(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    struct story story;
    story_begin(&story);
    must_put(client, "a", "1");
    uint64_t seq = put_pos.seq;
    must_put(client, "b", "2");
    story.request.since_seq = 1;
    go_on(&story, cluster, 0);
    expect(&story, "first=0 a=1 b=2 ");
    story.request.from = NULL;
    story.request.since_seq = seq + 1;
    go_on(&story, cluster, 0);
    expect(&story, "b=2 ");
    story.request.from = NULL;
    story.request.since_seq = seq + 100;
    struct answer answer = watch_at(cluster, 0, &story.request);
    assert_int_equal(answer.code, CANDOR_OUT_OF_RANGE);
    assert_int_equal(answer.reason, CANDOR_REASON_NONE);
    answer_free(&answer);
    story_end(&story);
    end(cluster, client);
}

static void only_what_is_in_the_range(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    const char *keys[] = {"a", "a1", "a2", "b", "b1", "c"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        must_put(client, keys[i], "x");
    must_delete(client, "a1");
    must_delete(client, "c");
    struct {
        const char *key, *prefix, *start, *end;
        bool no_puts, no_deletes;
        const char *told;
    } cases[] = {
        {.key = "a", .told = "a=x "},
        {.prefix = "a", .told = "a=x a1=x a2=x a1- "},
        {.start = "a2", .end = "b1", .told = "a2=x b=x "},
        {.start = "b1", .told = "first=0 b1=x c=x c- "},
        {.end = "a2", .told = "a=x a1=x a1- "},
        {.prefix = "a", .no_puts = true, .told = "a1- "},
        {.prefix = "a", .no_deletes = true, .told = "a=x a1=x a2=x "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story story;
        story_begin(&story);
        story.request.since_seq = 1;
        if (cases[i].key != NULL)
            story.request.key = binary(cases[i].key);
        if (cases[i].prefix != NULL)
            story.request.prefix = binary(cases[i].prefix);
        if (cases[i].start != NULL)
            story.request.start = binary(cases[i].start);
        if (cases[i].end != NULL)
            story.request.end = binary(cases[i].end);
        story.request.no_puts = cases[i].no_puts;
        story.request.no_deletes = cases[i].no_deletes;
        go_on(&story, cluster, 0);
        expect(&story, cases[i].told);
        story_end(&story);
    }
    end(cluster, client);
}

static void a_txn_is_told_as_a_whole_whatever_the_limit(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    struct story story;
    story_begin(&story);
    go_on(&story, cluster, 0);
    struct candor_txn_op ops[10];
    char keys[9][3];
    for (int i = 0; i < 9; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        ops[i] = (struct candor_txn_op){
            .kind = CANDOR_TXN_PUT, .key = candor_text(keys[i]), .value = candor_text("v")};
    }
    ops[9] = (struct candor_txn_op){.kind = CANDOR_TXN_DELETE, .key = candor_text("first")};
    struct candor_txn txn = {.then_ops = ops, .then_count = 10};
    struct candor_result result;
    assert_int_equal(candor_txn(client, &txn, NULL, &result), CANDOR_OK);
    candor_result_free(&result);
    must_put(client, "later", "1");
    story.request.limit = 1;
    go_on(&story, cluster, 0);
    expect(&story, "k0=v+k1=v+k2=v+k3=v+k4=v+k5=v+k6=v+k7=v+k8=v+first- ");
    go_on(&story, cluster, 0);
    expect(&story, "later=1 ");
    story_end(&story);
    end(cluster, client);
}

/* Page by page: what changes meanwhile among the keys that were told comes between, and what
 * changes beyond them comes as it is when it is told. Nothing is missing, and nothing comes
 * twice. */
static void the_present_state_first(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    must_delete(client, "first");
    must_put(client, "a", "1");
    must_put(client, "b", "1");
    must_put(client, "c", "1");
    must_put(client, "d", "1");
    struct story story;
    story_begin(&story);
    story.request.with_state = true;
    story.request.limit = 2;
    go_on(&story, cluster, 0);
    expect(&story, "(a=1) (b=1) ");
    must_put(client, "a", "2");
    must_put(client, "d", "2");
    must_delete(client, "c");
    story.request.limit = 3;
    go_on(&story, cluster, 0);
    expect(&story, "a=2 (d=2) ");
    must_put(client, "d", "3");
    go_on(&story, cluster, 0);
    expect(&story, "d=3 ");
    assert_false(story.request.from->in_state);
    story_end(&story);
    end(cluster, client);
}

static void nothing_happens_and_the_cursor_moves_on(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    struct story story;
    story_begin(&story);
    story.request.prefix = binary("quiet");
    go_on(&story, cluster, 0);
    uint64_t before = story.request.from->token->pos->seq;
    must_put(client, "loud", "1");
    story.request.wait_ms = 50;
    go_on(&story, cluster, 0);
    expect(&story, "");
    assert_int_equal(story.request.from->token->pos->seq, before + 1);
    assert_non_null(story.newest.envelope->freshness);
    assert_false(story.newest.envelope->freshness->stale);
    story_end(&story);
    end(cluster, client);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* One that waits, in a thread. */
struct waiting {
    struct cluster *cluster;
    struct story story;
    pthread_t thread;
};

static void *wait_for_it(void *closure)
{
    struct waiting *waiting = closure;
    go_on(&waiting->story, waiting->cluster, 0);
    return NULL;
}

static void those_are_woken_whom_it_concerns(void **state)
{
    (void)state;
    enum { WATCHES = 40 };
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    static struct waiting waiting[WATCHES];
    static char prefixes[WATCHES][8];
    for (size_t i = 0; i < WATCHES; i++) {
        waiting[i].cluster = cluster;
        story_begin(&waiting[i].story);
        snprintf(prefixes[i], sizeof prefixes[i], "w%02zu", i);
        waiting[i].story.request.prefix = binary(prefixes[i]);
        go_on(&waiting[i].story, cluster, 0);
        assert_int_equal(pthread_create(&waiting[i].thread, NULL, wait_for_it, &waiting[i]), 0);
    }
    EVENTUALLY(watchers_count(cluster->nodes[0]) == WATCHES);
    for (size_t i = 0; i < WATCHES; i++) {
        char key[16];
        snprintf(key, sizeof key, "w%02zux", i);
        must_put(client, key, "1");
        pthread_join(waiting[i].thread, NULL);
        char told[24];
        snprintf(told, sizeof told, "%s=1 ", key);
        expect(&waiting[i].story, told);
        assert_int_equal(watchers_count(cluster->nodes[0]), WATCHES - 1 - i);
        story_end(&waiting[i].story);
    }
    end(cluster, client);
}

static void ignore(const Candor__V1__WatchResponse *response, void *closure)
{
    (void)response;
    atomic_int *ended = ((struct rpc_exchange *)closure)->closure_data;
    atomic_fetch_add(ended, 1);
}

static void who_is_gone_waits_no_longer(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    struct rpc_client *rpc;
    struct candor_error err;
    atomic_int ended = 0;
    assert_int_equal(rpc_client_open(cluster->topology.nodes[0].rpc, 8 << 20, &rpc, &err),
                     CANDOR_OK);
    ProtobufCService *kv = rpc_client_service(rpc, &candor__v1__kv__descriptor);
    Candor__V1__WatchRequest request = CANDOR__V1__WATCH_REQUEST__INIT;
    struct answer begun = must_watch(cluster, 0, &request);
    request.from = begun.response->next;
    request.wait_ms = 600000;
    struct rpc_exchange exchange = {.deadline_ms = 600000, .closure_data = &ended};
    candor__v1__kv__watch(kv, &request, ignore, &exchange);
    EVENTUALLY(watchers_count(cluster->nodes[0]) == 1);
    rpc_client_close(rpc);
    assert_int_equal(ended, 1);
    EVENTUALLY(watchers_count(cluster->nodes[0]) == 0);
    answer_free(&begun);
    end(cluster, client);
}

static void a_node_that_stops_answers_all(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    struct rpc_client *rpc;
    struct candor_error err;
    atomic_int ended = 0;
    assert_int_equal(rpc_client_open(cluster->topology.nodes[0].rpc, 8 << 20, &rpc, &err),
                     CANDOR_OK);
    ProtobufCService *kv = rpc_client_service(rpc, &candor__v1__kv__descriptor);
    Candor__V1__WatchRequest request = CANDOR__V1__WATCH_REQUEST__INIT;
    struct answer begun = must_watch(cluster, 0, &request);
    request.from = begun.response->next;
    request.wait_ms = 600000;
    enum { WATCHES = 100 };
    static struct rpc_exchange exchanges[WATCHES];
    for (size_t i = 0; i < WATCHES; i++) {
        exchanges[i] = (struct rpc_exchange){.deadline_ms = 600000, .closure_data = &ended};
        candor__v1__kv__watch(kv, &request, ignore, &exchanges[i]);
    }
    EVENTUALLY(watchers_count(cluster->nodes[0]) == WATCHES);
    stop(cluster, 0);
    EVENTUALLY(ended == WATCHES);
    rpc_client_close(rpc);
    answer_free(&begun);
    end(cluster, client);
}

/* ---- More nodes ------------------------------------------------------------------------------ */

static void goes_on_at_another_node(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(put(a, "k", "0") == CANDOR_OK);
    struct candor_client *b = client_of(cluster, 1);
    struct candor_client *c = client_of(cluster, 2);
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH && state_of(c) == CANDOR_STATE_FRESH);
    EVENTUALLY(all_committed(a));
    struct story story;
    story_begin(&story);
    go_on(&story, cluster, 0);
    char told[1024] = "";
    for (uint32_t i = 1; i < 30; i++) {
        char value[8];
        snprintf(value, sizeof value, "%u", i);
        must_put(a, "k", value);
        snprintf(told + strlen(told), sizeof told - strlen(told), "k=%s ", value);
        while (strlen(story.text) < strlen(told))
            go_on(&story, cluster, i % 3);
    }
    expect(&story, told);
    story_end(&story);
    candor_client_close(a);
    candor_client_close(b);
    candor_client_close(c);
    cluster_free(cluster);
}

/* Of two voters one is gone: nothing is committed. */
static void what_is_not_committed_is_not_told(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(2, 0, "election_timeout: 30s\n");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(put(a, "k", "0") == CANDOR_OK);
    EVENTUALLY(all_committed(a));
    struct story all;
    struct story committed;
    struct story with_state;
    story_begin(&all);
    story_begin(&committed);
    story_begin(&with_state);
    all.request.uncommitted = true;
    go_on(&all, cluster, 0);
    go_on(&committed, cluster, 0);
    stop(cluster, 1);
    must_put(a, "k", "1");
    committed.request.wait_ms = 200;
    go_on(&committed, cluster, 0);
    expect(&committed, "");
    go_on(&all, cluster, 0);
    expect(&all, "k=1 ");
    with_state.request.with_state = true;
    with_state.request.uncommitted = true;
    go_on(&with_state, cluster, 0);
    expect(&with_state, "(k=1) ");
    start(cluster, 1);
    committed.request.wait_ms = 30000;
    while (committed.text[0] == '\0')
        go_on(&committed, cluster, 0);
    expect(&committed, "k=1 ");
    story_end(&all);
    story_end(&committed);
    story_end(&with_state);
    candor_client_close(a);
    cluster_free(cluster);
}

/* a writes what only it has, and is gone; b leads; a comes back, archives it, and its watcher is
 * told. */
static void what_is_rolled_back_is_taken_back(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    struct candor_client *c = client_of(cluster, 2);
    EVENTUALLY(put(a, "k", "0") == CANDOR_OK);
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH && state_of(c) == CANDOR_STATE_FRESH);
    EVENTUALLY(all_committed(b) && all_committed(c));
    struct story story;
    story_begin(&story);
    story.request.uncommitted = true;
    go_on(&story, cluster, 0);
    uint64_t common = story.request.from->token->pos->seq;
    stop(cluster, 1);
    stop(cluster, 2);
    EVENTUALLY(put(a, "k", "lost") == CANDOR_OK);
    must_put(a, "other", "lost");
    while (strlen(story.text) < strlen("k=lost other=lost "))
        go_on(&story, cluster, 0);
    expect(&story, "k=lost other=lost ");
    stop(cluster, 0);
    start(cluster, 1);
    start(cluster, 2);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(put(b, "k", "kept") == CANDOR_OK);
    start(cluster, 0);
    EVENTUALLY(state_of(a) == CANDOR_STATE_FRESH);
    story.request.key = binary("k");
    struct answer answer = watch_at(cluster, 0, &story.request);
    assert_int_equal(answer.code, CANDOR_ABORTED);
    assert_int_equal(answer.reason, CANDOR_REASON_ROLLED_BACK);
    assert_non_null(answer.response);
    const Candor__V1__WatchRollback *rollback = answer.response->rolled_back;
    assert_non_null(rollback);
    assert_int_equal(rollback->from_seq, common + 1);
    assert_int_not_equal(strlen(rollback->archive_id), 0);
    assert_int_equal(rollback->n_records, 1);
    tell_record(&story, rollback->records[0]);
    expect(&story, "k=lost ");
    /* The way on, also at another node. */
    for (uint32_t i = 0; i < 3; i++) {
        struct story next;
        story_begin(&next);
        next.request.key = story.request.key;
        next.request.from = answer.response->next;
        go_on(&next, cluster, i);
        expect(&next, "k=kept ");
        story_end(&next);
    }
    /* b has no archive of it: it says the same otherwise. */
    struct answer elsewhere = watch_at(cluster, 1, &story.request);
    assert_int_equal(elsewhere.reason, CANDOR_REASON_ROLLED_BACK);
    assert_int_equal(elsewhere.response->rolled_back->from_seq, common + 1);
    assert_int_equal(elsewhere.response->rolled_back->n_records, 0);
    answer_free(&elsewhere);
    answer_free(&answer);
    story_end(&story);
    candor_client_close(a);
    candor_client_close(b);
    candor_client_close(c);
    cluster_free(cluster);
}

/* ---- Refused --------------------------------------------------------------------------------- */

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    struct candor_client *client;
    struct cluster *cluster = one_node(&client);
    Candor__V1__WatchCursor cursor = CANDOR__V1__WATCH_CURSOR__INIT;
    Candor__V1__WatchRequest two = CANDOR__V1__WATCH_REQUEST__INIT;
    two.key = binary("a");
    two.prefix = binary("b");
    Candor__V1__WatchRequest both = CANDOR__V1__WATCH_REQUEST__INIT;
    both.from = &cursor;
    both.with_state = true;
    Candor__V1__WatchRequest nothing = CANDOR__V1__WATCH_REQUEST__INIT;
    nothing.no_puts = nothing.no_deletes = true;
    Candor__V1__WatchRequest twice = CANDOR__V1__WATCH_REQUEST__INIT;
    twice.since_seq = 1;
    twice.with_state = true;
    static char long_key[LIMIT_KEY_BYTES + 2];
    memset(long_key, 'x', LIMIT_KEY_BYTES + 1);
    Candor__V1__WatchRequest large = CANDOR__V1__WATCH_REQUEST__INIT;
    large.prefix = binary(long_key);
    Candor__V1__SessionToken token = CANDOR__V1__SESSION_TOKEN__INIT;
    Candor__V1__WatchRequest foreign = CANDOR__V1__WATCH_REQUEST__INIT;
    Candor__V1__Pos pos = CANDOR__V1__POS__INIT;
    Candor__V1__WatchCursor elsewhere = CANDOR__V1__WATCH_CURSOR__INIT;
    token.cluster_id = 4711;
    token.pos = &pos;
    elsewhere.token = &token;
    foreign.from = &elsewhere;
    const struct bad_request cases[] = {
        {"/candor.v1.KV/Watch", &two.base, CANDOR_INVALID_ARGUMENT, "key, prefix"},
        {"/candor.v1.KV/Watch", &both.base, CANDOR_INVALID_ARGUMENT, "from"},
        {"/candor.v1.KV/Watch", &nothing.base, CANDOR_INVALID_ARGUMENT, "no_puts"},
        {"/candor.v1.KV/Watch", &twice.base, CANDOR_INVALID_ARGUMENT, "since_seq"},
        {"/candor.v1.KV/Watch", &large.base, CANDOR_RESOURCE_EXHAUSTED, "prefix"},
        {"/candor.v1.KV/Watch", &foreign.base, CANDOR_INVALID_ARGUMENT, "token"},
    };
    expect_refused(cluster, cases, sizeof cases / sizeof cases[0]);
    end(cluster, client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_now_on_in_the_order_of_the_log),
        cmocka_unit_test(what_was_before_from_a_seq_on),
        cmocka_unit_test(only_what_is_in_the_range),
        cmocka_unit_test(a_txn_is_told_as_a_whole_whatever_the_limit),
        cmocka_unit_test(the_present_state_first),
        cmocka_unit_test(nothing_happens_and_the_cursor_moves_on),
        cmocka_unit_test(those_are_woken_whom_it_concerns),
        cmocka_unit_test(who_is_gone_waits_no_longer),
        cmocka_unit_test(a_node_that_stops_answers_all),
        cmocka_unit_test(goes_on_at_another_node),
        cmocka_unit_test(what_is_not_committed_is_not_told),
        cmocka_unit_test(what_is_rolled_back_is_taken_back),
        cmocka_unit_test(what_cannot_be_watched_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
