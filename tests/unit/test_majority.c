/* links: core */
/* The arithmetic of majorities, by a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/majority.h"

static void a_majority_is_more_than_half(void **state)
{
    (void)state;
    static const uint32_t of[] = {1, 1, 2, 2, 3, 3, 4, 4, 5};
    for (uint32_t voters = 1; voters < sizeof of / sizeof of[0]; voters++)
        assert_int_equal(majority_of(voters), of[voters]);
}

static void what_a_majority_has_reached_is_its_least_figure(void **state)
{
    (void)state;
    static const struct {
        uint64_t reached[5];
        uint32_t count;
        uint32_t voters;
        uint64_t wanted;
    } cases[] = {
        {{7}, 1, 1, 7},
        {{7, 9}, 2, 2, 7},
        {{7, 9, 3}, 3, 3, 7},
        {{9, 9, 0}, 3, 3, 9},
        {{9, 0, 0}, 3, 3, 0},
        {{1, 2, 3, 4}, 4, 4, 2},
        {{5, 4, 3, 2, 1}, 5, 5, 3},
        {{5, 5}, 2, 5, 0}, /* of the others nothing is known */
        {{5, 5, 5}, 3, 5, 5},
        {{0}, 0, 3, 0},
        {{UINT64_MAX, UINT64_MAX, 1}, 3, 3, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t reached[5];
        memcpy(reached, cases[i].reached, sizeof reached);
        uint64_t got = majority_reached(reached, cases[i].count, cases[i].voters);
        if (got != cases[i].wanted)
            fail_msg("case %zu: %d", i, (int)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_is_more_than_half),
        cmocka_unit_test(what_a_majority_has_reached_is_its_least_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
