/* links: core record */
/* One lost link between a replica and its primary, and another node between them (R72-R75). */
#include "core_fixture.h"

enum { A, B, C };

static struct cluster *led_by_a(void)
{
    struct cluster *c = cluster_new(true);
    run_ms(c, 2000);
    assert_int_equal(primary_of(c), A);
    return c;
}

static const char *relay_of(struct cluster *c, int node)
{
    static struct candor_node_id relay;
    relay = view_of(c, node).relay;
    return relay.text;
}

/* Every 10 ms, with a write of every 50. */
static void assert_fresh(struct cluster *c, int node, uint64_t ms)
{
    static uint64_t ticket = 1000;
    for (uint64_t i = 0; i < ms; i += 10) {
        run_ms(c, 10);
        if (i % 50 == 0)
            write_at(c, A, ++ticket, CANDOR_ACK_MAJORITY);
        struct core_freshness fresh = fresh_of(c, node);
        assert_int_equal(fresh.state, CANDOR_STATE_FRESH);
        assert_int_equal(fresh.cut_off, CANDOR_CUT_OFF_NO);
        assert_in_range(fresh.bound_ms, 1, 500);
    }
}

static void a_lost_link_costs_nobody_fresh(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    uint64_t term = view_of(c, A).epoch.term;
    cut_link(c, A, C, true);
    assert_fresh(c, C, 5000);
    assert_string_equal(relay_of(c, C), "b");
    assert_fresh(c, B, 500);
    assert_fresh(c, A, 500);
    assert_int_equal(view_of(c, A).epoch.term, term);
    cut_link(c, A, C, false);
    run_ms(c, 500);
    assert_string_equal(relay_of(c, C), "");
    assert_fresh(c, C, 1000);
    cluster_free(c);
}

/* The primary does not hear the replica, or the replica not the primary. */
static void one_way_is_bridged_too(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct cluster *c = led_by_a();
        c->link_cut[way == 0 ? A : C][way == 0 ? C : A] = true;
        assert_fresh(c, C, 3000);
        assert_string_equal(relay_of(c, C), "b");
        c->link_cut[way == 0 ? A : C][way == 0 ? C : A] = false;
        run_ms(c, 500);
        assert_string_equal(relay_of(c, C), "");
        cluster_free(c);
    }
}

/* R73: what it holds the primary does not count, though it holds it. */
static void what_is_relayed_counts_for_no_majority(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    write_at(c, A, 1, CANDOR_ACK_MAJORITY);
    run_ms(c, 500);
    uint64_t match = view_of(c, A).peers[1].match;
    cut_link(c, A, C, true);
    assert_fresh(c, C, 2000);
    assert_true(view_of(c, C).durable > match);
    assert_int_equal(view_of(c, A).peers[1].match, match);
    cluster_free(c);
}

/* While a relay passes heartbeats on, and after it no longer does. */
static void nobody_stands_beside_a_relayed_primary(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    uint64_t term = view_of(c, A).epoch.term;
    cut_link(c, A, C, true);
    run_ms(c, 10000);
    assert_int_equal(view_of(c, C).epoch.term, term);
    c->hosts[A].cut = true;
    run_ms(c, 4000);
    int led = primary_besides(c, A);
    assert_true(view_of(c, led).epoch.term > term);
    cluster_free(c);
}

static void a_start_behind_a_lost_link_attaches_through_the_relay(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    write_at(c, A, 1, CANDOR_ACK_ALL);
    cut_link(c, A, C, true);
    c->hosts[C].cut = true;
    write_at(c, A, 2, CANDOR_ACK_MAJORITY);
    core_free(c->hosts[C].core);
    reload(&c->hosts[C]);
    start(c, C, true);
    c->hosts[C].cut = false;
    run_ms(c, 2500);
    assert_fresh(c, C, 1000);
    assert_string_equal(relay_of(c, C), "b");
    cluster_free(c);
}

/* A relay that holds less than who asks cannot say what of it the primary lacks (R75). */
static void a_relay_that_lags_tells_nobody_to_go_back(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    c->hosts[B].frozen = true;
    write_at(c, A, 1, CANDOR_ACK_MAJORITY); /* a and c hold it */
    uint64_t held = view_of(c, C).durable;
    assert_true(held > view_of(c, B).durable);
    cut_link(c, A, C, true);
    core_free(c->hosts[C].core);
    reload(&c->hosts[C]);
    start(c, C, true);
    run_ms(c, 900);
    assert_string_equal(relay_of(c, C), "b");
    assert_int_equal(view_of(c, C).durable, held);
    assert_false(view_of(c, C).attached);
    c->hosts[B].frozen = false;
    release(c);
    run_ms(c, 1500);
    assert_int_equal(fresh_of(c, C).state, CANDOR_STATE_FRESH);
    assert_int_equal(view_of(c, C).durable, held);
    cluster_free(c);
}

