/* Evidence of freshness: what proves how old the data may be (R36, R37). */
#include "core/evidence.h"

void evidence_forget(struct core *core)
{
    if (mutated(core, EVIDENCE_KEPT))
        return;
    core->proof = (struct proof){0};
}

/* The data hold everything acknowledged before ts once this replica has applied, and verified, what
 * the heartbeat announced. */
static bool evidence_holds(const struct core *core, const struct evidence *evidence)
{
    return core->follow.attach == ATTACH_DONE && core->follow.match >= evidence->last &&
           core->log.durable >= evidence->last;
}

static void take_evidence(struct core *core, const struct evidence *evidence)
{
    if (core->proof.proven && core->proof.evidence.ts_ns >= evidence->ts_ns)
        return;
    core->proof.proven = true;
    core->proof.evidence = *evidence;
}

void evidence_weigh(struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->proof.pending_count; i++) {
        if (evidence_holds(core, &core->proof.pending[i]))
            take_evidence(core, &core->proof.pending[i]);
        else
            core->proof.pending[kept++] = core->proof.pending[i];
    }
    core->proof.pending_count = kept;
}

/* At the limit the newest is not kept: the oldest is the one that applied reaches first. */
static void add_evidence(struct core *core, uint64_t last, uint64_t ts_ns)
{
    struct evidence evidence = {.last = last, .ts_ns = ts_ns};
    if (evidence_holds(core, &evidence))
        take_evidence(core, &evidence);
    else if (core->proof.pending_count > 0 &&
             core->proof.pending[core->proof.pending_count - 1].last == last)
        core->proof.pending[core->proof.pending_count - 1].ts_ns =
            max_u64(core->proof.pending[core->proof.pending_count - 1].ts_ns, ts_ns);
    else if (core->proof.pending_count < LIMIT_EVIDENCE)
        core->proof.pending[core->proof.pending_count++] = evidence;
}

/* How the way to the primary and back stands (R72). */
static void note_way(struct core *core, const struct core_echo *echo, bool relayed)
{
    core->follow.proven_ns = max_u64(core->follow.proven_ns, echo->ts_ns);
    if (!relayed && !echo->relayed)
        core->follow.echoed_ns = max_u64(core->follow.echoed_ns, echo->ts_ns);
}

void evidence_read(struct core *core, const struct core_echoes *echoes, bool relayed)
{
    for (uint32_t i = 0; i < echoes->count; i++) {
        const struct core_echo *echo = &echoes->list[i];
        if (!node_id_equal(echo->node, core->config.self))
            continue;
        bool mine = (echo->boot == core->boot && echo->store_id == core->store_id) ||
                    mutated(core, OLD_BOOT_ACCEPTED);
        /* R8, R35: a time stamp of a former life says nothing on this clock. No primary's log is
         * empty: an echo that speaks of no record proves nothing. */
        if (!mine || echoes->last == 0 || echo->ts_ns > core->now_ns)
            continue;
        note_way(core, echo, relayed);
        add_evidence(core, echoes->last, echo->ts_ns);
    }
    if (mutated(core, ARRIVAL_IS_EVIDENCE))
        add_evidence(core, core->log.durable, core->now_ns);
}
