/* Threads that wait for work or time, and end when they are told. */
#include "node/shared/side_thread.h"

#include <time.h>

#include "base/clock.h"

void side_thread_init(struct side_thread *side)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&side->lock, NULL);
    pthread_cond_init(&side->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void side_thread_free(struct side_thread *side)
{
    pthread_mutex_destroy(&side->lock);
    pthread_cond_destroy(&side->changed);
}

enum candor_code side_thread_start(struct side_thread *side, const char *name,
                                   void *(*run)(void *closure), void *closure,
                                   struct candor_error *err)
{
    if (pthread_create(&side->id, NULL, run, closure) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the %s thread", name);
    pthread_setname_np(side->id, name);
    side->running = true;
    return CANDOR_OK;
}

void side_thread_stop(struct side_thread *side)
{
    pthread_mutex_lock(&side->lock);
    side->stop = true;
    pthread_cond_signal(&side->changed);
    pthread_mutex_unlock(&side->lock);
    if (side->running)
        pthread_join(side->id, NULL);
    side->running = false;
}

struct timespec side_thread_until(uint64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nsec = (uint64_t)until.tv_nsec + ns % NS_PER_S;
    until.tv_sec += (time_t)(ns / NS_PER_S + nsec / NS_PER_S);
    until.tv_nsec = (long)(nsec % NS_PER_S);
    return until;
}

bool side_thread_rest_locked(struct side_thread *side, uint64_t ns)
{
    struct timespec until = side_thread_until(ns);
    while (!side->stop && pthread_cond_timedwait(&side->changed, &side->lock, &until) == 0)
        ;
    return !side->stop;
}

bool side_thread_rest(struct side_thread *side, uint64_t ns)
{
    pthread_mutex_lock(&side->lock);
    bool goes_on = side_thread_rest_locked(side, ns);
    pthread_mutex_unlock(&side->lock);
    return goes_on;
}
