/* Invariants of one node (docs/protocol.md §12), asserted. */
#include "core/state.h"

#include "core/core.h"
#include "core/who.h"
#include "core/writes.h"

/* What one node can see of docs/protocol.md §12. */
void core_check(const struct core *core)
{
    ASSERT_U64(core->log.durable, <=, core->log.last); /* I4 */
    ASSERT_U64(core->log.commit, <=, core->log.durable);
    ASSERT_U64(core->log.local.floor, >=, core->log.commit); /* R42 */
    if (core->phase < PHASE_OPENING)
        ASSERT_U64(core->follow.match, <=, core->log.last);
    /* R15 */
    if (core->follow.attach != ATTACH_DONE && !any_mutation(core))
        ASSERT_U64(core->follow.match, ==, 0);
    if (core->phase >= PHASE_PROMISING) { /* I1 */
        ASSERT(node_id_equal(core->epoch.owner, core->config.self));
        ASSERT(core->follow.attach == ATTACH_NONE);
    }
    if (core->phase == PHASE_PRIMARY) {
        ASSERT(core->lead.epoch_first > 0);
        ASSERT(epoch_equal(epoch_history_at(&core->log.history, core->log.durable), core->epoch));
        if (!any_mutation(core)) /* R68 */
            ASSERT(core->lead.staged <= core->log.durable || !who_settled(core));
    }
    for (uint32_t i = 0; i + 1 < core->log.history.count; i++) {
        ASSERT_U64(core->log.history.starts[i].first_seq, <,
                   core->log.history.starts[i + 1].first_seq);
        ASSERT(epoch_compare(core->log.history.starts[i].epoch,
                             core->log.history.starts[i + 1].epoch) < 0);
    }
    if (core->log.durable > 0) { /* a log begins with an EPOCH_START */
        ASSERT(core->log.history.count > 0);
        if (core->log.history.count < LIMIT_EPOCH_HISTORY)
            ASSERT_U64(core->log.history.starts[0].first_seq, ==, 1);
    }
    if (who_settled(core))
        ASSERT_U64(core->log.end.seq, ==, core->log.last);
    if (core->log.history.count > 0)
        ASSERT_U64(core->log.history.starts[core->log.history.count - 1].first_seq, <=,
                   core->log.last);
    ASSERT_U64(core->hard.saved, <=, core->hard.version);
    ASSERT_U64(core->writer.appends, <=, core->writer.owed.count);
    ASSERT_U64(core->reads.count, <=, LIMIT_PENDING_READS); /* I14 */
    ASSERT_U64(writes_pending(core), <=, LIMIT_PENDING_WRITES);
    ASSERT_U64(core->proof.pending_count, <=, LIMIT_EVIDENCE);
    ASSERT_U64(core->votes.count, <=, PENDING_ANSWERS);
}
