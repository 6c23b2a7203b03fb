/* A client's write, from its request to its reply, in its call's memory: a ticket of the core, a
 * work of the writer, and what the writer made of it. */
#ifndef NODE_WRITE_H
#define NODE_WRITE_H

#include "base/buffer.h"
#include "eval/eval.h"
#include "node/shared/pool.h"
#include "node/shared/ticket.h"
#include "node/store/work.h"

/* What the writer made of a write. */
struct write_result {
    enum candor_code code; /* not OK: evaluated, and without effect */
    enum candor_reason reason;
    bool replayed;           /* its request id was executed before */
    bool recorded;           /* it makes records in its group */
    struct candor_pos first; /* of its records; without any: of the data that it read */
    struct candor_pos last;
    struct buffer answers; /* one an operation (eval/answer.h); freed with the reply */
};

struct write {
    struct ticket ticket; /* first: the core's ticket is the whole */
    enum candor_ack ack;
    struct request_id request_id;
    uint64_t digest;   /* of the operations; 0 without a request id */
    uint32_t op_count; /* of a Batch; else 1 */
    struct eval_op *ops;
    size_t bytes; /* counted in node->write_bytes */
    struct write_result result;
    struct work work;
    struct node_event appended;
    /* Replies to what the writer made of it; also to an error, when the method answers beside
     * it. */
    void (*respond)(struct write *write, const struct outcome *outcome);
    const void *request; /* of the method; lives as long as the call */
    struct job job;      /* of a session that lost what it saw */
};

#endif
