/* Bundles run on the readers' threads, a slice of time at a turn, so that none keeps others
 * waiting. What a slice reads it reads from one view of the state; what it has for the core goes
 * there together. */
#include "node/serve/bundle.h"

#include "base/clock.h"
#include "base/limits.h"
#include "node/serve/kv_read.h"
#include "node/shared/node_state.h"
#include "node/shared/pool.h"
#include "node/shared/ticket.h"

struct bundle_job {
    struct job job;
    struct node *node;
    struct rpc_bundle *bundle;
};

static void run(struct job *job)
{
    struct bundle_job *it = (struct bundle_job *)job;
    struct node *node = it->node;
    bool done = false;
    while (!done) {
        struct read_share share;
        struct ticket_batch batch;
        kv_read_share_begin(&share, rpc_bundle_alloc(it->bundle, sizeof *share.shown));
        ticket_batch_begin(&batch);
        done = rpc_bundle_run(it->bundle, clock_boot_ns() + LIMIT_BUNDLE_SLICE_US * 1000);
        ticket_batch_end(&batch, node);
        kv_read_share_end(&share);
        if (!done && pool_push_always(&node->readers, job))
            return;
    }
}

void bundle_take(void *closure, struct rpc_bundle *bundle)
{
    struct node *node = closure;
    struct bundle_job *job = rpc_bundle_alloc(bundle, sizeof *job);
    if (job != NULL)
        *job = (struct bundle_job){.job.run = run, .node = node, .bundle = bundle};
    if (job == NULL || !pool_push(&node->readers, &job->job))
        rpc_bundle_refuse(bundle);
}
