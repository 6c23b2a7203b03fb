/* links: core record */
/* What goes wrong while a cluster is led: orders whose records are not stored, leases across a
 * campaign, forced promotions and what becomes of those who were overruled. */
#include "core_fixture.h"

/* ---- Leading --------------------------------------------------------------------------------- */

/* R30. Its campaign began before the heartbeat came that it promised to. */
static void who_promised_a_lease_while_it_asked_does_not_stand(void **state)
{
    (void)state;
    struct cluster *c = cluster_new_with(true, true);
    run_ms(c, 2500);
    assert_int_equal(primary_of(c), 0);
    cut_link(c, 0, 1, true);
    cut_link(c, 1, 2, true); /* nor does c relay (R72) */
    run_ms(c, 1000);
    cut_link(c, 0, 2, true);
    cut_link(c, 1, 2, false);
    uint64_t cut_ns = c->now_ns;
    c->hold = true;
    while (c->held_count == 0)
        run_ms(c, 1);
    assert_int_equal(c->held[0].from, 1); /* b asks c */
    cut_link(c, 0, 1, false);
    run_ms(c, 105); /* b hears a, and promises */
    cut_link(c, 0, 1, true);
    assert_true(c->now_ns - cut_ns < 1000 * NS_PER_MS);
    run_ms(c, 1010 - (c->now_ns - cut_ns) / NS_PER_MS); /* c has not heard a for long enough */
    release(c);
    run_ms(c, 20);
    assert_int_not_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    run_ms(c, 5000);
    assert_int_not_equal(primary_besides(c, 0), 0); /* later somebody may */
    cluster_free(c);
}

static void a_change_of_voters_that_was_not_stored_is_not_reported_as_done(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    set_voter(c, 0, "c", false, 7);
    set_voter(c, 0, "c", true, 8);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    c->hosts[0].full = true;
    set_voter(c, 0, "c", false, 9);
    assert_int_equal(c->hosts[0].code, CANDOR_RESOURCE_EXHAUSTED);
    c->hosts[0].full = false;
    set_voter(c, 0, "c", false, 10);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    cluster_free(c);
}

/* R27: as it would after a restart. */
static void manual_mode_founds_a_cluster_on_a_slow_disk(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    c->hosts[0].frozen = true;
    for (int i = 0; i < 3; i++) {
        run_ms(c, 3000);
        assert_int_equal(c->held_count, 1);
        assert_int_equal(primary_of(c), -1); /* R6: it has stepped down */
        c->hosts[0].frozen = i < 2;
        release(c);
    }
    run_ms(c, 5000);
    assert_int_equal(primary_of(c), 0);
    cluster_free(c);
}

/* Likewise of who was promoted, and whose operator has gone. */
static void manual_mode_goes_on_after_a_promotion_on_a_slow_disk(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 3000);
    c->hosts[0].cut = true;
    run_ms(c, 3000);
    c->hosts[1].frozen = true;
    promote(c, 1, 8, false);
    run_ms(c, 8000);
    assert_int_equal(c->hosts[1].finished, 8);
    assert_int_equal(c->held_count, 1);
    assert_int_not_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    c->hosts[1].frozen = false;
    release(c);
    run_ms(c, 5000);
    assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    cluster_free(c);
}

/* R27 */
static void manual_mode_elects_nobody_after_a_forced_promotion_that_failed(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 10000);
    c->hosts[1].full = true;
    promote(c, 1, 8, true);
    assert_int_not_equal(c->hosts[1].code, CANDOR_OK);
    run_ms(c, 10000);
    c->hosts[1].full = false;
    run_ms(c, 60000);
    assert_int_equal(primary_of(c), 0);
    c->hosts[0].cut = true;
    run_ms(c, 5000);
    assert_int_not_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    cluster_free(c);
}

/* R25: it keeps answering reads, flagged. Until now its data were the newest. */
static void a_primary_that_steps_down_is_stale_and_not_expired(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    for (int i = 0; i < NODES; i++)
        core_free(c->hosts[i].core);
    c->reject_after_ns = 3600 * NS_PER_S;
    for (int i = 0; i < NODES; i++)
        start(c, i, true);
    run_ms(c, 10000);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_FRESH);
    c->hosts[0].cut = true;
    run_ms(c, 3000);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_STALE);
    run_ms(c, 3600 * 1000);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_EXPIRED);
    cluster_free(c);
}

/* ---- Overruled (R12, R28) -------------------------------------------------------------------- */

/* c was forced while a and b held a committed record that it has not: b is FORKED, a is cut off. */
static struct cluster *forced_over_committed(void)
{
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    run_ms(c, 700);
    write_at(c, 0, 8, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    run_ms(c, 300); /* both know the commit */
    c->hosts[0].cut = true;
    c->hosts[2].cut = false;
    promote(c, 2, 9, true);
    run_ms(c, 3000);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FORKED);
    return c;
}