static struct core_read_decision linearizable_at(struct cluster *c, int node)
{
    struct core_view view = view_of(c, node);
    struct core_freshness fresh = fresh_of(c, node);
    struct core_read read = {.level = CANDOR_READ_LINEARIZABLE};
    return core_decide_read(&view, &fresh, &read);
}

/* Its call would not come through. */
static void a_linearizable_read_is_redirected(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    cut_link(c, A, C, true);
    run_ms(c, 1000);
    struct core_read_decision decision = linearizable_at(c, C);
    assert_int_equal(decision.decision, CORE_REDIRECT);
    assert_int_equal(decision.reason, CANDOR_REASON_NO_PRIMARY);
    struct core_view view = view_of(c, C);
    struct core_freshness fresh = fresh_of(c, C);
    struct core_read read = {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 500};
    assert_int_equal(core_decide_read(&view, &fresh, &read).decision, CORE_SERVE);
    cluster_free(c);
}

/* A relay is asked when a heartbeat is late; that does not say that the way is lost. */
static void a_late_heartbeat_redirects_no_linearizable_read(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    cut_link(c, A, C, true);
    while (relay_of(c, C)[0] == '\0')
        run_ms(c, 10);
    assert_int_equal(linearizable_at(c, C).decision, CORE_WAIT);
    cluster_free(c);
}

static enum candor_cut_off cut_off_of(struct cluster *c, int node)
{
    return fresh_of(c, node).cut_off;
}

static void who_is_cut_off_says_what_it_knows(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    c->hosts[C].cut = true;
    run_ms(c, 1500);
    assert_int_equal(cut_off_of(c, C), CANDOR_CUT_OFF_ME);
    assert_int_equal(cut_off_of(c, A), CANDOR_CUT_OFF_NO);
    assert_int_equal(cut_off_of(c, B), CANDOR_CUT_OFF_NO);
    c->hosts[C].cut = false;
    run_ms(c, 1500);
    assert_int_equal(cut_off_of(c, C), CANDOR_CUT_OFF_NO);
    cluster_free(c);
}

/* Nobody hears it, though it hears all. */
static void who_is_heard_by_nobody_learns_it(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    c->link_cut[C][A] = c->link_cut[C][B] = true;
    run_ms(c, 1500);
    assert_int_equal(fresh_of(c, C).state, CANDOR_STATE_STALE);
    assert_int_equal(cut_off_of(c, C), CANDOR_CUT_OFF_ME);
    cluster_free(c);
}

static void without_a_primary_the_others_say_that_it_is_the_one(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 2000);
    assert_int_equal(primary_of(c), A);
    c->hosts[A].cut = true;
    run_ms(c, 1500);
    assert_int_equal(cut_off_of(c, A), CANDOR_CUT_OFF_ME);
    assert_int_equal(cut_off_of(c, B), CANDOR_CUT_OFF_PRIMARY);
    assert_int_equal(cut_off_of(c, C), CANDOR_CUT_OFF_PRIMARY);
    cluster_free(c);
}

/* Those in between hear the primary and this node, but do not know how to relay. */
static void behind_a_node_that_says_nothing_it_is_not_known(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    cut_link(c, A, C, true);
    c->link_cut[C][B] = true;
    run_ms(c, 450);
    struct core_msg status = forged(c, CORE_MSG_STATUS, B, view_of(c, A).epoch);
    c->link_cut[B][C] = true;
    for (int i = 0; i < 20; i++) {
        status.status.ts_ns = c->now_ns;
        deliver(c, C,
                &(struct core_event){
                    .type = CORE_EVENT_STREAM, .peer = c->hosts[B].id, .msg = &status});
        pump(c);
        run_ms(c, 50);
    }
    assert_int_equal(cut_off_of(c, C), CANDOR_CUT_OFF_UNKNOWN);
    assert_string_equal(relay_of(c, C), "");
    cluster_free(c);
}

/* ---- What a relay may not do ----------------------------------------------------------------- */

static struct core_msg relayed_status(struct cluster *c, int of, uint64_t boot, uint64_t ts_ns)
{
    struct core_msg msg = forged(c, CORE_MSG_RELAYED_STATUS, B, view_of(c, A).epoch);
    msg.relayed_status.node = c->hosts[of].id;
    msg.relayed_status.store_id = 1000 + (uint64_t)of;
    msg.relayed_status.boot = boot;
    msg.relayed_status.ts_ns = ts_ns;
    return msg;
}

static void tell(struct cluster *c, int node, int from, const struct core_msg *msg)
{
    deliver(c, node,
            &(struct core_event){.type = CORE_EVENT_STREAM, .peer = c->hosts[from].id, .msg = msg});
    pump(c);
}

