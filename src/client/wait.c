/* The host of a caller that waits: on its stack, and on its thread. Whatever an operation needs
 * beside the thread of NNG that brings a reply, its caller does; so it is woken once an attempt. */
#include "client/internal.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "base/clock.h"

struct waiter {
    struct operation operation; /* first: the host gets a pointer to it */
    sem_t turn;                 /* up: the operation is this thread's */
};

/* The waiter may be gone before sem_post() returns, which does not touch it any more then. */
static void give_turn(struct operation *operation)
{
    sem_post(&((struct waiter *)operation)->turn);
}

static void await_turn(struct waiter *waiter)
{
    while (sem_wait(&waiter->turn) != 0)
        ; /* a signal */
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
        .operation = {.call = *call, .client = client, .result = result, .host = give_turn}};
    sem_init(&waiter.turn, 0, 0);
    engine_begin(&waiter.operation);
    for (;;) {
        await_turn(&waiter);
        if (waiter.operation.stage == STAGE_ENDED)
            break;
        sleep_until(waiter.operation.resume_ns);
        engine_resume(&waiter.operation);
    }
    sem_destroy(&waiter.turn);
    return result->error.code;
}
