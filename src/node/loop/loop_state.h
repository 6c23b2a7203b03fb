/* What the node thread alone touches, as the files of loop/ share it. */
#ifndef NODE_LOOP_STATE_H
#define NODE_LOOP_STATE_H

#include <pthread.h>

#include "base/buffer.h"
#include "base/serials.h"
#include "core/core.h"
#include "node/shared/outbox.h"

struct loop {
    pthread_t thread;
    bool running;
    struct ticket *open;    /* in the core */
    struct serials tickets; /* the same, by number */
    struct ticket *done;    /* to be replied to when the view is published, oldest first */
    struct ticket **done_end;
    struct core_actions actions;
    struct buffer packed;
    struct outbox works;    /* for the writer */
    uint64_t commit_seq;    /* to be given to the writer; 0: none */
    uint64_t commit_due_ns; /* when it is no longer kept for other work to go with */
    bool hears_late;        /* core_hears_late(), as the queue of events was told */
    bool draining;
    bool drained;
    struct state_incoming *incoming; /* downloaded, not yet installed */
    uint64_t download_number;        /* of the newest FETCH_SNAPSHOT */
};

#endif
