/* The digests of this node's own states, by their positions (R58). */
#include "core/digests.h"

void digests_note(struct core *core, uint64_t seq, struct state_digest digest)
{
    struct doubt *doubt = &core->doubt;
    doubt->ring[doubt->noted++ % DIGESTS_KEPT] = (struct digest_at){seq, digest};
}

/* After a rollback, a snapshot, a start: what was noted above is of records that are gone. */
void digests_restart(struct core *core, uint64_t seq, struct state_digest digest)
{
    core->doubt.noted = 0;
    digests_note(core, seq, digest);
}

/* The newest at or below `seq`; seq 0: none. */
struct digest_at digests_at(const struct core *core, uint64_t seq)
{
    const struct doubt *doubt = &core->doubt;
    uint64_t oldest = doubt->noted > DIGESTS_KEPT ? doubt->noted - DIGESTS_KEPT : 0;
    for (uint64_t i = doubt->noted; i-- > oldest;)
        if (doubt->ring[i % DIGESTS_KEPT].seq <= seq)
            return doubt->ring[i % DIGESTS_KEPT];
    return (struct digest_at){0};
}

struct digest_at digests_own(const struct core *core)
{
    struct digest_at own = digests_at(core, core->log.durable);
    return own.seq == core->log.durable ? own : (struct digest_at){0};
}

void digests_healed(struct core *core)
{
    if (core->doubt.healing)
        core->doubt.healed_ns = core->now_ns;
    core->doubt.doubtful = core->doubt.outvoted = core->doubt.healing = false;
}
