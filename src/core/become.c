/* Changes of role, and of the epoch: candidate, primary, deposed. What belonged to the old one is
 * forgotten here. Nothing else assigns `phase`. */
#include <stdio.h>

#include "core/become.h"

#include "core/act.h"
#include "core/doubt.h"
#include "core/expiry.h"
#include "core/failover.h"
#include "core/follow.h"
#include "core/stand.h"
#include "core/transfer.h"
#include "core/voters.h"
#include "core/who.h"
#include "core/work.h"
#include "core/writes.h"

static void forget_progress(struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        peer->match = 0;
        peer->shown = (struct digest_at){0};
        peer->equal_seq = peer->differs_seq = 0;
        peer->answered_hb = 0;
        peer->sample_count = 0;
        peer->has_echo = peer->echo_relayed = false;
        peer->echo_ts_ns = peer->announced_ts_ns = peer->recorded_ts_ns = 0;
        peer->seen_hb = peer->relayed_ns = 0;
    }
    core->lead = (struct lead){0};
}

static void deposed(struct core *core, struct candor_epoch by)
{
    transfer_deposed(core, by);
    voters_deposed(core);
}

/* Until now its data were the newest: they grow old from here on, and not from when it last heard
 * another primary. */
static void stop_leading(struct core *core)
{
    failover_closed(core);
    uint64_t led_ns = max_u64(core->lead.confirmed_ns, core->lead.opened_ns);
    core->hearing.contact_ns = max_u64(core->hearing.contact_ns, led_ns);
    core->hearing.contacted = true;
    core->stand.resuming = !core->config.automatic_failover;
}

void become_candidate(struct core *core, enum phase step)
{
    ASSERT(step > core->phase && step < PHASE_OPENING);
    core->phase = step;
}

void become_withdrawn(struct core *core)
{
    core->stand.transferring = false;
    if (!stand_under_way(core))
        return;
    core->phase = PHASE_FOLLOWER;
    for (uint32_t i = 0; i < core->peer_count; i++)
        core->peers[i].campaign_nonce = 0;
}

void become_follower(struct core *core, const char *why)
{
    ASSERT(core->phase >= PHASE_OPENING);
    act_log(core, LOG_LEVEL_WARN, "stepped_down why=\"%s\"", why);
    if (core->phase == PHASE_PRIMARY)
        stop_leading(core);
    core->phase = PHASE_FOLLOWER;
    deposed(core, core->epoch);
    /* Those with the writer are finished when it answers (R19); those with the voters now (R21). */
    writes_abandon(core);
    forget_progress(core);
    follow_reset(core);
    core->stand.transferring = false; /* it had its turn */
}

/* R7: a higher epoch is adopted durably before anything of it counts. */
void become_adopt(struct core *core, struct candor_epoch epoch)
{
    ASSERT(epoch_compare(epoch, core->epoch) > 0);
    char text[EPOCH_TEXT_BYTES];
    act_log(core, LOG_LEVEL_INFO, "epoch_adopted epoch=%s", epoch_text(epoch, text));
    deposed(core, epoch);
    if (core->phase >= PHASE_OPENING)
        become_follower(core, "a higher epoch was seen");
    become_withdrawn(core);
    follow_withdraw_consent(core);
    core->epoch = epoch;
    if (!node_id_equal(epoch.owner, core->config.self))
        core->stand.resuming = false;
    follow_reset(core);
    work_save_hard_state(core);
    core->hearing.status_owed = true;
    stand_plan(core);
}

void become_opening(struct core *core)
{
    ASSERT(node_id_equal(core->epoch.owner, core->config.self));
    ASSERT(who_settled(core) && who_hard_state_durable(core));
    ASSERT_U64(core->log.last, ==, core->log.durable);
    core->phase = PHASE_OPENING;
    forget_progress(core);
    work_give(core, CORE_ACTION_EPOCH_START)->meta = (struct core_action_meta){
        .epoch = core->epoch,
        .cluster_id = core->cluster_id,
        .members = &core->members_proposed,
    };
}

void become_primary(struct core *core, uint64_t first_seq)
{
    core->lead.epoch_first = first_seq;
    core->phase = PHASE_PRIMARY;
    core->lead.opened_ns = core->now_ns;
    core->hearing.live_ns = 0;
    core->hearing.successor = (struct candor_node_id){0};
    core->lead.heartbeat_due_ns = core->now_ns;
    char text[EPOCH_TEXT_BYTES];
    act_log(core, LOG_LEVEL_INFO, "primary epoch=%s first_seq=%" PRIu64,
            epoch_text(core->epoch, text), core->lead.epoch_first);
    failover_opened(core);
    expiry_opened(core);
    doubt_opened(core);
    follow_fork_ends(core); /* by force: its branch is the history now */
    stand_opened(core);
}

#ifdef CORE_MUTABLE /* breaks R5 */
void become_continue(struct core *core)
{
    struct core_actions none = {0};
    core->actions = &none;
    become_primary(core, core->log.history.starts[core->log.history.count - 1].first_seq);
    core_actions_free(&none);
    core->actions = NULL;
}
#endif