/* Of a life that is over, of nobody, of the relay itself, of the future of another epoch. */
static void what_it_says_of_others_is_not_mixed_with_what_they_say(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    uint64_t boot = c->hosts[C].boot;
    struct core_msg msg = relayed_status(c, C, boot - 1, c->now_ns + NS_PER_S);
    tell(c, A, B, &msg);
    msg = relayed_status(c, C, boot + 1, c->now_ns + NS_PER_S);
    tell(c, A, B, &msg); /* c itself is heard */
    msg = relayed_status(c, B, c->hosts[B].boot, c->now_ns + NS_PER_S);
    tell(c, A, B, &msg);
    msg = relayed_status(c, A, c->hosts[A].boot, c->now_ns + NS_PER_S);
    tell(c, A, B, &msg);
    msg = relayed_status(c, C, boot, c->now_ns);
    msg.relayed_status.node = node_id_of("z");
    tell(c, A, B, &msg);
    msg = relayed_status(c, C, boot, c->now_ns + NS_PER_S);
    msg.header.epoch.term--;
    tell(c, A, B, &msg);
    assert_fresh(c, C, 1000);
    assert_fresh(c, B, 500);
    cluster_free(c);
}

/* An old heartbeat proves nothing new, whoever repeats it how often. */
static void a_repeated_heartbeat_makes_nobody_fresh(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    run_ms(c, 1000);
    struct core_msg beat = forged(c, CORE_MSG_RELAYED_HEARTBEAT, B, view_of(c, A).epoch);
    beat.heartbeat.hb_id = 5;
    beat.heartbeat.last = beat.heartbeat.echoes.last = view_of(c, A).durable;
    beat.heartbeat.echoes.count = 1;
    beat.heartbeat.echoes.list[0] = (struct core_echo){
        .node = c->hosts[C].id,
        .boot = c->hosts[C].boot,
        .store_id = 1002,
        .ts_ns = c->now_ns - 100 * NS_PER_MS,
    };
    cut_link(c, A, C, true);
    run_ms(c, 300);
    assert_string_equal(relay_of(c, C), "b");
    c->hosts[C].cut = true;
    for (int i = 0; i < 30; i++) {
        run_ms(c, 50);
        tell(c, C, B, &beat);
    }
    assert_int_equal(fresh_of(c, C).state, CANDOR_STATE_STALE);
    assert_true(fresh_of(c, C).heartbeat_age_ms >= 1000);
    assert_true(fresh_of(c, C).bound_ms >= 1400);
    cluster_free(c);
}

/* While they hear each other, nobody is believed who speaks for one of them. */
static void who_was_not_asked_is_not_believed(void **state)
{
    (void)state;
    struct cluster *c = led_by_a();
    struct core_msg beat = forged(c, CORE_MSG_RELAYED_HEARTBEAT, B, view_of(c, A).epoch);
    beat.heartbeat.hb_id = UINT64_C(1) << 40;
    tell(c, C, B, &beat);
    struct core_msg msg = relayed_status(c, C, c->hosts[C].boot, c->now_ns + 3600 * NS_PER_S);
    tell(c, A, B, &msg);
    assert_fresh(c, C, 1000);
    /* And what it said while it was asked is forgotten when they hear each other again. */
    cut_link(c, A, C, true);
    assert_fresh(c, C, 1000);
    beat.heartbeat.hb_id = UINT64_C(1) << 40;
    tell(c, C, B, &beat);
    msg = relayed_status(c, C, c->hosts[C].boot, c->now_ns + 3600 * NS_PER_S);
    tell(c, A, B, &msg);
    cut_link(c, A, C, false);
    run_ms(c, 1000);
    assert_fresh(c, C, 1000);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_link_costs_nobody_fresh),
        cmocka_unit_test(one_way_is_bridged_too),
        cmocka_unit_test(what_is_relayed_counts_for_no_majority),
        cmocka_unit_test(nobody_stands_beside_a_relayed_primary),
        cmocka_unit_test(a_start_behind_a_lost_link_attaches_through_the_relay),
        cmocka_unit_test(a_relay_that_lags_tells_nobody_to_go_back),
        cmocka_unit_test(a_linearizable_read_is_redirected),
        cmocka_unit_test(a_late_heartbeat_redirects_no_linearizable_read),
        cmocka_unit_test(who_is_cut_off_says_what_it_knows),
        cmocka_unit_test(who_is_heard_by_nobody_learns_it),
        cmocka_unit_test(without_a_primary_the_others_say_that_it_is_the_one),
        cmocka_unit_test(behind_a_node_that_says_nothing_it_is_not_known),
        cmocka_unit_test(what_it_says_of_others_is_not_mixed_with_what_they_say),
        cmocka_unit_test(a_repeated_heartbeat_makes_nobody_fresh),
        cmocka_unit_test(who_was_not_asked_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
