/* Attaching to an epoch: how this node's log relates to the primary's (R11, R12, R15, R56). */
#include "core/attach.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/digests.h"
#include "core/evidence.h"
#include "core/follow.h"
#include "core/notice.h"
#include "core/relay.h"
#include "core/resync.h"
#include "core/risk.h"
#include "core/room.h"
#include "core/stand.h"
#include "core/who.h"
#include "core/work.h"

bool attach_may(const struct core *core)
{
    return core->phase < PHASE_OPENING && core->follow.attach == ATTACH_NONE &&
           core->follow.heard && core->now_ns >= core->follow.attach_retry_ns &&
           who_settled(core) && who_hard_state_durable(core) &&
           (!core->fork.forked || core->fork.accepting ||
            !epoch_equal(core->fork.judged, core->epoch));
}

void attach_ask(struct core *core)
{
    struct core_msg *msg = act_message(core, CORE_MSG_ATTACH);
    ASSERT_U64(core->log.end.seq, ==, core->log.last);
    msg->attach.last = core->log.last;
    msg->attach.commit = core->log.commit;
    msg->attach.chain = core->log.end.chain;
    msg->attach.history = core->log.history;
    core->follow.attach = ATTACH_ASKED;
    core->follow.attach_nonce = act_call(core, relay_source(core), msg);
}

static void attached(struct core *core)
{
    core->follow.attach = ATTACH_DONE;
    core->follow.attach_failures = 0;
    core->follow.match = core->log.last;
    follow_fork_ends(core);
    act_log(core, LOG_LEVEL_INFO, "attached primary=%s match=%" PRIu64, core->epoch.owner.text,
            core->follow.match);
    commit_learn(core, core->follow.announced_commit);
    evidence_weigh(core);
}

static void start_truncate(struct core *core, uint64_t to)
{
    bool committed = to < core->log.commit && !mutated(core, TRUNCATE_COMMITTED);
    if (committed && !core->fork.accepting) {
        follow_fork(core, to); /* R12 */
        return;
    }
    if (committed) { /* what is committed cannot be undone: the winner's state replaces it */
        core->fork.shared_seq = to;
        resync_fetch(core, 0);
        return;
    }
    core->follow.attach = ATTACH_TRUNCATING;
    act_log(core, LOG_LEVEL_WARN, "rollback from=%" PRIu64 " to=%" PRIu64, core->log.last, to);
    work_give(core, CORE_ACTION_TRUNCATE)->cut =
        (struct core_action_cut){.seq = to, .epoch = core->epoch};
}

void attach_answer(struct core *core, const struct core_msg *msg)
{
    if (core->follow.attach != ATTACH_ASKED || !epoch_equal(msg->header.epoch, core->epoch)) {
        if (core->follow.attach == ATTACH_ASKED)
            follow_retry(core);
        return;
    }
    core->follow.attach_nonce = 0;
    core->fork.shared_seq = UINT64_MAX;
    uint64_t seq = msg->attach_answer.seq;
    switch (msg->attach_answer.verdict) {
    case CORE_CONTINUE:
        if (seq == core->log.last)
            attached(core);
        else
            follow_retry(core);
        break;
    case CORE_TRUNCATE_TO:
        if (seq < core->log.last)
            start_truncate(core, seq);
        else
            follow_retry(core);
        break;
    case CORE_SNAPSHOT:
        resync_fetch(core, 0);
        act_log(core, LOG_LEVEL_INFO, "snapshot_wanted from=%s last=%" PRIu64,
                core->epoch.owner.text, core->log.last);
        break;
    case CORE_REFUSED:
        follow_retry(core);
        notice_not_attached(core);
        break;
    }
}

void attach_truncated(struct core *core, const struct core_event *event)
{
    ASSERT_U64(event->truncated.last, <=, core->log.last);
    core->log.last = core->log.durable = event->truncated.last;
    /* it may have begun with a snapshot above */
    core->log.first = min_u64(core->log.first, core->log.last + 1);
    core->log.rewinds = event->truncated.rewinds;
    digests_restart(core, core->log.last, event->truncated.digest);
    chain_note(core, core->log.last, event->truncated.chain);
    room_note(core, false);
    epoch_history_truncate(&core->log.history, core->log.last);
    core->log.members = *event->truncated.members;
    core->log.pending_member_count = 0;
    core->log.commit = min_u64(core->log.commit, core->log.last);
    risk_cut(core);
    evidence_forget(core);
    core->follow.attach = ATTACH_NONE;
    act_log(core, LOG_LEVEL_INFO, "rolled_back last=%" PRIu64, core->log.last);
    stand_plan(core);
}

/* ---- At a relay (R75) ------------------------------------------------------------------------ */

/* What this node has verified is the primary's log up to there. */
static bool may_compare(const struct core *core, const struct peer *peer,
                        const struct core_msg *msg)
{
    return peer != NULL && core->phase < PHASE_OPENING && core->follow.attach == ATTACH_DONE &&
           epoch_equal(msg->header.epoch, core->epoch) && core->follow.match >= core->log.durable &&
           msg->attach.here_rewinds == core->log.rewinds &&
           !chain_forgets(core, &msg->attach.history, msg->attach.last);
}

/* Where the replica's log is longer than what this node has verified, and they part nowhere before,
 * only the primary knows. */
static enum core_verdict verdict_of(const struct core *core, const struct core_msg *msg,
                                    uint64_t common)
{
    bool compared = msg->attach.last == 0 || msg->attach.last + 1 >= core->log.first;
    if (common == msg->attach.last)
        return compared && common + 1 >= core->log.first ? CORE_CONTINUE : CORE_REFUSED;
    bool parts = common < core->log.durable || mutated(core, RELAY_CUTS_UNPROVEN);
    return parts ? CORE_TRUNCATE_TO : CORE_REFUSED;
}

void attach_compare(struct core *core, const struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg)
{
    struct core_msg *reply = act_message(core, CORE_MSG_ATTACH_ANSWER);
    uint64_t common = 0;
    if (may_compare(core, peer, msg) && chain_common(core, msg, &common)) {
        reply->attach_answer.verdict = verdict_of(core, msg, common);
        reply->attach_answer.seq = common;
    }
    act_answer(core, ticket, reply);
}

void attach_accept_history(struct core *core, const struct core_event *event)
{
    const char *why = NULL;
    if (!core->fork.forked)
        why = "this node is not FORKED: it has no branch to give up";
    else if (core->fork.ticket != 0)
        why = "accept-history is under way here already";
    if (why != NULL) {
        act_finish_text(core, event->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                        (struct candor_pos){0}, "%s", why);
        return;
    }
    core->fork.accepting = true;
    core->fork.ticket = event->ticket;
    core->fork.deadline_ns = event->accept.deadline_ns;
    core->follow.attach_retry_ns = 0;
}

/* The consent was to join the primary of that moment. What the writer has begun goes on. */
void attach_tick(struct core *core)
{
    if (core->fork.ticket == 0 || core->now_ns < core->fork.deadline_ns)
        return;
    bool begun = core->follow.attach > ATTACH_ASKED;
    act_finish_text(core, core->fork.ticket, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                    (struct candor_pos){0},
                    begun ? "it is taking the primary's history, and goes on: see kvctl status"
                          : "no primary has answered: nothing was given up");
    core->fork.ticket = 0;
    core->fork.accepting = begun;
}
