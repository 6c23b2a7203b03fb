/* links: node client rpc topology log core state record */
/* Reads that ask for several levels (R71): what makes a ladder, who tries which rung when, and what
 * a whole node answers, alone and in a bundle. */
#include "node_fixture.h"

#include "base/rungs.h"
#include "core/ladder.h"

#define LINEARIZABLE(within)                                                                       \
    {                                                                                              \
        .level = CANDOR_READ_LINEARIZABLE, .within_ms = (within)                                   \
    }
#define SESSION(within)                                                                            \
    {                                                                                              \
        .level = CANDOR_READ_SESSION, .within_ms = (within)                                        \
    }
#define BOUNDED(most)                                                                              \
    {                                                                                              \
        .level = CANDOR_READ_BOUNDED, .max_staleness_ms = (most)                                   \
    }
#define EVENTUAL                                                                                   \
    {                                                                                              \
        .level = CANDOR_READ_EVENTUAL                                                              \
    }
#define SYNCING                                                                                    \
    {                                                                                              \
        .level = CANDOR_READ_EVENTUAL, .allow_syncing = true                                       \
    }

/* ---- What makes a ladder --------------------------------------------------------------------- */

static const struct {
    struct candor_rung rungs[LIMIT_READ_RUNGS];
    size_t count;
    size_t at;       /* the rung at fault */
    const char *why; /* what its text begins with; NULL: it is a ladder */
} ladders[] = {
    {{EVENTUAL}, 1, 0, NULL},
    {{LINEARIZABLE(5), BOUNDED(500), EVENTUAL}, 3, 0, NULL},
    {{SESSION(0), BOUNDED(500), BOUNDED(501), EVENTUAL, SYNCING}, 5, 0, NULL},
    {{BOUNDED(500), SESSION(0)}, 2, 0, NULL},
    {{BOUNDED(1), BOUNDED(2), BOUNDED(3), BOUNDED(4), BOUNDED(5), BOUNDED(6), BOUNDED(7), SYNCING},
     8,
     0,
     NULL},
    {{EVENTUAL, LINEARIZABLE(5)}, 2, 1, "promises no less"},
    {{LINEARIZABLE(5), LINEARIZABLE(50)}, 2, 1, "promises no less"},
    {{BOUNDED(500), SESSION(0), BOUNDED(500)}, 3, 2, "promises no less"},
    {{BOUNDED(500), BOUNDED(499)}, 2, 1, "promises no less"},
    {{SESSION(0), SESSION(1)}, 2, 1, "promises no less"},
    {{SYNCING, EVENTUAL}, 2, 1, "promises no less"},
    {{SYNCING, BOUNDED(500)}, 2, 1, "promises no less"},
    {{EVENTUAL, EVENTUAL}, 2, 1, "promises no less"},
    {{LINEARIZABLE(0), {0}}, 2, 1, "level: each"},
    {{{.level = (enum candor_read_level)5}}, 1, 0, "level: unknown"},
    {{{.level = (enum candor_read_level) - 1}}, 1, 0, "level: unknown"},
    {{BOUNDED(0)}, 1, 0, "max_staleness_ms: BOUNDED needs"},
    {{{.level = CANDOR_READ_EVENTUAL, .max_staleness_ms = 1}}, 1, 0, "max_staleness_ms: goes"},
    {{{.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 1, .within_ms = 1}}, 1, 0, "within_ms"},
    {{{.level = CANDOR_READ_SESSION, .allow_syncing = true}}, 1, 0, "allow_syncing"},
};

static void a_ladder_goes_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ladders / sizeof ladders[0]; i++) {
        size_t at = SIZE_MAX;
        const char *why = rungs_problem(ladders[i].rungs, ladders[i].count, &at);
        const char *wanted = ladders[i].why;
        bool same = wanted == NULL ? why == NULL
                                   : why != NULL && at == ladders[i].at &&
                                         strncmp(why, wanted, strlen(wanted)) == 0;
        if (!same)
            fail_msg("ladder %zu: rung %zu: %s", i, at, why != NULL ? why : "nothing wrong");
    }
}

/* ---- Which rung is tried, and for how long --------------------------------------------------- */

