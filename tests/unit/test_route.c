/* links: client */
/* Which node a read begins with: a pure function of what was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "client/route.h"

/* What the macros below say of a node is the default for those that say it once more. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define NOW (1000 * NS_PER_S)
#define MS(ms) ((uint64_t)(ms)*NS_PER_MS)

/* A node that answered just now. */
#define PRIMARY(rtt_ms, ...)                                                                       \
    {                                                                                              \
        .known = true, .answered_ns = NOW, .rtt_ns = MS(rtt_ms), .role = CANDOR_ROLE_PRIMARY,      \
        .state = CANDOR_STATE_FRESH, .has_bound = true, .epoch.term = 1, __VA_ARGS__               \
    }
#define REPLICA(rtt_ms, bound, ...)                                                                \
    {                                                                                              \
        .known = true, .answered_ns = NOW, .rtt_ns = MS(rtt_ms), .role = CANDOR_ROLE_REPLICA,      \
        .state = CANDOR_STATE_FRESH, .has_bound = true, .bound_ms = (bound), .epoch.term = 1,      \
        __VA_ARGS__                                                                                \
    }

static const struct candor_rung eventual = {.level = CANDOR_READ_EVENTUAL};

static size_t choose(const struct route_seen *seen, size_t count, enum candor_route route,
                     const struct candor_rung *rungs, size_t rung_count)
{
    struct route_want want = {.route = route,
                              .zone = "east",
                              .rungs = rungs,
                              .rung_count = rung_count,
                              .token = {.cluster_id = 7, .pos = {.epoch.term = 1, .seq = 50}},
                              .now_ns = NOW};
    size_t chosen = route_choose(seen, count, &want);
    assert_int_equal(route_choose(seen, count, &want), chosen); /* the same again */
    return chosen;
}

#define CHOOSE(seen, route) choose(seen, sizeof(seen) / sizeof((seen)[0]), route, &eventual, 1)
#define CLIMB(seen, rungs)                                                                         \
    choose(seen, sizeof(seen) / sizeof((seen)[0]), CANDOR_ROUTE_DEFAULT, rungs,                    \
           sizeof(rungs) / sizeof((rungs)[0]))

static void each_route_has_its_own_favourite(void **state)
{
    (void)state;
    static const struct route_seen seen[] = {
        REPLICA(9, 20, .zone = "west"), PRIMARY(5, .bound_ms = 30, .zone = "west"),
        REPLICA(2, 90, .zone = "west"), REPLICA(7, 50, .zone = "east"),
        REPLICA(6, 60, .zone = "east"),
    };
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_PRIMARY), 1);
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_NEAREST), 2);
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_ZONE), 4);
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_FRESHEST), 0);
}

static void any_goes_to_all_that_serve(void **state)
{
    (void)state;
    static const struct route_seen seen[] = {
        REPLICA(1, 5), REPLICA(900, 5), REPLICA(1, 5, .state = CANDOR_STATE_EXPIRED), PRIMARY(3)};
    uint32_t asked[4] = {0};
    for (uint64_t draw = 0; draw < 300; draw++) {
        struct route_want want = {.route = CANDOR_ROUTE_ANY,
                                  .zone = "",
                                  .rungs = &eventual,
                                  .rung_count = 1,
                                  .now_ns = NOW,
                                  .draw = draw};
        asked[route_choose(seen, 4, &want)]++;
    }
    assert_int_equal(asked[0], 100);
    assert_int_equal(asked[1], 100);
    assert_int_equal(asked[2], 0);
    assert_int_equal(asked[3], 100);
}

/* As a replica that could not be asked for a while is taken to have heard nothing since. */
static void a_bound_grows_while_nothing_is_seen(void **state)
{
    (void)state;
    static const struct route_seen seen[] = {
        REPLICA(1, 10, .answered_ns = NOW - MS(LIMIT_CLIENT_SIGHT_MS) - MS(1)), REPLICA(9, 400)};
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_FRESHEST), 1);
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_NEAREST), 0);
}

static void who_did_not_answer_is_left_out_for_a_while(void **state)
{
    (void)state;
    struct route_seen seen[] = {REPLICA(1, 10), REPLICA(9, 10)};
    seen[0].answered_ns = NOW - MS(100);
    route_note_failure(&seen[0], NOW - MS(50));
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_NEAREST), 1);
    seen[0].failed_ns = NOW - MS(LIMIT_CLIENT_AVOID_MS);
    seen[0].answered_ns = seen[0].failed_ns - 1;
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_NEAREST), 0); /* tried again */
    /* where nobody answers, the one that was tried longest ago */
    route_note_failure(&seen[0], NOW);
    seen[1].answered_ns = NOW - 2;
    route_note_failure(&seen[1], NOW - 1);
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_NEAREST), 1);
}

