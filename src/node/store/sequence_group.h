/* A group of writes while it is sequenced. (writer) */
#ifndef NODE_SEQUENCE_GROUP_H
#define NODE_SEQUENCE_GROUP_H

#include "record/batch.h"
#include "state/state.h"

struct eval_op;
struct node;

struct group {
    struct node *node;
    struct state_group *state;
    struct buffer *out;
    struct batch_writer batch; /* count 0: none is open */
    struct candor_epoch epoch;
    uint64_t next_seq;
    uint64_t wall_ms;
    uint64_t log_ms; /* of all its records */
    size_t answer_bytes;
    uint64_t next_end_ms; /* the first of the keys that end, after the group; 0: none */
    bool expires_more;    /* the time of more keys is over than went with the group */
    bool staged;          /* the replicas are being given it */
};

/* A record behind those of the group, applied. */
void sequence_add(struct group *group, const struct record_write *write,
                  const struct record_op *ops, uint32_t op_count);

/* ---- expire.c: before anything else is evaluated, what has ended is gone (R69) --------------- */

/* The first of those whose time is over. */
void expire_due(struct group *group);
/* Where that left some: those among them that the operation names. */
void expire_named(struct group *group, const struct eval_op *op);

#endif
