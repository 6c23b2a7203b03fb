#include "core/internal.h"

/* ---- Opening and closing a reign -------------------------------------------------------------------- */

static void forget_progress(struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        peer->match = 0;
        peer->shown = (struct digest_at){0};
        peer->equal_seq = peer->differs_seq = 0;
        peer->answered_hb = 0;
        peer->sample_count = 0;
        peer->has_echo = false;
        peer->echo_ts_ns = peer->told_ts_ns = peer->recorded_ts_ns = 0;
    }
    core->lead = (struct lead){0};
}

void primary_open(struct core *core)
{
    ASSERT(node_id_equal(core->epoch.owner, core->config.self));
    ASSERT(settled(core) && hard_state_durable(core));
    ASSERT_U64(core->log.last, ==, core->log.durable);
    core->phase = PHASE_OPENING;
    forget_progress(core);
    struct core_action *action = give_work(core, CORE_ACTION_EPOCH_START);
    action->epoch = core->epoch;
    action->cluster_id = core->cluster_id;
    action->members = &core->members_proposed;
}

void primary_step_down(struct core *core, const char *why)
{
    ASSERT(core->phase >= PHASE_OPENING);
    log_line(core, LOG_LEVEL_WARN, "stepped_down why=\"%s\"", why);
    if (core->phase == PHASE_PRIMARY)
        reign_closed(core);
    core->phase = PHASE_FOLLOWER;
    primary_deposed(core, core->epoch);
    /* Those with the writer are finished when it answers (R19); those with the voters now (R21). */
    writes_abandon(core);
    forget_progress(core);
    replica_reset(core);
    core->stand.resuming = !core->config.automatic_failover;
}

static void opened(struct core *core, uint64_t first_seq)
{
    core->lead.epoch_first = first_seq;
    core->phase = PHASE_PRIMARY;
    core->lead.opened_ns = core->now_ns;
    core->hearing.live_ns = 0;
    core->hearing.successor = (struct node_id){0};
    core->lead.heartbeat_due_ns = core->now_ns;
    char text[EPOCH_TEXT_BYTES];
    log_line(core, LOG_LEVEL_INFO, "primary epoch=%s first_seq=%" PRIu64,
             epoch_text(core->epoch, text), core->lead.epoch_first);
    reign_opened(core);
    doubt_opened(core);
    campaign_opened(core);
}

#ifdef CORE_MUTABLE /* breaks R5 */
void primary_continue(struct core *core)
{
    struct core_actions none = {0};
    core->actions = &none;
    opened(core, core->log.history.starts[core->log.history.count - 1].first_seq);
    core_actions_free(&none);
    core->actions = NULL;
}
#endif

/* EPOCH_START and MEMBERS of the reign under way. */
void primary_appended(struct core *core, const struct core_event *event)
{
    if (event->appended.code != CANDOR_OK) {
        core->lead.members_in_flight = false;
        if (core->phase == PHASE_OPENING) {
            primary_step_down(core, "EPOCH_START could not be stored");
            campaign_not_stored(core, event);
        }
        plan_campaign(core);
        return;
    }
    if (core->phase == PHASE_OPENING) {
        opened(core, event->appended.first_seq);
    } else {
        core->lead.members_in_flight = false;
        core->lead.members_seq = event->appended.first_seq;
    }
    publish_records(core, event->appended.batches);
    commit_advance(core);
}

/* ---- Replicas, as the primary sees them -------------------------------------------------------------- */

static void note_answer(const struct core *core, struct peer *peer, uint64_t hb_id)
{
    if (hb_id <= core->lead.hb_id) /* what was never sent nobody can have heard: hostile */
        peer->answered_hb = max_u64(peer->answered_hb, hb_id);
}

