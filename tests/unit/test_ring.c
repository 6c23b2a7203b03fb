/* links: base */
/* The ring against a plain list of all that was ever pushed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ring.h"
#include "base/rng.h"

struct thing {
    uint64_t number;
    char rest[5]; /* no power of two */
};

static void push(struct ring *ring)
{
    uint64_t number = ring->first + ring->count;
    struct thing *thing = ring_push(ring);
    *thing = (struct thing){.number = number, .rest = {(char)number}};
}

static void assert_is(const struct thing *thing, uint64_t number)
{
    assert_int_equal(thing->number, number);
    assert_int_equal(thing->rest[0], (char)number);
}

static void what_is_pushed_first_is_taken_first(void **state)
{
    (void)state;
    struct ring ring = {.each = sizeof(struct thing)};
    struct rng rng;
    rng_seed(&rng, 7);
    uint64_t pushed = 0;
    uint64_t popped = 0;
    for (int turn = 0; turn < 2000; turn++) {
        uint64_t pushes = rng_below(&rng, turn < 1000 ? 12 : 8); /* grows, then empties */
        uint64_t pops = rng_below(&rng, turn < 1000 ? 8 : 12);
        for (; pushes > 0; pushes--, pushed++)
            push(&ring);
        for (; pops > 0 && popped < pushed; pops--) {
            struct thing thing;
            ring_pop(&ring, &thing);
            assert_is(&thing, popped++);
        }
        assert_int_equal(ring.count, pushed - popped);
        assert_int_equal(ring.first, popped);
    }
    assert_true(pushed > 1000 && ring.capacity > 64);
    ring_free(&ring);
}

static void each_is_found_by_its_number_while_it_is_there(void **state)
{
    (void)state;
    struct ring ring = {.each = sizeof(struct thing), .first = UINT64_MAX - 70};
    uint64_t first = ring.first;
    for (int i = 0; i < 300; i++) { /* the numbers begin again at 0 on the way */
        push(&ring);
        for (uint64_t number = ring.first; number != ring.first + ring.count; number++)
            assert_is(ring_at(&ring, number), number);
        if (i % 3 == 0) {
            struct thing oldest;
            ring_pop(&ring, &oldest);
            assert_is(&oldest, first++);
        }
    }
    ring_free(&ring);
    assert_int_equal(ring.count, 0);
    push(&ring); /* usable again, of the same kind */
    assert_is(ring_at(&ring, 0), 0);
    ring_free(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_pushed_first_is_taken_first),
        cmocka_unit_test(each_is_found_by_its_number_while_it_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
