/* Leading an epoch: what replicas say, and what is due. */
#include "core/primary.h"

#include "core/act.h"
#include "core/become.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/doubt.h"
#include "core/expiry.h"
#include "core/heartbeat.h"
#include "core/risk.h"
#include "core/room.h"
#include "core/stand.h"
#include "core/transfer.h"
#include "core/voters.h"
#include "core/who.h"
#include "core/writes.h"

/* EPOCH_START and MEMBERS of the epoch under way. */
void primary_appended(struct core *core, const struct core_event *event)
{
    if (event->appended.code != CANDOR_OK) {
        core->lead.members_in_flight = false;
        voters_not_stored(core, event);
        if (core->phase == PHASE_OPENING) {
            become_follower(core, "EPOCH_START could not be stored");
            stand_not_stored(core, event);
        }
        stand_plan(core);
        return;
    }
    if (core->phase == PHASE_OPENING) {
        become_primary(core, event->appended.first_seq);
    } else {
        core->lead.members_in_flight = false;
        core->lead.members_seq = event->appended.first_seq;
    }
    heartbeat_publish_records(core, event->appended.batches);
    commit_advance(core);
}

/* R68: its numbers are taken, whoever holds its records. This epoch has no others to give. */
void primary_withdrawn(struct core *core, struct candor_epoch epoch)
{
    risk_cut(core);
    if (core->phase != PHASE_PRIMARY || !epoch_equal(epoch, core->epoch) ||
        mutated(core, WITHDRAWN_LEADS))
        return;
    become_follower(core, "records that were published could not be stored");
    stand_plan(core);
}

/* ---- Replicas, as the primary sees them ------------------------------------------------------ */

static void note_answer(const struct core *core, struct peer *peer, uint64_t hb_id)
{
    if (hb_id <= core->lead.hb_id) /* what was never sent nobody can have heard: hostile */
        peer->answered_hb = max_u64(peer->answered_hb, hb_id);
}

static const char OUTVOTED[] = "most voters hold other data than this node";

void primary_digest_noted(struct core *core)
{
    if (doubt_noted(core))
        become_follower(core, OUTVOTED);
}

void primary_status(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    /* R7 */
    if (!epoch_equal(msg->header.epoch, core->epoch))
        return;
    note_answer(core, peer, msg->status.hb_id);
    heartbeat_seen(core, peer, msg->status.seen_hb);
    peer->promise_ns = msg->status.promise_ns;
    peer->no_room = msg->status.no_room;
    heartbeat_sample(core, peer, msg->status.ts_ns);
    uint64_t match = min_u64(msg->status.match, msg->status.durable);
    bool unbounded = mutated(core, MATCH_UNATTACHED);
    unbounded = unbounded || mutated(core, COMMIT_WITHOUT_SELF);
    unbounded = unbounded || mutated(core, OLD_BOOT_ACCEPTED);
    /* nobody can match what was not published: hostile */
    if (!unbounded)
        match = min_u64(match, who_published(core));
    if (doubt_status(core, peer, msg)) {
        become_follower(core, OUTVOTED);
        return;
    }
    if (core->phase != PHASE_PRIMARY)
        return;
    if (peer->differs_seq == 0)
        peer->match = max_u64(peer->match, match);
    commit_confirm(core);
    commit_advance(core);
}

/* R73: it brings the replica its evidence, and is no answer: majorities are made of what nodes have
 * said themselves. */
void primary_relayed_status(struct core *core, const struct peer *relay, const struct core_msg *msg)
{
    struct peer *peer = who_peer(core, msg->relayed_status.node);
    bool of_this_epoch = epoch_equal(msg->header.epoch, core->epoch);
    if (!of_this_epoch || peer == NULL || peer == relay || msg->relayed_status.store_id == 0)
        return;
    heartbeat_sample_relayed(core, peer, msg);
    if (mutated(core, RELAYED_COUNTED)) {
        note_answer(core, peer, msg->relayed_status.seen_hb);
        commit_confirm(core);
    }
}

/* More records of this very epoch than this core knows to be durable can only have come from its
 * own disk: staged (R68), or in a snapshot. The writer's answer is on its way. To cut them off
 * would archive what is about to be committed. */
static bool is_ahead_of_core(const struct core *core, const struct epoch_history *history,
                             uint64_t last)
{
    return last > core->log.durable && epoch_equal(epoch_history_at(history, last), core->epoch);
}

void primary_attach(struct core *core, struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg)
{
    struct core_msg *reply = act_message(core, CORE_MSG_ATTACH_ANSWER);
    bool mine =
        peer != NULL && core->phase == PHASE_PRIMARY && epoch_equal(msg->header.epoch, core->epoch);
    uint64_t common = 0;
    if (mine && chain_common(core, msg, &common)) {
        reply->attach_answer.seq = common;
        if (is_ahead_of_core(core, &msg->attach.history, msg->attach.last))
            reply->attach_answer.verdict = CORE_REFUSED;
        else if (common == 0 && chain_forgets(core, &msg->attach.history, msg->attach.last))
            reply->attach_answer.verdict = CORE_SNAPSHOT;
        else if (common < msg->attach.last)
            reply->attach_answer.verdict = CORE_TRUNCATE_TO;
        else if (common + 1 < core->log.first)
            reply->attach_answer.verdict = CORE_SNAPSHOT;
        else
            reply->attach_answer.verdict = CORE_CONTINUE;
    }
    act_answer(core, ticket, reply);
}

/* ---- Whether it still leads, and what is due ------------------------------------------------- */

static bool writer_stalled(const struct core *core)
{
    return core->writer.owed.count > 0 &&
           saturating_sub(core->now_ns, core->writer.since_ns) > core->config.writer_stall_ns;
}

/* R25: a majority has not answered for T. */
static bool leadership_lapsed(const struct core *core)
{
    uint64_t since_ns = max_u64(core->lead.confirmed_ns, core->lead.opened_ns);
    return core->config.automatic_failover && !mutated(core, LEADS_UNCONFIRMED) &&
           saturating_sub(core->now_ns, since_ns) > core->config.election_timeout_ns;
}

void primary_tick(struct core *core)
{
    if (core->phase < PHASE_OPENING)
        return;
    if (writer_stalled(core) && !mutated(core, STALLED_LEADS)) {
        become_follower(core, "the writer stalls"); /* R6 */
        stand_plan(core);
        return;
    }
    if (core->phase != PHASE_PRIMARY)
        return;
    if (leadership_lapsed(core)) {
        become_follower(core, "no majority answers");
        stand_plan(core);
        return;
    }
    room_tick(core);
    transfer_tick(core); /* may want a heartbeat */
    heartbeat_tick(core);
    voters_tick(core);
    expiry_tick(core);
    writes_release(core);
}

uint64_t primary_wake_ns(const struct core *core)
{
    if (core->phase < PHASE_OPENING)
        return UINT64_MAX;
    uint64_t wake_ns = writes_wake_ns(core);
    if (core->phase == PHASE_PRIMARY) {
        wake_ns = min_u64(wake_ns, min_u64(heartbeat_wake_ns(core), room_wake_ns(core)));
        wake_ns = min_u64(wake_ns, expiry_wake_ns(core));
    }
    if (core->writer.owed.count > 0)
        wake_ns = min_u64(wake_ns, core->writer.since_ns + core->config.writer_stall_ns + 1);
    return wake_ns;
}
