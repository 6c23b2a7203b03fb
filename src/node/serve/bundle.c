/* Bundles run on the readers' threads, a slice of time at a turn, so that none keeps others
 * waiting; those of short calls begin where they came, as single calls do. What a slice reads it
 * reads from one view of the state; what it has for the core goes there together. */
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

/* True: all calls were begun, and the job may be gone. */
static bool run_slice(struct bundle_job *it, uint64_t slice_us)
{
    struct node *node = it->node;
    struct read_share share;
    struct ticket_batch batch;
    kv_read_share_begin(&share, rpc_bundle_alloc(it->bundle, sizeof *share.shown));
    ticket_batch_begin(&batch);
    bool done = rpc_bundle_run(it->bundle, clock_boot_ns() + slice_us * 1000);
    ticket_batch_end(&batch, node);
    kv_read_share_end(&share);
    return done;
}

static void run(struct job *job)
{
    struct bundle_job *it = (struct bundle_job *)job;
    struct node *node = it->node;
    while (!run_slice(it, LIMIT_BUNDLE_SLICE_US))
        if (pool_push_always(&node->readers, job))
            return;
}

/* Their calls are begun by NNG's thread when they come alone, too. */
static bool is_short(const struct rpc_bundle *bundle)
{
    static const char *const METHODS[] = {"/candor.v1.KV/Get",       "/candor.v1.KV/Put",
                                          "/candor.v1.KV/Delete",    "/candor.v1.KV/CompareAndSwap",
                                          "/candor.v1.KV/Increment", NULL};
    return rpc_bundle_is_of(bundle, METHODS);
}

/* At once, as single calls are (kv_read.h), but not for long: the rest goes to a reader. */
static void run_here(struct bundle_job *it)
{
    struct node *node = it->node;
    if (!run_slice(it, LIMIT_BUNDLE_HERE_US) && !pool_push_always(&node->readers, &it->job))
        run(&it->job);
}

void bundle_take(void *closure, struct rpc_bundle *bundle)
{
    struct node *node = closure;
    struct bundle_job *job = rpc_bundle_alloc(bundle, sizeof *job);
    if (job == NULL) {
        rpc_bundle_refuse(bundle);
        return;
    }
    *job = (struct bundle_job){.job.run = run, .node = node, .bundle = bundle};
    if (is_short(bundle) && kv_read_enter_short(node)) {
        run_here(job);
        kv_read_leave_short(node);
    } else if (!pool_push(&node->readers, &job->job)) {
        rpc_bundle_refuse(bundle);
    }
}
