/* A bounded queue between threads: a ring under a lock. */
#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/ring.h"

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct ring ring; /* of void * */
    size_t capacity;
    bool closed;
    bool all;   /* quiet items wake the consumer, too */
    bool quiet; /* nothing that is in has woken it */
};

struct queue *queue_new(size_t capacity)
{
    struct queue *queue = memory_zeroed(1, sizeof *queue);
    ASSERT(capacity > 0);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    queue->capacity = capacity;
    queue->all = true;
    queue->ring.each = sizeof(void *);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    ASSERT(queue->ring.count == 0);
    pthread_cond_destroy(&queue->arrived);
    pthread_mutex_destroy(&queue->lock);
    ring_free(&queue->ring);
    free(queue);
}

/* Under the lock: whether the consumer is to be woken for what was pushed. */
static bool wakes(struct queue *queue, bool was_empty, bool can_wait)
{
    bool waits = was_empty || queue->quiet;
    queue->quiet = waits && can_wait && !queue->all;
    return waits && !queue->quiet;
}

static bool push(struct queue *queue, void *const *items, size_t count, size_t capacity,
                 bool can_wait)
{
    pthread_mutex_lock(&queue->lock);
    bool taken = !queue->closed && queue->ring.count < capacity;
    bool was_empty = queue->ring.count == 0;
    for (size_t i = 0; taken && i < count; i++)
        *(void **)ring_push(&queue->ring) = items[i];
    bool wake = taken && count > 0 && wakes(queue, was_empty, can_wait);
    pthread_mutex_unlock(&queue->lock);
    /* Unlocked, or who wakes would wait for the lock at once. */
    if (wake)
        pthread_cond_signal(&queue->arrived);
    return taken;
}

bool queue_push(struct queue *queue, void *item)
{
    return push(queue, &item, 1, queue->capacity, false);
}

bool queue_push_quiet(struct queue *queue, void *item)
{
    return push(queue, &item, 1, queue->capacity, true);
}

void queue_ask_for_all(struct queue *queue, bool all)
{
    pthread_mutex_lock(&queue->lock);
    queue->all = all;
    pthread_mutex_unlock(&queue->lock);
}

bool queue_push_always(struct queue *queue, void *item)
{
    return push(queue, &item, 1, SIZE_MAX, false);
}

bool queue_push_all(struct queue *queue, void *const *items, size_t count)
{
    return push(queue, items, count, SIZE_MAX, false);
}

bool queue_push_many(struct queue *queue, void *const *items, size_t count)
{
    return push(queue, items, count, queue->capacity, false);
}

/* The condition waits on CLOCK_MONOTONIC (pthreads have no BOOTTIME); after a suspend it wakes late
 * by at most the time it had left, and the caller looks at CLOCK_BOOTTIME again. */
static bool wait_until(struct queue *queue, uint64_t until_ns)
{
    if (until_ns == UINT64_MAX) {
        pthread_cond_wait(&queue->arrived, &queue->lock);
        return true;
    }
    uint64_t now_ns = clock_boot_ns();
    if (now_ns >= until_ns)
        return false;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t wake_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec + (until_ns - now_ns);
    t.tv_sec = (time_t)(wake_ns / NS_PER_S);
    t.tv_nsec = (long)(wake_ns % NS_PER_S);
    pthread_cond_timedwait(&queue->arrived, &queue->lock, &t);
    return true;
}

size_t queue_pop(struct queue *queue, void **out, size_t most, uint64_t until_ns)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->ring.count == 0 && !queue->closed)
        if (until_ns == 0 || !wait_until(queue, until_ns))
            break;
    size_t taken = queue->ring.count < most ? queue->ring.count : most;
    for (size_t i = 0; i < taken; i++)
        ring_pop(&queue->ring, &out[i]);
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
}

bool queue_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}
