/* Calls that a pool answers: one that nobody waits for any more is not begun, so that what was
 * given up does not keep others waiting. */
#ifndef NODE_CALL_JOB_H
#define NODE_CALL_JOB_H

#include <protobuf-c/protobuf-c.h>

#include "node/shared/pool.h"

struct node;
struct rpc_call;

struct call_job {
    struct job job; /* first */
    struct node *node;
    struct rpc_call *call;
    ProtobufCClosure reply;
    const ProtobufCMessage *request; /* as the method got it: lives as long as the call */
    void (*serve)(const struct call_job *job);
};

/* Hands the call over to `pool`, where `serve` answers it; busy, or nobody there any more: it is
 * failed. Any thread. */
void call_job_push(struct pool *pool, struct node *node, void (*serve)(const struct call_job *job),
                   const ProtobufCMessage *request, ProtobufCClosure reply, struct rpc_call *call);

#endif
