/* The host of a caller that waits: on its stack, and on its thread. Whatever an operation needs
 * beside the thread of NNG that brings a reply, its caller does; so it is woken once an attempt. */
#include "client/internal.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

struct waiter {
    struct operation operation; /* first: the host gets a pointer to it */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool turn; /* the operation is this thread's */
};

static void give_turn(struct operation *operation)
{
    struct waiter *waiter = (struct waiter *)operation;
    pthread_mutex_lock(&waiter->lock);
    waiter->turn = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static void await_turn(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->turn)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    waiter->turn = false;
    pthread_mutex_unlock(&waiter->lock);
}

static void sleep_until(uint64_t boot_ns)
{
    struct timespec at = {.tv_sec = (time_t)(boot_ns / NS_PER_S),
                          .tv_nsec = (long)(boot_ns % NS_PER_S)};
    while (boot_ns > 0 && clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

enum candor_code client_call(struct candor_client *client, const struct call *call,
                             struct candor_result *result)
{
    struct waiter waiter = {
        .operation = {.call = *call, .client = client, .result = result, .host = give_turn},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER};
    engine_begin(&waiter.operation);
    for (;;) {
        await_turn(&waiter);
        if (waiter.operation.stage == STAGE_ENDED)
            break;
        sleep_until(waiter.operation.resume_ns);
        engine_resume(&waiter.operation);
    }
    pthread_cond_destroy(&waiter.changed);
    pthread_mutex_destroy(&waiter.lock);
    return result->error.code;
}
