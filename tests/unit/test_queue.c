/* The queue between threads: whom it wakes, and when. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/queue.h"

int __real_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);

static unsigned signals;

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    signals++;
    return __real_pthread_cond_signal(condition);
}

/* How often the consumer was woken since it was asked last. */
static unsigned woken(void)
{
    unsigned count = signals;
    signals = 0;
    return count;
}

static char items[8];

static void expect_popped(struct queue *queue, size_t most, uint64_t until_ns, size_t first,
                          size_t count)
{
    void *out[8] = {0};
    assert_int_equal(queue_pop(queue, out, most, until_ns), count);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(out[i], &items[first + i]);
}

static void one_wake_up_is_for_all_that_came_since(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3);
    woken();
    void *many[] = {&items[1], &items[2]};
    assert_true(queue_push(queue, &items[0]));
    assert_int_equal(woken(), 1);
    assert_true(queue_push_many(queue, many, 2));
    assert_false(queue_push(queue, &items[3])); /* full */
    assert_true(queue_push_always(queue, &items[3]));
    assert_true(queue_push_all(queue, many, 0));
    assert_int_equal(woken(), 0);
    expect_popped(queue, 8, UINT64_MAX, 0, 4);
    queue_close(queue);
    assert_false(queue_push_always(queue, &items[0]));
    expect_popped(queue, 8, UINT64_MAX, 0, 0);
    queue_free(queue);
}

static void quiet_items_wake_like_others_while_all_are_asked_for(void **state)
{
    (void)state;
    struct queue *queue = queue_new(8);
    woken();
    assert_true(queue_push_quiet(queue, &items[0]));
    assert_int_equal(woken(), 1);
    expect_popped(queue, 8, UINT64_MAX, 0, 1);
    queue_ask_for_all(queue, false);
    assert_true(queue_push_quiet(queue, &items[1]));
    assert_int_equal(woken(), 0);
    queue_ask_for_all(queue, true);
    assert_true(queue_push_quiet(queue, &items[2]));
    assert_int_equal(woken(), 1);
    expect_popped(queue, 8, UINT64_MAX, 1, 2);
    queue_free(queue);
}

static void quiet_items_come_with_the_next_loud_one(void **state)
{
    (void)state;
    struct queue *queue = queue_new(8);
    woken();
    queue_ask_for_all(queue, false);
    for (size_t i = 0; i < 3; i++)
        assert_true(queue_push_quiet(queue, &items[i]));
    assert_int_equal(woken(), 0);
    assert_true(queue_push(queue, &items[3]));
    assert_int_equal(woken(), 1);
    assert_true(queue_push_quiet(queue, &items[4]));
    assert_true(queue_push(queue, &items[5]));
    assert_int_equal(woken(), 0); /* it is awake already */
    expect_popped(queue, 8, UINT64_MAX, 0, 6);
    queue_free(queue);
}

static void quiet_items_are_there_when_the_consumer_wakes_by_itself(void **state)
{
    (void)state;
    struct queue *queue = queue_new(2);
    queue_ask_for_all(queue, false);
    assert_true(queue_push_quiet(queue, &items[0]));
    assert_true(queue_push_quiet(queue, &items[1]));
    assert_false(queue_push_quiet(queue, &items[2])); /* full */
    expect_popped(queue, 1, 0, 0, 1);
    expect_popped(queue, 1, UINT64_MAX, 1, 1);
    expect_popped(queue, 1, clock_boot_ns() + NS_PER_MS, 0, 0);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wake_up_is_for_all_that_came_since),
        cmocka_unit_test(quiet_items_wake_like_others_while_all_are_asked_for),
        cmocka_unit_test(quiet_items_come_with_the_next_loud_one),
        cmocka_unit_test(quiet_items_are_there_when_the_consumer_wakes_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
