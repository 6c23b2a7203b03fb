#include "core/internal.h"

/* What one node can see of docs/protocol.md §12. */
void core_check(const struct core *core)
{
    ASSERT_U64(core->durable, <=, core->last); /* I4 */
    ASSERT_U64(core->commit, <=, core->durable);
    ASSERT_U64(core->local.floor, >=, core->commit); /* R42 */
    if (core->phase < PHASE_OPENING)
        ASSERT_U64(core->match, <=, core->last);
    if (core->attach != ATTACH_DONE && core->config.mutation == 0)
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
    if (core->history.count > 0)
        ASSERT_U64(core->history.starts[core->history.count - 1].first_seq, <=, core->last);
    ASSERT_U64(core->hard_saved, <=, core->hard_version);
    ASSERT_U64(core->appends_outstanding, <=, core->work_outstanding);
    ASSERT_U64(core->reads.count, <=, LIMIT_PENDING_READS); /* I14 */
    ASSERT_U64(writes_pending(core), <=, LIMIT_PENDING_WRITES);
    ASSERT_U64(core->pending_count, <=, LIMIT_EVIDENCE);
    ASSERT_U64(core->answer_count, <=, PENDING_ANSWERS);
}

const char *core_mutation_name(enum core_mutation mutation)
{
    static const char *const names[CORE_MUTATION_COUNT] = {
        [CORE_MUTATION_NONE] = "none",
        [CORE_MUTATION_NEVER_STALE] = "never_stale",
        [CORE_MUTATION_ACK_BEFORE_FSYNC] = "ack_before_fsync",
        [CORE_MUTATION_VOTE_NOT_PERSISTED] = "vote_not_persisted",
        [CORE_MUTATION_RESUME_EPOCH] = "resume_epoch",
        [CORE_MUTATION_COMMIT_OLD_EPOCH] = "commit_old_epoch",
        [CORE_MUTATION_COMMIT_WITHOUT_SELF] = "commit_without_self",
        [CORE_MUTATION_COMMIT_ALIVE] = "commit_alive",
        [CORE_MUTATION_MATCH_UNATTACHED] = "match_unattached",
        [CORE_MUTATION_COMMIT_UNVERIFIED] = "commit_unverified",
        [CORE_MUTATION_ACK_OLD_EPOCH] = "ack_old_epoch",
        [CORE_MUTATION_EPOCH_BEFORE_STORED] = "epoch_before_stored",
        [CORE_MUTATION_OLD_EPOCH_ACCEPTED] = "old_epoch_accepted",
        [CORE_MUTATION_OLD_BOOT_ACCEPTED] = "old_boot_accepted",
        [CORE_MUTATION_NO_ATTACH] = "no_attach",
        [CORE_MUTATION_TRUNCATE_COMMITTED] = "truncate_committed",
        [CORE_MUTATION_VOTE_ANY_LOG] = "vote_any_log",
        [CORE_MUTATION_JOINING_VOTES] = "joining_votes",
        [CORE_MUTATION_ECHO_UNCONFIRMED] = "echo_unconfirmed",
        [CORE_MUTATION_ECHO_OF_ANY_DATA] = "echo_of_any_data",
        [CORE_MUTATION_ARRIVAL_IS_EVIDENCE] = "arrival_is_evidence",
        [CORE_MUTATION_EVIDENCE_KEPT] = "evidence_kept",
        [CORE_MUTATION_SNAPSHOT_ANY_EPOCH] = "snapshot_any_epoch",
        [CORE_MUTATION_READ_UNCONFIRMED] = "read_unconfirmed",
        [CORE_MUTATION_READ_UNCOMMITTED] = "read_uncommitted",
        [CORE_MUTATION_STALLED_REIGNS] = "stalled_reigns",
        [CORE_MUTATION_LEASE_KEPT] = "lease_kept",
        [CORE_MUTATION_LEASE_UNENDING] = "lease_unending",
        [CORE_MUTATION_LEASE_PROMISE_BROKEN] = "lease_promise_broken",
        [CORE_MUTATION_LEASE_FORGOTTEN] = "lease_forgotten",
        [CORE_MUTATION_LATE_ANSWER_TAKEN] = "late_answer_taken",
        [CORE_MUTATION_GAP_TAKEN] = "gap_taken",
        [CORE_MUTATION_UNCOMMITTED_UNBOUNDED] = "uncommitted_unbounded",
        [CORE_MUTATION_UNKNOWN_IS_REFUSED] = "unknown_is_refused",
        [CORE_MUTATION_VOTES_AGAINST_LIVE] = "votes_against_live",
        [CORE_MUTATION_ASKS_BEFORE_DURABLE] = "asks_before_durable",
        [CORE_MUTATION_REIGNS_UNCONFIRMED] = "reigns_unconfirmed",
        [CORE_MUTATION_TRANSFER_EARLY] = "transfer_early",
        [CORE_MUTATION_TRANSFER_UNNAMED] = "transfer_unnamed",
        [CORE_MUTATION_TRANSFER_OPEN] = "transfer_open",
        [CORE_MUTATION_MEMBERS_OVERLAP] = "members_overlap",
        [CORE_MUTATION_INDEX_EARLY] = "index_early",
        [CORE_MUTATION_LAG_WRAPS] = "lag_wraps",
        [CORE_MUTATION_REDIRECT_TO_SELF] = "redirect_to_self",
        [CORE_MUTATION_SENDER_UNCHECKED] = "sender_unchecked",
        [CORE_MUTATION_REQUEST_TEACHES] = "request_teaches",
        [CORE_MUTATION_CANCEL_IS_REFUSED] = "cancel_is_refused",
        [CORE_MUTATION_STEP_UNBOUNDED] = "step_unbounded",
        [CORE_MUTATION_LIFE_FOR_EVER] = "life_for_ever",
        [CORE_MUTATION_SESSION_UNJUDGED] = "session_unjudged",
        [CORE_MUTATION_AT_RISK_COUNTS_ALL] = "at_risk_counts_all",
        [CORE_MUTATION_FULL_DISK_REIGNS] = "full_disk_reigns",
    };
    ASSERT((unsigned)mutation < CORE_MUTATION_COUNT);
    return names[mutation];
}
