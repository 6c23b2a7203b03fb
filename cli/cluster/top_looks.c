/* Looks of a thread of its own. */
#include "cli/cluster/top_looks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

struct top_looks {
    struct node_target targets[LIMIT_NODES];
    size_t count;
    uint32_t deadline_ms;
    uint64_t interval_ms;
    int event_fd;
    pthread_t thread;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool ending;
    bool hurry;
    struct status_look *newest; /* not taken yet; NULL: none */
};

/* With the lock. False: it is over. */
static bool wait_for_next(struct top_looks *looks, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    int code = 0;
    while (!looks->ending && !looks->hurry && code == 0)
        code = pthread_cond_clockwait(&looks->changed, &looks->lock, CLOCK_MONOTONIC, &until);
    looks->hurry = false;
    return !looks->ending;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void publish(struct top_looks *looks, struct status_look *look)
{
    uint64_t one = 1;
    free(looks->newest);
    looks->newest = look;
    ssize_t written = write(looks->event_fd, &one, sizeof one);
    ASSERT(written == (ssize_t)sizeof one);
}

static void *run_looks(void *argument)
{
    struct top_looks *looks = argument;
    struct status_look *before = calloc(1, sizeof *before); /* of no nodes yet */
    ASSERT(before != NULL);
    pthread_mutex_lock(&looks->lock);
    do {
        uint64_t next_ns = monotonic_ns() + looks->interval_ms * NS_PER_MS;
        pthread_mutex_unlock(&looks->lock);
        struct status_look *look = status_look(looks->targets, looks->count, looks->deadline_ms);
        status_rate(look, before->count > 0 ? before : NULL);
        memcpy(before, look, sizeof *before);
        pthread_mutex_lock(&looks->lock);
        publish(looks, look);
        if (!wait_for_next(looks, next_ns))
            break;
    } while (true);
    pthread_mutex_unlock(&looks->lock);
    free(before);
    return NULL;
}

struct top_looks *top_looks_start(const struct node_target *targets, size_t count,
                                  uint32_t deadline_ms, uint64_t interval_ms)
{
    struct top_looks *looks = calloc(1, sizeof *looks);
    ASSERT(looks != NULL && count <= LIMIT_NODES);
    memcpy(looks->targets, targets, count * sizeof *targets);
    looks->count = count;
    looks->deadline_ms = deadline_ms;
    looks->interval_ms = interval_ms;
    looks->event_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&looks->lock, NULL);
    pthread_cond_init(&looks->changed, NULL);
    if (looks->event_fd >= 0 && pthread_create(&looks->thread, NULL, run_looks, looks) == 0)
        return looks;
    if (looks->event_fd >= 0)
        close(looks->event_fd);
    free(looks);
    return NULL;
}

int top_looks_fd(const struct top_looks *looks)
{
    return looks->event_fd;
}

struct status_look *top_looks_take(struct top_looks *looks)
{
    uint64_t count;
    pthread_mutex_lock(&looks->lock);
    struct status_look *look = looks->newest;
    looks->newest = NULL;
    if (look != NULL) {
        ssize_t got = read(looks->event_fd, &count, sizeof count);
        ASSERT(got == (ssize_t)sizeof count);
    }
    pthread_mutex_unlock(&looks->lock);
    return look;
}

static void tell(struct top_looks *looks, bool *flag)
{
    pthread_mutex_lock(&looks->lock);
    *flag = true;
    pthread_cond_signal(&looks->changed);
    pthread_mutex_unlock(&looks->lock);
}

void top_looks_hurry(struct top_looks *looks)
{
    tell(looks, &looks->hurry);
}

void top_looks_end(struct top_looks *looks)
{
    tell(looks, &looks->ending);
    pthread_join(looks->thread, NULL);
    free(looks->newest);
    close(looks->event_fd);
    pthread_cond_destroy(&looks->changed);
    pthread_mutex_destroy(&looks->lock);
    free(looks);
}
