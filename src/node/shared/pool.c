/* A list of jobs and the threads that take from it. One wake-up a job at most, and none while all
 * threads are busy: a thread that is up takes its share of what is there. */
#include "node/shared/pool.h"

#include "base/assert.h"

enum { SHARE_MOST = 16 };

void pool_init(struct pool *pool, const char *name, uint32_t limit)
{
    *pool = (struct pool){.name = name, .limit = limit};
    pool->end = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->arrived, NULL);
}

void pool_free(struct pool *pool)
{
    ASSERT(pool->first == NULL && pool->thread_count == 0);
    pthread_cond_destroy(&pool->arrived);
    pthread_mutex_destroy(&pool->lock);
}

static void sleep_until_woken(struct pool *pool)
{
    pool->sleepers++;
    pthread_cond_wait(&pool->arrived, &pool->lock);
    pool->sleepers--;
    if (pool->woken > 0)
        pool->woken--;
}

/* Its fair share: the others that are up, or are getting up, find the rest. NULL: the pool was
 * stopped. */
static struct job *take_share(struct pool *pool)
{
    while (pool->first == NULL && !pool->closed)
        sleep_until_woken(pool);
    struct job *jobs = pool->first;
    if (jobs == NULL)
        return NULL;
    uint32_t share = pool->count / pool->thread_count;
    share = share < 1 ? 1 : share > SHARE_MOST ? SHARE_MOST : share;
    struct job *last = jobs;
    pool->count--;
    for (uint32_t taken = 1; taken < share; taken++) {
        last = last->next;
        pool->count--;
    }
    pool->first = last->next;
    last->next = NULL;
    if (pool->first == NULL)
        pool->end = &pool->first;
    return jobs;
}

static void *pool_thread(void *closure)
{
    struct pool *pool = closure;
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        struct job *job = take_share(pool);
        pthread_mutex_unlock(&pool->lock);
        if (job == NULL)
            return NULL;
        while (job != NULL) {
            struct job *next = job->next; /* run() may end it */
            job->run(job);
            job = next;
        }
    }
}

enum candor_code pool_start(struct pool *pool, uint32_t threads, struct candor_error *err)
{
    ASSERT(threads > 0 && threads <= LIMIT_POOL_THREADS);
    pthread_mutex_lock(&pool->lock);
    enum candor_code code = CANDOR_OK;
    while (pool->thread_count < threads && code == CANDOR_OK) {
        pthread_t *thread = &pool->threads[pool->thread_count];
        if (pthread_create(thread, NULL, pool_thread, pool) == 0) {
            pthread_setname_np(*thread, pool->name);
            pool->thread_count++;
        } else {
            code = candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                    "cannot start a %s thread", pool->name);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return code;
}

void pool_stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    pthread_cond_broadcast(&pool->arrived);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pool->thread_count = 0;
}

static bool push(struct pool *pool, struct job *job, uint32_t limit)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    bool taken = !pool->closed && pool->count < limit;
    bool wake = taken && pool->sleepers > pool->woken;
    if (taken) {
        *pool->end = job;
        pool->end = &job->next;
        pool->count++;
    }
    if (wake)
        pool->woken++;
    pthread_mutex_unlock(&pool->lock);
    /* Unlocked, or who wakes would wait for the lock at once. */
    if (wake)
        pthread_cond_signal(&pool->arrived);
    return taken;
}

bool pool_push(struct pool *pool, struct job *job)
{
    return push(pool, job, pool->limit);
}

bool pool_push_always(struct pool *pool, struct job *job)
{
    return push(pool, job, UINT32_MAX);
}
