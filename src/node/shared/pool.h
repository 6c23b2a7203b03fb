/* Threads that take jobs, oldest first: for what may block a little, so that neither NNG's threads
 * nor the node thread do. Work that must not wait for other work has a pool of its own (README.md).
 *
 * Threads: push from any thread; the rest by whoever opens and closes the node. */
#ifndef NODE_POOL_H
#define NODE_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <candor/status.h>

#include "base/limits.h"

/* The struct is the caller's, usually in a call's arena; run() may end it. */
struct job {
    void (*run)(struct job *job);
    /* the pool's */
    struct job *next;
};

struct pool {
    const char *name;
    uint32_t limit;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct job *first;
    struct job **end;
    uint32_t count;
    uint32_t sleepers;
    /* sleepers that were woken and did not get up yet */
    uint32_t woken;
    bool closed;
    pthread_t threads[LIMIT_POOL_THREADS];
    uint32_t thread_count;
};

/* `limit`: of jobs that wait. `name` is its threads' name and must live as long. */
void pool_init(struct pool *pool, const char *name, uint32_t limit);
enum candor_code pool_start(struct pool *pool, uint32_t threads, struct candor_error *err);
/* Takes no more jobs, does those that it has, and ends its threads. */
void pool_stop(struct pool *pool);
void pool_free(struct pool *pool);
/* False when `limit` jobs wait, or when it was stopped: the caller keeps the job. Never blocks for
 * room. */
bool pool_push(struct pool *pool, struct job *job);
/* As pool_push, beyond the limit: for the second part of what was taken already. False when it was
 * stopped. */
bool pool_push_always(struct pool *pool, struct job *job);

#endif
