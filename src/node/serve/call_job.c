/* Calls that a pool answers. */
#include "node/serve/call_job.h"

#include "node/serve/reply.h"
#include "rpc/rpc.h"

static void run(struct job *base)
{
    const struct call_job *job = (const struct call_job *)base;
    if (!reply_came_too_late(job->node, job->call))
        job->serve(job);
}

void call_job_push(struct pool *pool, struct node *node, void (*serve)(const struct call_job *job),
                   const ProtobufCMessage *request, ProtobufCClosure reply, struct rpc_call *call)
{
    struct call_job *job = rpc_call_alloc(call, sizeof *job);
    if (job != NULL)
        *job = (struct call_job){{.run = run}, node, call, reply, request, serve};
    if (job == NULL || !pool_push(pool, &job->job))
        reply_fail_busy(node, call);
}
