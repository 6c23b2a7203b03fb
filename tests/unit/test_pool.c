/* links: node */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "node/shared/pool.h"

enum { JOBS = 2000 };

struct counted {
    struct job job;
    atomic_uint *done;
    unsigned number; /* in the order in which they ran */
};

static void count(struct job *job)
{
    struct counted *counted = (struct counted *)job;
    counted->number = atomic_fetch_add(counted->done, 1);
}

struct stuck {
    struct job job;
    atomic_bool began;
    atomic_bool let_go;
};

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void wait_to_be_let_go(struct job *job)
{
    struct stuck *stuck = (struct stuck *)job;
    atomic_store(&stuck->began, true);
    while (!atomic_load(&stuck->let_go))
        pause_briefly();
}

static void one_thread_keeps_the_order_and_a_stop_does_what_was_taken(void **state)
{
    (void)state;
    static struct counted jobs[JOBS];
    atomic_uint done = 0;
    struct pool pool;
    pool_init(&pool, "test", JOBS);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job = {.run = count}, .done = &done};
        assert_true(pool_push(&pool, &jobs[i].job));
    }
    struct counted more = {.job = {.run = count}, .done = &done};
    assert_false(pool_push(&pool, &more.job)); /* the limit */
    assert_true(pool_push_always(&pool, &more.job));
    assert_int_equal(pool_start(&pool, 1, NULL), CANDOR_OK);
    pool_stop(&pool);
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i].number, i);
    assert_int_equal(more.number, JOBS);
    assert_false(pool_push_always(&pool, &more.job)); /* stopped */
    pool_free(&pool);
}

static void a_job_that_is_stuck_holds_up_no_other(void **state)
{
    (void)state;
    static struct counted jobs[JOBS];
    atomic_uint done = 0;
    struct stuck stuck = {.job = {.run = wait_to_be_let_go}};
    struct pool pool;
    pool_init(&pool, "test", JOBS);
    assert_int_equal(pool_start(&pool, 2, NULL), CANDOR_OK);
    assert_true(pool_push(&pool, &stuck.job));
    while (!atomic_load(&stuck.began))
        pause_briefly();
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job = {.run = count}, .done = &done};
        assert_true(pool_push(&pool, &jobs[i].job));
    }
    while (atomic_load(&done) < JOBS)
        pause_briefly();
    atomic_store(&stuck.let_go, true);
    pool_stop(&pool);
    pool_free(&pool);
}

static struct pool shared;
static atomic_uint shared_done;

static void *push_many(void *closure)
{
    struct counted *jobs = closure;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job = {.run = count}, .done = &shared_done};
        while (!pool_push(&shared, &jobs[i].job))
            pause_briefly();
    }
    return NULL;
}

static void many_producers_and_many_threads_lose_no_job(void **state)
{
    (void)state;
    static struct counted jobs[4][JOBS];
    pthread_t producers[4];
    pool_init(&shared, "test", 100);
    assert_int_equal(pool_start(&shared, 4, NULL), CANDOR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&producers[i], NULL, push_many, jobs[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(producers[i], NULL);
    /* all are done while it runs: no wake-up was lost */
    while (atomic_load(&shared_done) < 4 * JOBS)
        pause_briefly();
    pool_stop(&shared);
    assert_int_equal(atomic_load(&shared_done), 4 * JOBS);
    pool_free(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_keeps_the_order_and_a_stop_does_what_was_taken),
        cmocka_unit_test(a_job_that_is_stuck_holds_up_no_other),
        cmocka_unit_test(many_producers_and_many_threads_lose_no_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