static void each_rung_has_its_share_and_what_is_left_goes_to_those_below(void **state)
{
    (void)state;
    static const struct candor_rung rungs[] = {LINEARIZABLE(5), SESSION(0), BOUNDED(500),
                                               LINEARIZABLE(0)};
    struct core_ladder ladder = {.rungs = rungs, .count = 4};
    struct core_miss miss;
    struct core_read read = {.token.pos.seq = 7};
    core_ladder_begin(&ladder, 1000 * NS_PER_MS, 2000 * NS_PER_MS);
    core_ladder_ask(&ladder, &read);
    assert_int_equal(read.level, CANDOR_READ_LINEARIZABLE);
    assert_int_equal(ladder.until_ns, 1005 * NS_PER_MS);
    /* over at once: its share goes to the others */
    assert_true(core_ladder_down(&ladder, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_MAJORITY, NULL,
                                 1002 * NS_PER_MS, &miss));
    assert_int_equal(miss.code, CANDOR_UNAVAILABLE);
    assert_int_equal(miss.waited_ms, 2);
    assert_int_equal(ladder.until_ns, 1002 * NS_PER_MS + 998 * NS_PER_MS / 2); /* half */
    assert_true(core_ladder_down(&ladder, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_SESSION_BEHIND,
                                 NULL, ladder.until_ns, &miss));
    assert_int_equal(miss.code, CANDOR_DEADLINE_EXCEEDED);
    assert_int_equal(miss.reason, CANDOR_REASON_SESSION_BEHIND);
    assert_int_equal(miss.waited_ms, 499);
    core_ladder_ask(&ladder, &read);
    assert_int_equal(read.max_staleness_ms, 500);
    assert_int_equal(read.token.pos.seq, 7);
    struct core_freshness fresh = {.has_bound = true, .bound_ms = 812};
    assert_true(core_ladder_down(&ladder, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_TOO_STALE,
                                 &fresh, 1501 * NS_PER_MS, &miss));
    assert_true(miss.has_bound);
    assert_int_equal(miss.bound_ms, 812);
    assert_int_equal(ladder.until_ns, 2000 * NS_PER_MS); /* the last: all that is left */
    struct core_view view = {0};
    assert_int_equal(core_ladder_met(&ladder, &view), 4);
    assert_false(core_ladder_down(&ladder, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_MAJORITY, NULL,
                                  3000 * NS_PER_MS, &miss));
}

static void no_rung_helps_a_request_that_is_wrong_or_nobodys(void **state)
{
    (void)state;
    static const struct {
        enum candor_code code;
        enum candor_reason reason;
    } final[] = {{CANDOR_INVALID_ARGUMENT, CANDOR_REASON_FOREIGN_CLUSTER},
                 {CANDOR_CANCELLED, CANDOR_REASON_NONE},
                 {CANDOR_UNAVAILABLE, CANDOR_REASON_SHUTTING_DOWN}};
    static const struct candor_rung rungs[] = {SESSION(0), EVENTUAL};
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
        struct core_ladder ladder = {.rungs = rungs, .count = 2};
        struct core_miss miss;
        core_ladder_begin(&ladder, 0, NS_PER_S);
        assert_false(core_ladder_down(&ladder, final[i].code, final[i].reason, NULL, 0, &miss));
    }
}

/* A share is never beyond the deadline, however large. */
static void the_largest_share_ends_with_the_deadline(void **state)
{
    (void)state;
    static const struct candor_rung rungs[] = {LINEARIZABLE(UINT32_MAX), EVENTUAL};
    struct core_ladder ladder = {.rungs = rungs, .count = 2};
    core_ladder_begin(&ladder, NS_PER_S, 2 * NS_PER_S);
    assert_int_equal(ladder.until_ns, 2 * NS_PER_S);
    core_ladder_begin(&ladder, 3 * NS_PER_S, 2 * NS_PER_S); /* late already */
    assert_int_equal(ladder.until_ns, 3 * NS_PER_S);
}

/* ---- At a whole node ------------------------------------------------------------------------- */

static const struct candor_rung usual[] = {LINEARIZABLE(5), BOUNDED(1), EVENTUAL};
static const struct candor_rung patient[] = {LINEARIZABLE(20000), BOUNDED(60000), EVENTUAL};

/* Alone, it goes on as the primary for so long that the test is over. */
#define LEADS_ON "election_timeout: 60s\n"

enum form { GET, MGET, SCAN, FORMS };

static enum candor_code read_in_form(struct candor_client *client, enum form form,
                                     const struct candor_read_options *options,
                                     struct candor_result *result)
{
    struct candor_bytes key = candor_text("k");
    struct candor_range range = {.prefix = key};
    if (form == GET)
        return candor_get(client, key, options, result);
    if (form == MGET)
        return candor_mget(client, &key, 1, options, result);
    return candor_scan(client, &range, options, result);
}