static void a_round_trip_forgets_half_of_what_was_before(void **state)
{
    (void)state;
    struct route_seen seen = {.known = true};
    struct candor_freshness freshness = {.node = "a"};
    struct candor_token token = {0};
    route_note_answer(&seen, NOW, MS(2), &freshness, &token);
    assert_int_equal(seen.rtt_ns, MS(2));
    route_note_answer(&seen, NOW, 0, &freshness, &token); /* of a read that waited: no measure */
    assert_int_equal(seen.rtt_ns, MS(2));
    route_note_answer(&seen, NOW + 1, MS(200), &freshness, &token);
    assert_int_equal(seen.rtt_ns, MS(101));
    for (uint64_t i = 0; i < 10; i++)
        route_note_answer(&seen, NOW + i, MS(2), &freshness, &token);
    assert_true(seen.rtt_ns < MS(3));
    route_note_answer(&seen, NOW + MS(LIMIT_CLIENT_SIGHT_MS) + MS(1), MS(50), &freshness, &token);
    assert_int_equal(seen.rtt_ns, MS(50)); /* what was before is too old */
}

/* ---- Ladders --------------------------------------------------------------------------------- */

static const struct candor_rung ladder[] = {
    {.level = CANDOR_READ_LINEARIZABLE, .within_ms = 5},
    {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 50},
    {.level = CANDOR_READ_EVENTUAL},
};

static void the_highest_rung_decides_and_then_the_way(void **state)
{
    (void)state;
    struct route_seen seen[] = {REPLICA(1, 90), PRIMARY(9), REPLICA(3, 40), REPLICA(2, 50)};
    assert_int_equal(CLIMB(seen, ladder), 1);
    seen[1].state = CANDOR_STATE_STALE; /* it cannot confirm; FRESH replicas may: the nearest */
    assert_int_equal(CLIMB(seen, ladder), 0);
    for (size_t i = 0; i < 4; i++)
        seen[i].state = CANDOR_STATE_STALE;
    seen[1].has_bound = false;
    assert_int_equal(CLIMB(seen, ladder), 3); /* the nearest of those within 50 ms */
    seen[2].bound_ms = seen[3].bound_ms = 51;
    assert_int_equal(CLIMB(seen, ladder), 0); /* EVENTUAL: the nearest of all */
    for (size_t i = 0; i < 4; i++)
        seen[i].state = CANDOR_STATE_SYNCING;
    assert_int_equal(CLIMB(seen, ladder), 0); /* nobody is likely: whoever is near */
}

static void of_two_that_say_they_lead_the_newest_does(void **state)
{
    (void)state;
    static const struct route_seen seen[] = {PRIMARY(1, .epoch.term = 3),
                                             PRIMARY(2, .epoch.term = 4)};
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_PRIMARY), 1);
    assert_int_equal(CLIMB(seen, ladder), 1);
}

static void a_session_goes_where_its_position_is(void **state)
{
    (void)state;
    static const struct candor_rung session[] = {{.level = CANDOR_READ_SESSION},
                                                 {.level = CANDOR_READ_EVENTUAL}};
    struct route_seen seen[] = {
        REPLICA(1, 5, .pos = {.epoch.term = 1, .seq = 49}),
        REPLICA(4, 5, .pos = {.epoch.term = 1, .seq = 50}),
        PRIMARY(2, .pos = {.epoch.term = 1, .seq = 40}), /* seen before it came there */
    };
    assert_int_equal(CLIMB(seen, session), 1);
    seen[1].pos.seq = 40;
    assert_int_equal(CLIMB(seen, session), 2);
}

/* The user's word comes first among those that may meet the rung at all. */
static void a_route_chooses_among_the_likely(void **state)
{
    (void)state;
    static const struct route_seen seen[] = {REPLICA(1, 5, .state = CANDOR_STATE_STALE),
                                             REPLICA(2, 5), PRIMARY(9)};
    assert_int_equal(choose(seen, 3, CANDOR_ROUTE_NEAREST, ladder, 3), 1);
    assert_int_equal(choose(seen, 3, CANDOR_ROUTE_PRIMARY, ladder, 3), 2);
}

static void where_nothing_was_seen_the_first_known_one_is_asked(void **state)
{
    (void)state;
    static const struct route_seen seen[] = {{0}, {.known = true}, {.known = true}};
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_NEAREST), 1);
    assert_int_equal(CHOOSE(seen, CANDOR_ROUTE_FRESHEST), 1);
    assert_int_equal(CLIMB(seen, ladder), 1);
    assert_int_equal(choose(seen, 1, CANDOR_ROUTE_NEAREST, ladder, 3), 1); /* none: `count` */
    assert_int_equal(choose(seen, 0, CANDOR_ROUTE_ANY, ladder, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_has_its_own_favourite),
        cmocka_unit_test(any_goes_to_all_that_serve),
        cmocka_unit_test(a_bound_grows_while_nothing_is_seen),
        cmocka_unit_test(who_did_not_answer_is_left_out_for_a_while),
        cmocka_unit_test(a_round_trip_forgets_half_of_what_was_before),
        cmocka_unit_test(the_highest_rung_decides_and_then_the_way),
        cmocka_unit_test(of_two_that_say_they_lead_the_newest_does),
        cmocka_unit_test(a_session_goes_where_its_position_is),
        cmocka_unit_test(a_route_chooses_among_the_likely),
        cmocka_unit_test(where_nothing_was_seen_the_first_known_one_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