void primary_status(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    if (!epoch_equal(msg->header.epoch, core->epoch))
        return; /* R7 */
    note_answer(core, peer, msg->status.hb_id);
    peer->promise_ns = msg->status.promise_ns;
    peer->no_room = msg->status.no_room;
    heartbeat_sample(core, peer, msg->status.ts_ns);
    uint64_t match = min_u64(msg->status.match, msg->status.durable);
    if (!mutated(core, MATCH_UNATTACHED) && !mutated(core, COMMIT_WITHOUT_SELF) &&
        !mutated(core, OLD_BOOT_ACCEPTED))
        match = min_u64(match, core->log.durable); /* nobody can match what is not here: hostile */
    doubt_status(core, peer, msg);
    if (core->phase != PHASE_PRIMARY)
        return; /* its own data are in doubt */
    if (peer->differs_seq == 0)
        peer->match = max_u64(peer->match, match);
    confirm_leadership(core);
    commit_advance(core);
}

/* More records of this very reign than this core knows can only have come from its own disk, by Fetch or in a snapshot: the
 * writer's answer is on its way. To cut them off would archive what is about to be committed. */
static bool is_ahead_of_core(const struct core *core, const struct epoch_history *history,
                             uint64_t last)
{
    return last > core->log.durable && epoch_equal(epoch_history_at(history, last), core->epoch);
}

void primary_attach(struct core *core, struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg)
{
    struct core_msg *reply = message_new(core, CORE_MSG_ATTACH_ANSWER);
    bool mine =
        peer != NULL && core->phase == PHASE_PRIMARY && epoch_equal(msg->header.epoch, core->epoch);
    uint64_t common = 0;
    if (mine && chain_common(core, msg, &common)) {
        reply->attach_answer.seq = common;
        if (is_ahead_of_core(core, &msg->attach.history, msg->attach.last))
            reply->attach_answer.verdict = CORE_REFUSED;
        else if (common < msg->attach.last)
            reply->attach_answer.verdict = CORE_TRUNCATE_TO;
        else if (common + 1 < core->log.first)
            reply->attach_answer.verdict = CORE_SNAPSHOT;
        else
            reply->attach_answer.verdict = CORE_CONTINUE;
    }
    answer(core, ticket, reply);
}

void primary_deposed(struct core *core, struct epoch by)
{
    transfer_deposed(core, by);
    voters_deposed(core);
}

/* ---- Whether it still reigns, and what is due ------------------------------------------------------- */

static bool writer_stalled(const struct core *core)
{
    return core->writer.owed.count > 0 &&
           saturating_sub(core->now_ns, core->writer.since_ns) > core->config.writer_stall_ns;
}

/* R25: a majority has not answered for T. */
static bool leadership_lapsed(const struct core *core)
{
    uint64_t since_ns = max_u64(core->lead.confirmed_ns, core->lead.opened_ns);
    return core->config.automatic_failover && !mutated(core, REIGNS_UNCONFIRMED) &&
           saturating_sub(core->now_ns, since_ns) > core->config.election_timeout_ns;
}

void primary_tick(struct core *core)
{
    if (core->phase < PHASE_OPENING)
        return;
    if (writer_stalled(core) && !mutated(core, STALLED_REIGNS)) {
        primary_step_down(core, "the writer stalls"); /* R6 */
        plan_campaign(core);
        return;
    }
    if (core->phase != PHASE_PRIMARY)
        return;
    if (leadership_lapsed(core)) {
        primary_step_down(core, "no majority answers");
        plan_campaign(core);
        return;
    }
    room_tick(core);
    transfer_tick(core); /* may want a heartbeat */
    heartbeat_tick(core);
    voters_tick(core);
    writes_release(core);
}

uint64_t primary_wake_ns(const struct core *core)
{
    if (core->phase < PHASE_OPENING)
        return UINT64_MAX;
    uint64_t wake_ns = writes_wake_ns(core);
    if (core->phase == PHASE_PRIMARY)
        wake_ns = min_u64(wake_ns, min_u64(heartbeat_wake_ns(core), room_wake_ns(core)));
    if (core->writer.owed.count > 0)
        wake_ns = min_u64(wake_ns, core->writer.since_ns + core->config.writer_stall_ns + 1);
    return wake_ns;
}
