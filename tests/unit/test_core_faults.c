/* links: core record */
/* What goes wrong while a cluster is led: orders whose records are not stored, leases across a
 * campaign, forced promotions and what becomes of those who were overruled. */
#include "core_fixture.h"

/* ---- Leading ----------------------------------------------------------------------------------*/

/* R30. Its campaign began before the heartbeat came that it promised to. */
static void who_promised_a_lease_while_it_asked_does_not_stand(void **state)
{
    (void)state;
    struct cluster *c = cluster_new_with(true, true);
    run_ms(c, 2500);
    assert_int_equal(primary_of(c), 0);
    cut_link(c, 0, 1, true);
    run_ms(c, 1000);
    cut_link(c, 0, 2, true);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_promised_a_lease_while_it_asked_does_not_stand),
        cmocka_unit_test(a_change_of_voters_that_was_not_stored_is_not_reported_as_done),
        cmocka_unit_test(manual_mode_elects_nobody_after_a_forced_promotion_that_failed),
        cmocka_unit_test(a_primary_that_steps_down_is_stale_and_not_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