static enum core_decision eventual_read(struct cluster *c, int node)
{
    struct core_freshness fresh = fresh_of(c, node);
    struct core_view view = view_of(c, node);
    struct core_read read = {.level = CANDOR_READ_EVENTUAL};
    return core_decide_read(&view, &fresh, &read).decision;
}

static void restart_host(struct cluster *c, int node)
{
    struct host *host = &c->hosts[node];
    host->commit = view_of(c, node).commit;
    reload(host);
    core_free(host->core);
    start(c, node, false);
}

static void a_restart_does_not_end_forked(void **state)
{
    (void)state;
    struct cluster *c = forced_over_committed();
    c->hosts[1].cut = true; /* nobody is there to tell it again */
    c->hosts[1].members = c->hosts[2].members;
    restart_host(c, 1);
    run_ms(c, 3000);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FORKED);
    assert_int_not_equal(eventual_read(c, 1), CORE_SERVE);
    promote(c, 1, 77, false);
    assert_int_equal(c->hosts[1].code, CANDOR_FAILED_PRECONDITION);
    assert_non_null(strstr(c->hosts[1].text, "FORKED"));
    cluster_free(c);
}

/* The promotion of c was a mistake: the branch of a and b is forced in its turn. */
static void forked_ends_where_the_own_branch_is_forced_back(void **state)
{
    (void)state;
    struct cluster *c = forced_over_committed();
    c->hosts[0].cut = false;
    run_ms(c, 3000);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_FORKED);
    promote(c, 0, 10, true);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    run_ms(c, 5000);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_FRESH);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH);
    assert_int_equal(eventual_read(c, 1), CORE_SERVE);
    cluster_free(c);
}

static void accept(struct cluster *c, int node, uint64_t ticket, uint64_t within_ms)
{
    struct core_event event = {.type = CORE_EVENT_ACCEPT_HISTORY,
                               .ticket = ticket,
                               .accept.deadline_ns = c->now_ns + within_ms * NS_PER_MS};
    deliver(c, node, &event);
    pump(c);
}

static void accept_history_ends_with_its_deadline_and_its_primary(void **state)
{
    (void)state;
    struct cluster *c = forced_over_committed();
    struct host *b = &c->hosts[1];
    c->hosts[2].cut = true; /* the primary is away just now */
    accept(c, 1, 50, 5000);
    run_ms(c, 1000);
    assert_int_not_equal(b->finished, 50);
    accept(c, 1, 51, 5000);
    assert_int_equal(b->finished, 51);
    assert_non_null(strstr(b->text, "under way"));
    run_ms(c, 5000);
    assert_int_equal(b->finished, 50);
    assert_int_equal(b->code, CANDOR_DEADLINE_EXCEEDED);
    c->hosts[2].cut = false; /* nobody waits any more: nothing is given up */
    run_ms(c, 3000);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FORKED);
    c->hosts[2].cut = true;
    accept(c, 1, 52, 60000);
    c->hosts[0].cut = false;
    run_ms(c, 1000);
    promote(c, 0, 53, true); /* this is not who was meant */
    run_ms(c, 1000);
    assert_int_equal(b->finished, 52);
    assert_int_equal(b->code, CANDOR_ABORTED);
    cluster_free(c);
}

/* Each restart of the primary opens an epoch: a supervisor that starts it again and again comes to
 * so many in hours. */
static void a_replica_that_was_away_for_more_epochs_than_are_kept_is_not_forked(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_ALL);
    run_ms(c, 300);
    c->hosts[1].cut = true;
    for (int i = 0; i < LIMIT_EPOCH_HISTORY + 6; i++) {
        c->hosts[0].history.count = 0;
        restart_host(c, 0);
        for (int tries = 0; view_of(c, 0).role != CANDOR_ROLE_PRIMARY && tries < 100; tries++)
            run_ms(c, 200);
    }
    c->hosts[1].cut = false;
    run_ms(c, 20000);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH);
    assert_int_equal(view_of(c, 1).last, view_of(c, 0).last);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_promised_a_lease_while_it_asked_does_not_stand),
        cmocka_unit_test(a_change_of_voters_that_was_not_stored_is_not_reported_as_done),
        cmocka_unit_test(manual_mode_founds_a_cluster_on_a_slow_disk),
        cmocka_unit_test(manual_mode_goes_on_after_a_promotion_on_a_slow_disk),
        cmocka_unit_test(manual_mode_elects_nobody_after_a_forced_promotion_that_failed),
        cmocka_unit_test(a_primary_that_steps_down_is_stale_and_not_expired),
        cmocka_unit_test(a_restart_does_not_end_forked),
        cmocka_unit_test(a_replica_that_was_away_for_more_epochs_than_are_kept_is_not_forked),
        cmocka_unit_test(forked_ends_where_the_own_branch_is_forced_back),
        cmocka_unit_test(accept_history_ends_with_its_deadline_and_its_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