static void read_by(struct candor_client *client, enum form form, const struct candor_rung *rungs,
                    size_t count, struct candor_result *result)
{
    struct candor_read_options options = {.ladder = rungs, .rung_count = count};
    if (read_in_form(client, form, &options, result) != CANDOR_OK)
        fail_msg("form %d: %s", form, result->error.message);
    assert_string_equal(result->violation, "");
}

static bool meets_the_highest(struct candor_client *client)
{
    struct candor_read_options options = {.ladder = patient, .rung_count = 3};
    struct candor_result result;
    bool met = read_in_form(client, GET, &options, &result) == CANDOR_OK && result.rung == 1 &&
               result.missed_count == 0;
    candor_result_free(&result);
    return met;
}

/* In each of the forms. */
static void expect_the_lowest(struct candor_client *client)
{
    for (enum form form = GET; form < FORMS; form++) {
        struct candor_result result;
        read_by(client, form, usual, 3, &result);
        assert_int_equal(result.rung, 3);
        assert_int_equal(result.missed_count, 2);
        assert_int_equal(result.missed[0].code, CANDOR_DEADLINE_EXCEEDED);
        assert_int_equal(result.missed[0].reason, CANDOR_REASON_NO_MAJORITY);
        assert_true(result.missed[0].waited_ms >= 5);
        assert_int_equal(result.missed[1].reason, CANDOR_REASON_TOO_STALE);
        assert_true(!result.missed[1].has_staleness_bound ||
                    result.missed[1].staleness_bound_ms > 1);
        assert_int_equal(result.item_count, 1);
        candor_result_free(&result);
    }
}

static void a_node_goes_down_as_far_as_it_must(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, LEADS_ON);
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(put(a, "k", "v") == CANDOR_OK);
    EVENTUALLY(meets_the_highest(a));
    EVENTUALLY(meets_the_highest(b)); /* by read index */
    stop(cluster, 1);
    stop(cluster, 2);
    EVENTUALLY(freshness_of(a).stale);
    expect_the_lowest(a); /* nobody confirms that it leads */
    candor_client_close(b);
    candor_client_close(a);
    cluster_free(cluster);
}

