#include "core/internal.h"

/* What one node can see of docs/protocol.md §12. */
void core_check(const struct core *core)
{
    ASSERT_U64(core->durable, <=, core->last); /* I4 */
    ASSERT_U64(core->commit, <=, core->durable);
    ASSERT_U64(core->local.floor, >=, core->commit); /* R42 */
    if (core->phase < PHASE_OPENING)
        ASSERT_U64(core->match, <=, core->last);
    if (core->attach != ATTACH_DONE && !any_mutation(core))
        ASSERT_U64(core->match, ==, 0);   /* R15 */
    if (core->phase >= PHASE_PROMISING) { /* I1 */
        ASSERT(node_id_equal(core->epoch.owner, core->config.self));
        ASSERT(core->attach == ATTACH_NONE);
    }
    if (core->phase == PHASE_PRIMARY) {
        ASSERT(core->epoch_first > 0);
        ASSERT(epoch_equal(epoch_history_at(&core->history, core->durable), core->epoch));
    }
    for (uint32_t i = 0; i + 1 < core->history.count; i++) {
        ASSERT_U64(core->history.starts[i].first_seq, <, core->history.starts[i + 1].first_seq);
        ASSERT(epoch_compare(core->history.starts[i].epoch, core->history.starts[i + 1].epoch) < 0);
    }
    if (core->durable > 0) { /* a log begins with an EPOCH_START */
        ASSERT(core->history.count > 0);
        ASSERT_U64(core->history.starts[0].first_seq, ==, 1);
    }
    if (settled(core))
        ASSERT_U64(core->end.seq, ==, core->last);
    if (core->history.count > 0)
        ASSERT_U64(core->history.starts[core->history.count - 1].first_seq, <=, core->last);
    ASSERT_U64(core->hard_saved, <=, core->hard_version);
    ASSERT_U64(core->appends_outstanding, <=, core->work_outstanding);
    ASSERT_U64(core->reads.count, <=, LIMIT_PENDING_READS); /* I14 */
    ASSERT_U64(writes_pending(core), <=, LIMIT_PENDING_WRITES);
    ASSERT_U64(core->pending_count, <=, LIMIT_EVIDENCE);
    ASSERT_U64(core->answer_count, <=, PENDING_ANSWERS);
}
