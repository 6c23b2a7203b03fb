/* One piece of storage work, on its way to the writer thread, and its answer on the way back.
 * Whoever makes one gives it away with writer_give_all(); the writer frees it. */
#ifndef NODE_WORK_H
#define NODE_WORK_H

#include "base/buffer.h"
#include "core/core.h"
#include "node/shared/event.h"

struct write;

struct work {
    enum core_action_type type;
    bool drain;          /* not the core's: answer with a `drained` event */
    struct write *write; /* WRITE: the work is part of it */
    struct candor_epoch epoch;
    uint64_t log_ms; /* WRITE, EXPIRE: the log's time (R69) */
    uint64_t seq;
    uint64_t cluster_id;
    bool forked;
    struct buffer bytes;             /* APPEND; RENEW: why, as text */
    size_t backlog_bytes;            /* APPEND: counted in node->backlog_bytes */
    struct members *members;         /* EPOCH_START, MEMBERS */
    struct state_incoming *incoming; /* INSTALL */
    struct core_lives *lives;        /* KEEP_LIVES */
};

struct work *work_new(enum core_action_type type);
/* (writer) One that is part of a write stays. */
void work_free(struct node *node, struct work *work);
/* (writer) In the order of the works; sent by work_push_answers(). */
void work_answer(struct node *node, struct node_event *event);
/* (writer) A ticket, and the work in it, may be gone afterwards. */
void work_push_answers(struct node *node);

#endif
