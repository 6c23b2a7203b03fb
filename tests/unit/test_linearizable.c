/* links: check */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "check/linearizable.h"

enum { BUDGET = 1000000 };

static enum check_verdict judge(const struct check_op *ops, size_t count)
{
    size_t stuck;
    return check_linearizable(ops, count, BUDGET, &stuck);
}

static void a_read_must_see_the_write_that_ended_before_it(void **state)
{
    (void)state;
    struct check_op good[] = {{CHECK_WRITE, 1, 0, 0, 10, 0}, {CHECK_READ, 1, 0, 20, 30, 0}};
    struct check_op stale[] = {{CHECK_WRITE, 1, 0, 0, 10, 0},
                               {CHECK_READ, CHECK_ABSENT, 0, 20, 30, 0}};
    struct check_op overlapping[] = {{CHECK_WRITE, 1, 0, 0, 25, 0},
                                     {CHECK_READ, CHECK_ABSENT, 0, 20, 30, 0}};
    assert_int_equal(judge(good, 2), CHECK_LINEARIZABLE);
    assert_int_equal(judge(stale, 2), CHECK_VIOLATION);
    assert_int_equal(judge(overlapping, 2), CHECK_LINEARIZABLE);
}

static void values_may_not_flicker(void **state)
{
    (void)state;
    /* Two reads in sequence, under one long write, see new and then old. */
    struct check_op flicker[] = {{CHECK_WRITE, 1, 0, 0, 5, 0},
                                 {CHECK_WRITE, 2, 0, 10, 100, 0},
                                 {CHECK_READ, 2, 0, 20, 30, 0},
                                 {CHECK_READ, 1, 0, 40, 50, 0}};
    assert_int_equal(judge(flicker, 4), CHECK_VIOLATION);
}

static void an_unknown_outcome_may_have_happened_or_not(void **state)
{
    (void)state;
    struct check_op happened[] = {{CHECK_WRITE, 1, 0, 0, CHECK_NEVER, 0},
                                  {CHECK_READ, 1, 0, 50, 60, 0}};
    struct check_op did_not[] = {{CHECK_WRITE, 1, 0, 0, CHECK_NEVER, 0},
                                 {CHECK_READ, 0, 0, 50, 60, 0}};
    struct check_op both[] = {{CHECK_WRITE, 1, 0, 0, CHECK_NEVER, 0},
                              {CHECK_READ, 1, 0, 50, 60, 0},
                              {CHECK_READ, 0, 0, 70, 80, 0}};
    struct check_op before[] = {{CHECK_WRITE, 1, 0, 55, CHECK_NEVER, 0},
                                {CHECK_READ, 1, 0, 40, 50, 0}};
    assert_int_equal(judge(happened, 2), CHECK_LINEARIZABLE);
    assert_int_equal(judge(did_not, 2), CHECK_LINEARIZABLE);
    assert_int_equal(judge(both, 3), CHECK_VIOLATION);
    assert_int_equal(judge(before, 2), CHECK_VIOLATION);
}

static void one_of_two_racing_swaps_wins(void **state)
{
    (void)state;
    struct check_op both_won[] = {
        {CHECK_WRITE, 1, 0, 0, 5, 0}, {CHECK_CAS, 2, 1, 10, 20, 0}, {CHECK_CAS, 3, 1, 10, 20, 0}};
    struct check_op one_won[] = {{CHECK_WRITE, 1, 0, 0, 5, 0},
                                 {CHECK_CAS, 2, 1, 10, 20, 0},
                                 {CHECK_CAS_FAILED, 2, 1, 10, 20, 0}};
    assert_int_equal(judge(both_won, 3), CHECK_VIOLATION);
    assert_int_equal(judge(one_won, 3), CHECK_LINEARIZABLE);
}

/* A register that really is one, under many overlapping clients; then the same with one read
 * falsified. */
static void random_histories_of_a_register_pass_and_falsified_ones_do_not(void **state)
{
    (void)state;
    enum { OPS = 200, ROUNDS = 200 };
    struct rng rng;
    rng_seed(&rng, 5);
    int caught = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct check_op ops[OPS];
        uint64_t now = 0;
        uint64_t value = 0;
        for (uint64_t i = 0; i < OPS; i++) {
            now += 1 + rng_below(&rng, 10);
            bool writes = rng_below(&rng, 2) == 0;
            if (writes)
                value = i + 1;
            ops[i] = (struct check_op){writes ? CHECK_WRITE : CHECK_READ,
                                       value,
                                       0,
                                       now - rng_below(&rng, now < 20 ? now : 20),
                                       now + rng_below(&rng, 20),
                                       i};
        }
        assert_int_equal(judge(ops, OPS), CHECK_LINEARIZABLE);
        /* The last operation reads what was never there after everything else is over. */
        ops[OPS - 1] = (struct check_op){CHECK_READ, OPS + 7, 0, now + 100, now + 101, 0};
        caught += judge(ops, OPS) == CHECK_VIOLATION;
    }
    assert_int_equal(caught, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_must_see_the_write_that_ended_before_it),
        cmocka_unit_test(values_may_not_flicker),
        cmocka_unit_test(an_unknown_outcome_may_have_happened_or_not),
        cmocka_unit_test(one_of_two_racing_swaps_wins),
        cmocka_unit_test(random_histories_of_a_register_pass_and_falsified_ones_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
