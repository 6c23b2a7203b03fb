/* Events are taken one by one and given to whom they concern; then all look at the clock, once. */
#include "core/state.h"

#include "core/act.h"
#include "core/attach.h"
#include "core/campaign.h"
#include "core/chain.h"
#include "core/core.h"
#include "core/digests.h"
#include "core/epoch.h"
#include "core/expiry.h"
#include "core/lives.h"
#include "core/notice.h"
#include "core/primary.h"
#include "core/promote.h"
#include "core/records.h"
#include "core/relay.h"
#include "core/replica.h"
#include "core/resync.h"
#include "core/room.h"
#include "core/sender.h"
#include "core/stand.h"
#include "core/transfer.h"
#include "core/vote.h"
#include "core/voters.h"
#include "core/wait.h"
#include "core/waiting.h"
#include "core/who.h"
#include "core/work.h"
#include "core/writes.h"

static void on_stream(struct core *core, struct candor_node_id dialled, const struct core_msg *msg)
{
    struct peer *peer = sender_known(core, dialled, &msg->header);
    if (peer == NULL)
        return;
    if (!epoch_learn(core, peer, &msg->header))
        return;
    lives_heard(core, peer, msg);
    if (msg->type == CORE_MSG_HEARTBEAT) {
        epoch_founded(core);
        epoch_take_cluster(core, msg->header.cluster_id);
        relay_hears(core, peer, &msg->heartbeat.missed);
        peer->hearing = CORE_HEARING_UNSAID; /* it leads, or did */
    } else if (msg->type == CORE_MSG_STATUS) {
        relay_hears(core, peer, &msg->status.missed);
    }
    peer->epoch = msg->header.epoch;
    bool old_epoch = epoch_compare(msg->header.epoch, core->epoch) < 0;
    if (old_epoch && !mutated(core, OLD_EPOCH_ACCEPTED)) {
        if (msg->type == CORE_MSG_STATUS)
            peer->state = msg->status.state;
        peer->hearing = CORE_HEARING_UNSAID; /* it is of another primary */
        return;                              /* R7 */
    }
    bool from_owner = node_id_equal(msg->header.node, core->epoch.owner) ||
                      (old_epoch && node_id_equal(msg->header.node, msg->header.epoch.owner));
    switch (msg->type) {
    case CORE_MSG_HEARTBEAT:
        if (from_owner && core->phase < PHASE_OPENING)
            replica_heartbeat(core, msg);
        break;
    case CORE_MSG_RECORDS:
        if (from_owner && core->phase < PHASE_OPENING)
            records_take(core, msg);
        break;
    case CORE_MSG_RELAYED_HEARTBEAT:
        replica_relayed(core, peer, msg);
        break;
    case CORE_MSG_RELAYED_STATUS:
        if (core->phase == PHASE_PRIMARY)
            primary_relayed_status(core, peer, msg);
        break;
    case CORE_MSG_STATUS:
        peer->state = msg->status.state;
        relay_status(core, peer, msg);
        if (core->phase == PHASE_PRIMARY)
            primary_status(core, peer, msg);
        else
            campaign_heard(core, peer);
        break;
    default:
        break; /* not a stream message: hostile */
    }
}

static void on_request(struct core *core, uint64_t ticket, const struct core_msg *msg)
{
    struct peer *peer = sender_named(core, &msg->header);
    notice_unknown(core, &msg->header);
    if (peer != NULL && mutated(core, REQUEST_TEACHES))
        (void)epoch_learn(core, peer, &msg->header);
    switch (msg->type) {
    case CORE_MSG_PRE_VOTE:
    case CORE_MSG_VOTE:
        vote_request(core, peer, ticket, msg);
        return;
    case CORE_MSG_ATTACH:
        if (core->phase == PHASE_PRIMARY)
            primary_attach(core, peer, ticket, msg);
        else
            attach_compare(core, peer, ticket, msg);
        return;
    case CORE_MSG_TRANSFER:
        vote_transfer_request(core, peer, ticket, msg);
        return;
    case CORE_MSG_READ_INDEX:
        wait_remote(core, peer, ticket, msg);
        return;
    case CORE_MSG_LIFE:
        lives_request(core, peer, ticket, msg);
        return;
    default:
        act_answer(core, ticket, act_message(core, CORE_MSG_ATTACH_ANSWER));
    }
}

static void call_failed(struct core *core, uint64_t nonce)
{
    if (!campaign_call_failed(core, nonce) && !wait_call_failed(core, nonce) &&
        !lives_call_failed(core, nonce) && !transfer_answer(core, nonce, NULL))
        replica_call_failed(core, nonce);
}

