/* links: base */
/* The heap and the table of serial numbers against a list that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/rng.h"
#include "base/serials.h"

enum { ITEMS = 300, STEPS = 100000 };

/* What should be in it, by item; UINT64_MAX: it is not. */
struct model {
    uint64_t keys[ITEMS];
    uint32_t count;
};

static uint64_t least(const struct model *model)
{
    uint64_t found = UINT64_MAX;
    for (uint32_t i = 0; i < ITEMS; i++)
        found = model->keys[i] < found ? model->keys[i] : found;
    return found;
}

static void a_heap_gives_the_least_key_whatever_is_put_and_taken(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    struct heap heap = {0};
    struct model model;
    memset(&model, 0xff, sizeof model);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t item = (uint32_t)rng_below(&rng, ITEMS);
        bool more = step / 1000 % 2 == 0; /* fills up, and empties */
        if (model.keys[item] == UINT64_MAX && (more || rng_below(&rng, 4) == 0)) {
            model.keys[item] = rng_below(&rng, 50);
            heap_put(&heap, item, model.keys[item]);
        } else {
            model.keys[item] = UINT64_MAX;
            heap_remove(&heap, item); /* also of what is not in it */
        }
        const struct heap_entry *first = heap_first(&heap);
        assert_int_equal(first == NULL ? UINT64_MAX : first->key, least(&model));
        if (first != NULL)
            assert_int_equal(model.keys[first->item], first->key);
    }
    heap_free(&heap);
}

static void a_serial_number_finds_its_bearer_and_nobody_else(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 2);
    struct serials serials = {0};
    uint64_t bearer[ITEMS] = {0}; /* serial number at each; 0: none */
    uint64_t next = 1;
    uint64_t value;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t at = (uint32_t)rng_below(&rng, ITEMS);
        bool more = step / 1000 % 2 == 0;
        if (bearer[at] == 0 && (more || rng_below(&rng, 4) == 0)) {
            next += 1 + (rng_below(&rng, 10) == 0 ? rng_next(&rng) >> 8 : 0);
            bearer[at] = next;
            serials_put(&serials, next, at);
        } else if (bearer[at] != 0) {
            assert_true(serials_take(&serials, bearer[at], &value));
            assert_int_equal(value, at);
            assert_false(serials_find(&serials, bearer[at], &value));
            bearer[at] = 0;
        }
        uint32_t other = (uint32_t)rng_below(&rng, ITEMS);
        assert_int_equal(serials_find(&serials, bearer[other], &value), bearer[other] != 0);
        if (bearer[other] != 0)
            assert_int_equal(value, other);
        assert_false(serials_take(&serials, next + 1, NULL));
    }
    serials_free(&serials);
}

static void a_reserved_heap_has_room(void **state)
{
    (void)state;
    struct heap heap = {0};
    assert_true(heap_reserve(&heap, ITEMS));
    struct heap_entry *list = heap.list;
    uint32_t *places = heap.places;
    for (uint32_t i = 0; i < ITEMS; i++)
        heap_put(&heap, i, ITEMS - i);
    assert_ptr_equal(heap.list, list);
    assert_ptr_equal(heap.places, places);
    assert_int_equal(heap_first(&heap)->item, ITEMS - 1);
    heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_gives_the_least_key_whatever_is_put_and_taken),
        cmocka_unit_test(a_reserved_heap_has_room),
        cmocka_unit_test(a_serial_number_finds_its_bearer_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