static void the_session_that_was_lost_is_told_with_what_is_there(void **state)
{
    (void)state;
    static const struct candor_rung rungs[] = {SESSION(0), EVENTUAL};
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(put(a, "k", "v") == CANDOR_OK);
    EVENTUALLY(all_committed(a));
    struct candor_token token;
    candor_client_token(a, &token);
    token.origin ^= 1; /* as of another log that has this epoch */
    struct candor_read_options options = {.ladder = rungs, .rung_count = 2, .token = &token};
    struct candor_result result;
    assert_int_equal(candor_get(a, candor_text("k"), &options, &result), CANDOR_OK);
    assert_int_equal(result.rung, 2);
    assert_int_equal(result.missed[0].code, CANDOR_ABORTED);
    assert_int_equal(result.missed[0].reason, CANDOR_REASON_SESSION_LOST);
    assert_true(result.session_lost);
    candor_result_free(&result);
    token.cluster_id ^= 1; /* no lower level helps */
    assert_int_equal(candor_get(a, candor_text("k"), &options, &result), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(result.error.reason, CANDOR_REASON_FOREIGN_CLUSTER);
    assert_int_equal(result.rung, 0);
    candor_result_free(&result);
    candor_client_close(a);
    cluster_free(cluster);
}

/* ---- Requests as others may send them -------------------------------------------------------- */

static Candor__V1__ReadRung wire_rung(const struct candor_rung *rung)
{
    Candor__V1__ReadRung wire = CANDOR__V1__READ_RUNG__INIT;
    wire.level = (Candor__V1__ReadLevel)rung->level;
    wire.within_ms = rung->within_ms;
    wire.max_staleness_ms = rung->max_staleness_ms;
    return wire;
}

static Candor__V1__ReadOptions wire_options(Candor__V1__ReadRung **list, size_t count)
{
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.ladder = list;
    options.n_ladder = count;
    return options;
}

static Candor__V1__GetRequest wire_get(Candor__V1__ReadOptions *options)
{
    static uint8_t key[] = "k";
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = (ProtobufCBinaryData){.data = key, .len = 1};
    get.options = options;
    return get;
}

static void a_wrong_ladder_is_refused_by_its_rung(void **state)
{
    (void)state;
    static const struct candor_rung up[] = {EVENTUAL, BOUNDED(5)};
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    Candor__V1__ReadRung rungs[] = {wire_rung(&up[0]), wire_rung(&up[1])};
    Candor__V1__ReadRung *many[LIMIT_READ_RUNGS + 1];
    for (size_t i = 0; i <= LIMIT_READ_RUNGS; i++)
        many[i] = &rungs[0];
    Candor__V1__ReadRung *list[] = {&rungs[0], &rungs[1]};
    Candor__V1__ReadOptions goes_up = wire_options(list, 2);
    Candor__V1__ReadOptions two_forms = wire_options(list, 1);
    Candor__V1__ReadOptions too_many = wire_options(many, LIMIT_READ_RUNGS + 1);
    two_forms.level = CANDOR__V1__READ_LEVEL__READ_LEVEL_EVENTUAL;
    Candor__V1__GetRequest gets[] = {wire_get(&goes_up), wire_get(&two_forms), wire_get(&too_many)};
    static const char method[] = "/candor.v1.KV/Get";
    const struct bad_request cases[] = {
        {method, &gets[0].base, CANDOR_INVALID_ARGUMENT, "options.ladder[1]: promises no less"},
        {method, &gets[1].base, CANDOR_INVALID_ARGUMENT, "options.ladder: excludes level"},
        {method, &gets[2].base, CANDOR_RESOURCE_EXHAUSTED, "options.ladder: 9 rungs"},
    };
    expect_refused(cluster, cases, 3);
    cluster_free(cluster);
}

/* Packs one call of a bundle into memory that the caller frees. */
static Candor__V1__RpcRequest bundled_get(Candor__V1__ReadOptions *options)
{
    static char method[] = "/candor.v1.KV/Get";
    Candor__V1__GetRequest get = wire_get(options);
    Candor__V1__RpcRequest call = CANDOR__V1__RPC_REQUEST__INIT;
    call.method = method;
    call.body.len = candor__v1__get_request__get_packed_size(&get);
    call.body.data = malloc(call.body.len + 1);
    candor__v1__get_request__pack(&get, call.body.data);
    return call;
}

static void in_a_bundle_each_reply_names_its_own_rung(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, LEADS_ON);
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(put(a, "k", "v") == CANDOR_OK);
    EVENTUALLY(meets_the_highest(a));
    Candor__V1__ReadRung rungs[] = {wire_rung(&usual[1]), wire_rung(&usual[2])};
    Candor__V1__ReadRung *both[] = {&rungs[0], &rungs[1]};
    Candor__V1__ReadRung *lowest[] = {&rungs[1]};
    stop(cluster, 1);
    stop(cluster, 2);
    EVENTUALLY(freshness_of(a).stale);
    Candor__V1__ReadOptions options[] = {wire_options(both, 2), wire_options(lowest, 1),
                                         CANDOR__V1__READ_OPTIONS__INIT};
    Candor__V1__RpcRequest calls[3];
    Candor__V1__RpcRequest *list[3];
    for (size_t i = 0; i < 3; i++) {
        calls[i] = bundled_get(&options[i]);
        list[i] = &calls[i];
    }
    Candor__V1__BundleRequest request = CANDOR__V1__BUNDLE_REQUEST__INIT;
    request.calls = list;
    request.n_calls = 3;
    struct rpc_exchange exchange = {.deadline_ms = 20000};
    struct candor_error err = {0};
    ProtobufCMessage *message = NULL;
    if (call(cluster, 0, "/candor.v1.Rpc/Bundle", &request.base, &exchange, &message,
             &candor__v1__bundle_response__descriptor, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    const Candor__V1__BundleResponse *response = (const Candor__V1__BundleResponse *)message;
    assert_int_equal(response->n_replies, 3);
    assert_int_equal(response->replies[0]->ladder->met, 2);
    assert_int_equal(response->replies[0]->ladder->n_missed, 1);
    assert_int_equal(response->replies[0]->ladder->missed[0]->reason, CANDOR_REASON_TOO_STALE);
    assert_int_equal(response->replies[1]->ladder->met, 1);
    assert_null(response->replies[2]->ladder);
    protobuf_c_message_free_unpacked(message, NULL);
    for (size_t i = 0; i < 3; i++)
        free(calls[i].body.data);
    candor_client_close(a);
    cluster_free(cluster);
}

int main(void)
{
    logging_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ladder_goes_down),
        cmocka_unit_test(each_rung_has_its_share_and_what_is_left_goes_to_those_below),
        cmocka_unit_test(no_rung_helps_a_request_that_is_wrong_or_nobodys),
        cmocka_unit_test(the_largest_share_ends_with_the_deadline),
        cmocka_unit_test(a_node_goes_down_as_far_as_it_must),
        cmocka_unit_test(the_session_that_was_lost_is_told_with_what_is_there),
        cmocka_unit_test(a_wrong_ladder_is_refused_by_its_rung),
        cmocka_unit_test(in_a_bundle_each_reply_names_its_own_rung),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