static void on_reply(struct core *core, struct candor_node_id called, uint64_t nonce,
                     const struct core_msg *msg)
{
    struct peer *peer = sender_known(core, called, &msg->header);
    if (peer == NULL || !epoch_learn(core, peer, &msg->header)) {
        call_failed(core, nonce);
        return;
    }
    switch (msg->type) {
    case CORE_MSG_VOTE_ANSWER:
        if (!transfer_answer(core, nonce, msg))
            campaign_answer(core, peer, nonce, msg);
        break;
    case CORE_MSG_ATTACH_ANSWER:
        if (nonce == core->follow.attach_nonce || mutated(core, LATE_ANSWER_TAKEN)) /* R8 */
            attach_answer(core, msg);
        break;
    case CORE_MSG_FETCH_ANSWER:
        if (nonce == core->follow.fetch_nonce)
            records_fetched(core, msg);
        break;
    case CORE_MSG_READ_INDEX_ANSWER:
        wait_index_answer(core, nonce, msg);
        break;
    case CORE_MSG_LIFE_ANSWER:
        lives_answer(core, peer, nonce, msg);
        break;
    default:
        break;
    }
}

static void on_saved(struct core *core)
{
    enum core_action_type work = work_answered(core);
    ASSERT(work == CORE_ACTION_SAVE);
    core->hard.saved++;
    ASSERT_U64(core->hard.saved, <=, core->hard.version);
    if (who_hard_state_durable(core))
        core->hard.stored_epoch = core->epoch;
    vote_saved(core);
    campaign_saved(core);
}

/* Stored members become the members when the log holds them (R29). */
static void members_stored(struct core *core)
{
    uint32_t i = 0;
    while (i < core->log.pending_member_count &&
           core->log.pending_members[i].seq <= core->log.durable)
        core->log.members = core->log.pending_members[i++].members;
    memmove(core->log.pending_members, core->log.pending_members + i,
            (core->log.pending_member_count - i) * sizeof core->log.pending_members[0]);
    core->log.pending_member_count -= i;
    /* whoever is admitted only now may stand from now on */
    if (i > 0 && core->stand.due_ns == UINT64_MAX)
        stand_plan(core);
}

/* The own EPOCH_START and MEMBERS are in the log, whatever has become of the epoch that wrote
 * them. */
static void own_meta_stored(struct core *core, enum core_action_type work,
                            const struct core_event *event)
{
    if (work == CORE_ACTION_EPOCH_START) {
        ASSERT_U64(event->appended.end.seq, ==, event->appended.first_seq);
        epoch_history_append(&core->log.history,
                             &(struct epoch_start){event->appended.epoch, event->appended.first_seq,
                                                   event->appended.end.chain});
        /* It is founded, even if the epoch ended before this was stored. In manual mode it stands
         * again, as it would after a restart (R5). */
        core->stand.founding = false;
        if (core->phase != PHASE_OPENING && who_leads_by_hand(core)) {
            core->stand.resuming = true;
            stand_plan(core);
        }
    }
    if (work == CORE_ACTION_EPOCH_START || work == CORE_ACTION_MEMBERS)
        core->log.members = core->members_proposed;
}

static void on_appended(struct core *core, const struct core_event *event)
{
    enum core_action_type work = work_answered(core);
    ASSERT(work_is_append(work));
    /* A write that is refused may have come with a group that is stored. */
    bool grown = event->appended.last_seq > core->log.durable;
    bool stored = event->appended.code == CANDOR_OK && grown;
    if (grown) {
        core->log.durable = event->appended.last_seq;
        core->log.last = max_u64(core->log.last, core->log.durable);
        if (work != CORE_ACTION_APPEND && event->appended.end.seq == core->log.durable)
            chain_note(core, core->log.durable, event->appended.end.chain);
        if (event->appended.digest.seq == core->log.durable)
            digests_note(core, core->log.durable, event->appended.digest.digest);
        members_stored(core);
        if (stored)
            own_meta_stored(core, work, event);
        primary_digest_noted(core);
    }
    if (event->appended.code == CANDOR_RESOURCE_EXHAUSTED &&
        event->appended.reason == CANDOR_REASON_DISK_FULL)
        room_note(core, true);
    else if (stored)
        room_note(core, false);
    bool opens = work == CORE_ACTION_EPOCH_START;
    /* a forced epoch comes with its EPOCH_START (R28) */
    if (opens && stored && epoch_equal(event->appended.epoch, core->epoch))
        core->hard.stored_epoch = core->epoch;
    bool leads = core->phase >= PHASE_OPENING && epoch_equal(event->appended.epoch, core->epoch);
    if (work == CORE_ACTION_WRITE || work == CORE_ACTION_EXPIRE)
        expiry_next(core, event);
    if (work == CORE_ACTION_WRITE)
        writes_answered(core, event);
    else if (work == CORE_ACTION_EXPIRE)
        expiry_done(core, event);
    else if (work == CORE_ACTION_APPEND)
        records_appended(core, event);
    else if (leads)
        primary_appended(core, event);
    /* it is nowhere */
    if (opens && !stored && epoch_equal(event->appended.epoch, core->epoch))
        core->epoch = core->hard.stored_epoch;
}

