/* links: base */
/* The set of key ranges against a plain list of the same ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/intervals.h"

enum { RANGES = 400, STEPS = 20000, KEY_BYTES = 3 };

struct range {
    struct interval interval; /* first */
    uint8_t start[KEY_BYTES];
    uint8_t end[KEY_BYTES];
    bool in_set;
    bool found;
};

static struct range ranges[RANGES];

static struct slice draw_key(struct rng *rng, uint8_t bytes[KEY_BYTES], size_t least)
{
    size_t length = least + rng_below(rng, KEY_BYTES + 1 - least);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(rng_below(rng, 8) == 0 ? 0xff : rng_below(rng, 6));
    return slice_of(bytes, length);
}

static void draw_range(struct rng *rng, struct range *range)
{
    range->interval.start = draw_key(rng, range->start, 0);
    range->interval.end = draw_key(rng, range->end, rng_below(rng, 8) == 0 ? 0 : 1);
}

static void note(struct interval *interval, void *closure)
{
    struct range *range = (struct range *)interval;
    size_t *count = closure;
    assert_true(range->in_set);
    assert_false(range->found);
    range->found = true;
    ++*count;
}

static size_t check(const struct intervals *set, struct slice key)
{
    size_t found = 0;
    for (size_t i = 0; i < RANGES; i++)
        ranges[i].found = false;
    intervals_find(set, key, note, &found);
    for (size_t i = 0; i < RANGES; i++)
        assert_int_equal(ranges[i].found,
                         ranges[i].in_set && interval_holds(&ranges[i].interval, key));
    return found;
}

static void finds_what_a_list_finds(void **state)
{
    (void)state;
    struct intervals set = {0};
    struct rng rng;
    size_t found = 0;
    rng_seed(&rng, 5);
    rng_seed(&set.rng, 7);
    for (int step = 0; step < STEPS; step++) {
        struct range *range = &ranges[rng_below(&rng, RANGES)];
        if (range->in_set) {
            intervals_remove(&set, &range->interval);
        } else {
            draw_range(&rng, range);
            intervals_put(&set, &range->interval);
        }
        range->in_set = !range->in_set;
        uint8_t key[KEY_BYTES];
        found += check(&set, draw_key(&rng, key, 1));
    }
    assert_true(found > STEPS);
    while (set.count > 0)
        intervals_remove(&set, intervals_any(&set));
    assert_null(intervals_any(&set));
}

static size_t depth(const struct interval *tree)
{
    if (tree == NULL)
        return 0;
    size_t low = depth(tree->low);
    size_t high = depth(tree->high);
    return 1 + (low > high ? low : high);
}

/* However they come: a list of all would take 400 steps. */
static void stays_flat(void **state)
{
    (void)state;
    static struct range sorted[RANGES];
    struct intervals set = {0};
    rng_seed(&set.rng, 11);
    for (size_t i = 0; i < RANGES; i++) {
        sorted[i].start[0] = (uint8_t)(i >> 8);
        sorted[i].start[1] = (uint8_t)i;
        sorted[i].interval.start = slice_of(sorted[i].start, 2);
        intervals_put(&set, &sorted[i].interval);
    }
    assert_true(depth(set.root) < 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_list_finds),
        cmocka_unit_test(stays_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
