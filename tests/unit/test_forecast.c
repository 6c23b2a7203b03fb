/* links: core record */
/* Asking what would be answered: of a read for how long, of a write whether it would be taken. What
 * is told is what happens. */
#include "base/rng.h"
#include "core_fixture.h"

/* ---- Reads: over many views ------------------------------------------------------------------ */

enum { VIEWS = 20000, NOW_S = 100000 };

struct drawn {
    struct core_view view;
    struct core_read read;
    uint64_t applied;
    uint64_t now_ns;
};

static bool flip(struct rng *rng)
{
    return rng_below(rng, 2) == 0;
}

/* A moment in the past: now, near the settings, or long ago. */
static uint64_t draw_past_ns(struct rng *rng, uint64_t now_ns)
{
    static const uint64_t spans_ms[] = {1, 50, 500, 3000, 100000};
    return now_ns - rng_below(rng, spans_ms[rng_below(rng, 5)] * NS_PER_MS + 1);
}

static void draw_view(struct rng *rng, struct drawn *drawn)
{
    struct core_view *view = &drawn->view;
    *drawn = (struct drawn){.now_ns = NOW_S * NS_PER_S + rng_below(rng, NS_PER_S)};
    view->self = node_id_of("a");
    view->role = (enum candor_role)(1 + rng_below(rng, 3));
    view->epoch = view->applied_epoch = (struct candor_epoch){1, 2, node_id_of("b")};
    if (flip(rng) || flip(rng))
        view->primary = flip(rng) ? node_id_of("b") : view->self;
    view->attached = flip(rng) || flip(rng);
    view->catching_up = rng_below(rng, 4) == 0;
    view->behind = flip(rng);
    view->forked = rng_below(rng, 8) == 0;
    view->doubtful = rng_below(rng, 8) == 0;
    view->contacted = flip(rng) || flip(rng);
    view->contact_ns = draw_past_ns(rng, drawn->now_ns);
    view->heard = flip(rng) || flip(rng);
    view->heartbeat_ns = draw_past_ns(rng, drawn->now_ns);
    view->proven = flip(rng) || flip(rng);
    view->evidence_ns = draw_past_ns(rng, drawn->now_ns);
    view->applied = drawn->applied = rng_below(rng, 5);
    view->evidence_seq = rng_below(rng, 6);
    view->stale_after_ns = (1 + rng_below(rng, 1000)) * NS_PER_MS;
    view->reject_after_ns = flip(rng) ? 0 : (1 + rng_below(rng, 5000)) * NS_PER_MS;
    view->drift_ppm = rng_below(rng, 1000);
}

static void draw_read(struct rng *rng, struct drawn *drawn)
{
    struct core_read *read = &drawn->read;
    read->level = (enum candor_read_level)rng_below(rng, 5);
    read->max_staleness_ms = rng_below(rng, 2000);
    read->allow_syncing = flip(rng);
    if (flip(rng))
        read->token.pos = (struct candor_pos){drawn->view.applied_epoch, rng_below(rng, 8)};
}

/* What a read is told after so long. */
static struct core_read_decision answered(const struct drawn *drawn, uint64_t ms,
                                          enum candor_state *state)
{
    struct core_freshness fresh;
    core_view_freshness(&drawn->view, drawn->applied, drawn->now_ns + ms * NS_PER_MS, &fresh);
    *state = fresh.state;
    return core_decide_read(&drawn->view, &fresh, &drawn->read);
}

static bool is_told(const struct drawn *drawn, uint64_t ms, enum candor_state state,
                    struct core_read_decision wanted)
{
    enum candor_state then;
    struct core_read_decision decision = answered(drawn, ms, &then);
    return then == state && decision.decision == wanted.decision && decision.code == wanted.code &&
           decision.reason == wanted.reason;
}

static void expect_forecast(struct rng *rng, const struct drawn *drawn, int n)
{
    struct core_forecast told;
    core_forecast_read(&drawn->view, drawn->applied, drawn->now_ns, &drawn->read, &told);
    uint64_t holds_ms = told.ends ? told.holds_ms : UINT64_C(1) << 40;
    bool good = is_told(drawn, 0, told.state, told.decision);
    for (int i = 0; i < 20; i++) /* until then nothing changes */
        good = good && is_told(drawn, rng_below(rng, holds_ms), told.state, told.decision);
    good = good && is_told(drawn, holds_ms - 1, told.state, told.decision);
    if (told.ends)
        good = good && is_told(drawn, holds_ms, told.then_state, told.then) &&
               !is_told(drawn, holds_ms, told.state, told.decision);
    for (int i = 0; told.ends && i < 20; i++) /* and it does not come back by itself */
        good =
            good && !is_told(drawn, holds_ms + rng_below(rng, 1000000), told.state, told.decision);
    if (!good)
        fail_msg("view %d: %s, decision %d, for %" PRIu64 " ms", n, candor_state_name(told.state),
                 (int)told.decision.decision, holds_ms);
}

static void what_a_read_would_be_told_is_what_it_is_told(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 16);
    for (int n = 0; n < VIEWS; n++) {
        struct drawn drawn;
        draw_view(&rng, &drawn);
        draw_read(&rng, &drawn);
        expect_forecast(&rng, &drawn, n);
    }
}

/* ---- Writes: a dry run and the write that follows -------------------------------------------- */

static void expect_dry_run(struct cluster *c, int node, struct candor_token token)
{
    static uint64_t ticket = 1000;
    struct host *host = &c->hosts[node];
    struct core_event event = {.type = CORE_EVENT_WRITE, .ticket = ++ticket};
    event.write.ack = c->ack = CANDOR_ACK_LOCAL;
    event.write.records = 1;
    event.write.token = token;
    event.write.dry_run = true;
    uint64_t last = host->last;
    deliver(c, node, &event);
    pump(c);
    assert_int_equal(host->finished, ticket);
    assert_int_equal(host->last, last);
    enum candor_code code = host->code;
    enum candor_reason reason = host->reason;
    event.ticket = ++ticket;
    event.write.dry_run = false;
    deliver(c, node, &event);
    pump(c);
    assert_int_equal(host->finished, ticket);
    assert_int_equal(host->code, code);
    assert_int_equal(host->reason, reason);
    assert_int_equal(host->last, last + (code == CANDOR_OK));
}

static void what_a_write_would_be_told_is_what_it_is_told(void **state)
{
    (void)state;
    const struct candor_token none = {0};
    struct cluster *c = cluster_new(false);
    expect_dry_run(c, 0, none); /* before the founding */
    run_ms(c, 1500);
    for (int node = 0; node < NODES; node++)
        expect_dry_run(c, node, none);
    c->hosts[0].cut = true;
    expect_dry_run(c, 0, none);
    struct candor_token lost = {.pos = {view_of(c, 0).epoch, view_of(c, 0).last}};
    run_ms(c, 1500);
    promote(c, 1, 20, false);
    run_ms(c, 500);
    expect_dry_run(c, 1, lost);
    assert_int_equal(c->hosts[1].reason, CANDOR_REASON_SESSION_LOST);
    expect_dry_run(c, 0, (struct candor_token){.pos = {view_of(c, 1).epoch, 4}});
    for (int node = 0; node < NODES; node++)
        expect_dry_run(c, node, none);
    for (uint64_t i = 0; i < 1000; i++) /* as many as may be uncommitted */
        write_at(c, 0, 5000 + i, CANDOR_ACK_LOCAL);
    expect_dry_run(c, 0, none);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_OVERLOADED);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_read_would_be_told_is_what_it_is_told),
        cmocka_unit_test(what_a_write_would_be_told_is_what_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
