/* A thread beside the node's own that waits for work or time, and ends when it is told: its lock,
 * its condition, its stop. */
#ifndef NODE_SIDE_THREAD_H
#define NODE_SIDE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <candor/status.h>

struct side_thread {
    pthread_t id;
    bool running;
    pthread_mutex_t lock; /* of `stop`, and of what its owner says */
    pthread_cond_t changed;
    bool stop;
};

void side_thread_init(struct side_thread *side);
void side_thread_free(struct side_thread *side); /* when it has ended */

/* RESOURCE_EXHAUSTED: no thread was to be had. `name`: at most 15 characters. */
enum candor_code side_thread_start(struct side_thread *side, const char *name,
                                   void *(*run)(void *closure), void *closure,
                                   struct candor_error *err);
/* Says that it is to end, and waits until it has. One that was never started is fine. */
void side_thread_stop(struct side_thread *side);

/* Waits so long, or until it is told to end: false. Without the lock / with it held. */
bool side_thread_rest(struct side_thread *side, uint64_t ns);
bool side_thread_rest_locked(struct side_thread *side, uint64_t ns);
/* The moment `ns` from now, on the condition's clock. */
struct timespec side_thread_until(uint64_t ns);

#endif
