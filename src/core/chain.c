/* Whether two logs hold the same records: the hash chain of a log stands for all of them (R55-R57).
 * An epoch that two primaries had, from two copies of one disk, shows here; positions alone would
 * not tell. */
#include "core/chain.h"

void chain_note(struct core *core, uint64_t seq, struct chain chain)
{
    core->log.end = (struct chain_at){seq, chain};
}

bool chain_follows(const struct core *core, const struct batch *batch)
{
    ASSERT_U64(core->log.end.seq, ==, core->log.last);
    bool unchecked = mutated(core, CHAIN_UNCHECKED);
    if (unchecked || mutated(core, GAP_TAKEN))
        return true;
    uint64_t before = batch->first_seq - 1;
    struct chain named =
        before < core->log.last ? batch_chain(batch, core->log.last) : batch->before;
    return chain_equal(named, core->log.end.chain);
}

/* What a heartbeat says of the primary's log, where that ends. */
struct chain chain_announced(const struct core *core)
{
    return core->log.end.seq == core->log.durable ? core->log.end.chain : (struct chain){0};
}

/* At a replica. Where both logs end at one record, they must have come to it by the same ones. */
bool chain_parted(const struct core *core, const struct core_msg *heartbeat)
{
    struct chain theirs = heartbeat->heartbeat.chain;
    return core->follow.attach == ATTACH_DONE && heartbeat->heartbeat.last == core->log.end.seq &&
           !chain_equal(theirs, (struct chain){0}) && !chain_equal(theirs, core->log.end.chain) &&
           !mutated(core, HEARTBEAT_CHAIN_UNCHECKED);
}

bool chain_is_other(const struct core *core, const struct candor_token *token)
{
    const struct epoch_start *start = epoch_history_find(&core->log.history, token->pos.epoch);
    return token->origin != 0 && start != NULL && start->chain.low != token->origin;
}

/* ---- At the primary -------------------------------------------------------------------------- */

/* The replica's last record is of an epoch that both hold, but it came to it by other records.
 * Where in the epoch they part nobody knows: what the replica holds as committed stands, if it can;
 * the epoch's first record is the same. */
static uint64_t before_the_split(const struct core *core, const struct core_msg *attach)
{
    struct candor_epoch epoch = epoch_history_at(&attach->attach.history, attach->attach.last);
    const struct epoch_start *start = epoch_history_find(&core->log.history, epoch);
    ASSERT(start != NULL);
    uint64_t commit = attach->attach.commit;
    return commit < attach->attach.last ? max_u64(start->first_seq, commit) : start->first_seq;
}

/* The oldest epochs are forgotten (LIMIT_EPOCH_HISTORY): of a log that ends before those that are
 * left the histories tell nothing. */
bool chain_forgets(const struct core *core, const struct epoch_history *theirs, uint64_t last)
{
    const struct epoch_history *ours = &core->log.history;
    return last > 0 && ours->count == LIMIT_EPOCH_HISTORY &&
           epoch_compare(epoch_history_at(theirs, last), ours->starts[0].epoch) < 0;
}

bool chain_common(const struct core *core, const struct core_msg *attach, uint64_t *common)
{
    uint64_t last = attach->attach.last;
    *common =
        epoch_history_common(&core->log.history, core->log.durable, &attach->attach.history, last);
    if (chain_forgets(core, &attach->attach.history, last)) {
        bool same = attach->attach.here.seq == last &&
                    chain_equal(attach->attach.here.chain, attach->attach.chain);
        *common = same ? last : 0;
        return true;
    }
    /* it must go back first; or there is nothing to compare any more */
    if (*common < last || last == 0 || last + 1 < core->log.first ||
        mutated(core, ATTACH_CHAIN_UNCHECKED))
        return true;
    const struct chain_at *here = &attach->attach.here;
    if (here->seq != last)
        return false;
    if (!chain_equal(here->chain, attach->attach.chain))
        *common = before_the_split(core, attach);
    return true;
}
