/* The writer, as the files of store/ share it. Its own thread's alone, but for the queue, the lock
 * and its holder. */
#ifndef NODE_WRITER_STATE_H
#define NODE_WRITER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "eval/eval.h"
#include "log/hard_state.h"
#include "node/shared/outbox.h"

struct writer {
    struct queue *queue;
    pthread_t thread;
    bool running;
    /* Held while a checkpoint takes its place, not while it is copied; and while the state is taken
     * back or replaced. */
    pthread_mutex_t checkpoint_lock;
    /* The snapshot thread's task while it has that lock; 0 while it has not. */
    _Atomic pid_t checkpoint_holder;
    /* (writer thread) */
    struct watched *watched;
    struct hard_state hard;
    struct candor_epoch tail_epoch; /* of the log's newest record */
    /* In which a group was published and could not be stored: none other is given its numbers
     * (R68). */
    struct candor_epoch withdrawn_epoch;
    uint64_t commit;
    struct buffer group;
    struct eval eval;
    struct outbox answers; /* events for the node thread */
    bool dirty;            /* appended and not synced (durability: interval) */
    uint64_t sync_due_ns;
    /* When a shortage was last logged, and how often one was met since. */
    uint64_t shortage_logged_ns;
    uint64_t shortages;
};

#endif