/* R51. A ticket that is not open was finished meanwhile. */
static void on_cancel(struct core *core, uint64_t ticket)
{
    enum waiter waiter;
    uint64_t number;
    if (!waiter_find(core, ticket, &waiter, &number))
        return;
    if (waiter == WAITER_READ)
        wait_cancel(core, (uint32_t)number);
    else
        writes_cancel(core, waiter, number);
}

static void dispatch(struct core *core, const struct core_event *event)
{
    switch (event->type) {
    case CORE_EVENT_NONE:
        ASSERT(!"an event that concerns the shell alone");
        break;
    case CORE_EVENT_STREAM:
        on_stream(core, event->peer, event->msg);
        break;
    case CORE_EVENT_REQUEST:
        on_request(core, event->ticket, event->msg);
        break;
    case CORE_EVENT_REPLY:
        on_reply(core, event->peer, event->nonce, event->msg);
        break;
    case CORE_EVENT_CALL_FAILED:
        call_failed(core, event->nonce);
        break;
    case CORE_EVENT_PEER_LOST:
        campaign_peer_lost(core, event->peer);
        break;
    case CORE_EVENT_SAVED:
        on_saved(core);
        break;
    case CORE_EVENT_STAGED:
        writes_staged(core, event);
        break;
    case CORE_EVENT_WITHDRAWN:
        primary_withdrawn(core, event->staged.epoch);
        break;
    case CORE_EVENT_APPENDED:
        on_appended(core, event);
        break;
    case CORE_EVENT_TRUNCATED:
        (void)work_answered(core);
        attach_truncated(core, event);
        break;
    case CORE_EVENT_INSTALLED:
        (void)work_answered(core);
        resync_installed(core, event);
        break;
    case CORE_EVENT_SNAPSHOT_READY:
        resync_ready(core, event);
        break;
    case CORE_EVENT_SNAPSHOT_FAILED:
        resync_failed(core);
        break;
    case CORE_EVENT_WRITE:
        writes_take(core, event);
        break;
    case CORE_EVENT_WAIT:
        wait_read(core, event);
        break;
    case CORE_EVENT_PROMOTE:
        promote_begin(core, event);
        break;
    case CORE_EVENT_ACCEPT_HISTORY:
        attach_accept_history(core, event);
        break;
    case CORE_EVENT_TRANSFER:
        transfer_begin(core, event);
        break;
    case CORE_EVENT_SET_VOTER:
        voters_set(core, event);
        break;
    case CORE_EVENT_CANCEL:
        on_cancel(core, event->ticket);
        break;
    case CORE_EVENT_TRIMMED:
        core->log.first =
            max_u64(core->log.first, min_u64(event->trimmed.log_first, core->log.last + 1));
        break;
    }
}

static void reset_silent_peers(struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        uint64_t since_ns = max_u64(peer->heard_ns, peer->reset_ns);
        if (saturating_sub(core->now_ns, since_ns) < who_silence_ns(core))
            continue;
        peer->reset_ns = core->now_ns;
        act_new(core, CORE_ACTION_RESET_PEER)->reset_peer.peer = peer->id;
    }
}

static void begin(struct core *core, uint64_t now_ns, struct core_actions *actions)
{
    ASSERT_U64(now_ns, >=, core->now_ns);
    if (now_ns - core->now_ns >= who_silence_ns(core))
        core->woke_ns = now_ns;
    core->now_ns = now_ns;
    core->actions = actions;
    actions->count = 0;
    core->out.count = 0;
}

void core_take(struct core *core, const struct core_event *event, uint64_t now_ns,
               struct core_actions *actions)
{
    begin(core, now_ns, actions);
    dispatch(core, event);
    core->actions = NULL;
}

void core_flush(struct core *core, uint64_t now_ns, struct core_actions *actions)
{
    begin(core, now_ns, actions);
    lives_tick(core);
    campaign_tick(core);
    wait_progress(core); /* may want a heartbeat */
    primary_tick(core);
    replica_tick(core);
    wait_progress(core); /* which confirms at once where a majority is one */
    reset_silent_peers(core);
    notice_tick(core);
    stand_settle(core);
    core->actions = NULL;
}

bool core_hears_late(const struct core *core)
{
    return core->phase == PHASE_FOLLOWER && core->follow.attach == ATTACH_DONE &&
           !relay_serves(core) && !relay_is_used(core);
}

uint64_t core_next_wake_ns(const struct core *core)
{
    uint64_t wake_ns = min_u64(min_u64(campaign_wake_ns(core), primary_wake_ns(core)),
                               min_u64(replica_wake_ns(core), wait_wake_ns(core)));
    wake_ns = min_u64(wake_ns, lives_wake_ns(core));
    for (uint32_t i = 0; i < core->peer_count; i++)
        wake_ns = min_u64(wake_ns, max_u64(core->peers[i].heard_ns, core->peers[i].reset_ns) +
                                       who_silence_ns(core));
    return wake_ns;
}
