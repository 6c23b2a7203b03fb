/* Results that wait to be taken. The nodes of the list are the operations themselves: a result that
 * comes needs no memory. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "client/submitted.h"

struct candor_queue {
    unsigned generation; /* of the process that opened it: fork_generation() */
    int fd;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t filled;
    struct submitted *first;
    struct submitted *last;
    size_t expected; /* results that are still to come */
    unsigned waiters;
    bool closed;   /* the last one that is expected frees it */
    bool watched;  /* the descriptor was asked for: till then it is left alone */
    bool readable; /* what the descriptor shows */
};

enum candor_code candor_queue_open(struct candor_queue **out, struct candor_error *err)
{
    if (out == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "out: NULL");
    *out = NULL;
    struct candor_queue *queue = fork_register() ? calloc(1, sizeof *queue) : NULL;
    if (queue == NULL)
        return operation_out_of_memory(err);
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0) {
        free(queue);
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "no descriptor for a queue");
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&queue->lock, NULL);
    queue->generation = fork_generation();
    *out = queue;
    return CANDOR_OK;
}

static bool is_own(const struct candor_queue *queue)
{
    return queue->generation == fork_generation();
}

static void destroy(struct candor_queue *queue)
{
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
    close(queue->fd);
    free(queue);
}

void candor_queue_close(struct candor_queue *queue)
{
    if (queue == NULL)
        return;
    if (!is_own(queue)) { /* the lock may be held for ever, by a thread that is not here */
        close(queue->fd);
        free(queue);
        return;
    }
    pthread_mutex_lock(&queue->lock);
    struct submitted *first = queue->first;
    bool last = queue->expected == 0;
    queue->first = queue->last = NULL;
    queue->closed = true;
    pthread_mutex_unlock(&queue->lock);
    if (last)
        destroy(queue);
    while (first != NULL) {
        struct submitted *next = first->next;
        submitted_free(first);
        first = next;
    }
}

/* ---- Filling --------------------------------------------------------------------------------- */

/* Under the lock. The descriptor's count stays at 1, so neither call can fail. */
static void show(struct candor_queue *queue)
{
    uint64_t count = 1;
    bool readable = queue->first != NULL;
    if (!queue->watched || readable == queue->readable)
        return;
    ssize_t done =
        readable ? write(queue->fd, &count, sizeof count) : read(queue->fd, &count, sizeof count);
    ASSERT(done == (ssize_t)sizeof count);
    queue->readable = readable;
}

bool completions_expect(struct candor_queue *queue, struct candor_error *err)
{
    if (!is_own(queue)) {
        candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                         "the queue is of the process that this one was forked from: open another");
        return false;
    }
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    queue->expected += !closed;
    pthread_mutex_unlock(&queue->lock);
    if (closed)
        candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                         "the queue is closed");
    return !closed;
}

void completions_withdraw(struct candor_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool last = --queue->expected == 0 && queue->closed;
    pthread_mutex_unlock(&queue->lock);
    if (last)
        destroy(queue);
}

void completions_push(struct candor_queue *queue, struct submitted *submitted)
{
    submitted->next = NULL;
    pthread_mutex_lock(&queue->lock);
    ASSERT(queue->expected > 0);
    queue->expected--;
    bool dropped = queue->closed;
    bool last = dropped && queue->expected == 0;
    if (!dropped) {
        if (queue->last != NULL)
            queue->last->next = submitted;
        else
            queue->first = submitted;
        queue->last = submitted;
        show(queue);
        if (queue->waiters > 0)
            pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
    if (dropped)
        submitted_free(submitted);
    if (last)
        destroy(queue);
}

/* ---- Taking ---------------------------------------------------------------------------------- */

int candor_queue_fd(struct candor_queue *queue)
{
    if (queue == NULL)
        return -1;
    if (!is_own(queue))
        return queue->fd;
    pthread_mutex_lock(&queue->lock);
    queue->watched = true;
    show(queue);
    pthread_mutex_unlock(&queue->lock);
    return queue->fd;
}

/* Under the lock: the first `room` of the list, as one of their own. */
static struct submitted *cut(struct candor_queue *queue, size_t room)
{
    struct submitted *first = room > 0 ? queue->first : NULL;
    struct submitted *last = first;
    if (first == NULL)
        return NULL;
    for (size_t i = 1; i < room && last->next != NULL; i++)
        last = last->next;
    queue->first = last->next;
    if (queue->first == NULL)
        queue->last = NULL;
    last->next = NULL;
    show(queue);
    if (queue->first != NULL && queue->waiters > 0)
        pthread_cond_signal(&queue->filled);
    return first;
}

static size_t hand_out(struct submitted *first, struct candor_completion *out)
{
    size_t count = 0;
    while (first != NULL) {
        struct submitted *next = first->next;
        out[count].closure = first->sink.closure;
        out[count].result = first->result;
        memset(&first->result, 0, sizeof first->result);
        submitted_free(first);
        first = next;
        count++;
    }
    return count;
}

size_t candor_queue_take(struct candor_queue *queue, struct candor_completion *out, size_t room)
{
    if (queue == NULL || out == NULL || !is_own(queue))
        return 0;
    pthread_mutex_lock(&queue->lock);
    struct submitted *first = cut(queue, room);
    pthread_mutex_unlock(&queue->lock);
    return hand_out(first, out);
}

static struct timespec time_after_ms(int ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t ns = (uint64_t)at.tv_nsec + (uint64_t)ms * NS_PER_MS;
    at.tv_sec += (time_t)(ns / NS_PER_S);
    at.tv_nsec = (long)(ns % NS_PER_S);
    return at;
}

size_t candor_queue_wait(struct candor_queue *queue, struct candor_completion *out, size_t room,
                         int timeout_ms)
{
    if (queue == NULL || out == NULL || room == 0 || !is_own(queue))
        return 0;
    struct timespec until = time_after_ms(timeout_ms > 0 ? timeout_ms : 0);
    int error = 0;
    pthread_mutex_lock(&queue->lock);
    queue->waiters++;
    while (queue->first == NULL && error != ETIMEDOUT) {
        if (timeout_ms < 0)
            pthread_cond_wait(&queue->filled, &queue->lock);
        else
            error = pthread_cond_timedwait(&queue->filled, &queue->lock, &until);
    }
    queue->waiters--;
    struct submitted *first = cut(queue, room);
    pthread_mutex_unlock(&queue->lock);
    return hand_out(first, out);
}
