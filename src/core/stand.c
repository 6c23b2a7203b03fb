/* Whether and when this node stands for election (R22, R24). */
#include "core/stand.h"

#include "core/act.h"
#include "core/lease.h"
#include "core/lives.h"
#include "core/who.h"

bool stand_under_way(const struct core *core)
{
    return core->phase > PHASE_FOLLOWER && core->phase < PHASE_OPENING;
}

bool stand_by_timer(const struct core *core)
{
    return core->config.automatic_failover && who_is_voter(core) && who_is_admitted(core) &&
           !core->fork.forked;
}

/* R22: a random time in [T, 2T] after the last heartbeat; at once when its connection closed. */
uint64_t stand_timer_ns(struct core *core)
{
    uint64_t t_ns = core->config.election_timeout_ns;
    if (core->follow.suspect)
        return core->now_ns + rng_below(&core->rng, core->config.heartbeat_interval_ns / 4 + 1);
    /* Who has no room for the EPOCH_START lets the others go first. */
    uint64_t least_ns = core->room.lacking ? 3 * t_ns : t_ns;
    return core->now_ns + least_ns + rng_below(&core->rng, t_ns + 1);
}

void stand_plan(struct core *core)
{
    core->stand.replan = true;
}

void stand_at(struct core *core, uint64_t due_ns)
{
    core->stand.replan = false;
    core->stand.due_ns = due_ns;
}

void stand_settle(struct core *core)
{
    if (!core->stand.replan)
        return;
    stand_at(core, UINT64_MAX);
    if (core->phase != PHASE_FOLLOWER)
        return;
    bool at_once = core->stand.promote_ticket != 0 || core->stand.founding ||
                   core->stand.resuming || core->stand.transferring;
    if (at_once)
        core->stand.due_ns = core->now_ns;
    else if (stand_by_timer(core))
        core->stand.due_ns = stand_timer_ns(core);
}

/* R28: a forced promotion left the history of those who hold nothing of its generation. By the
 * members that they know they might elect each other, or themselves, over it; they wait for its
 * primary, or for another forced promotion. */
bool stand_is_of_generation(const struct core *core)
{
    return who_durable_pos(core).epoch.generation == core->epoch.generation ||
           node_id_equal(core->epoch.owner, core->config.self);
}

/* R24: the own log is durable, and nothing is about to change it; R63: the others were asked
 * whether this disk is the newest; R59: no majority holds other data. */
bool stand_may(const struct core *core)
{
    if (core->writer.owed.count > 0 || core->follow.attach == ATTACH_TRUNCATING ||
        core->follow.attach == ATTACH_INSTALLING || !lives_sure(core))
        return false;
    if ((core->fork.forked || core->doubt.outvoted) && !core->stand.forcing)
        return false;
    if (core->stand.founding)
        return who_is_blank(core);
    if (core->stand.forcing)
        return !who_is_blank(core);
    return who_is_admitted(core) && who_is_voter(core) && stand_is_of_generation(core);
}

/* When the round that is planned may begin: not while another node's lease runs, unless it is asked
 * for by that node, or asks nobody (R30). */
uint64_t stand_begins_ns(const struct core *core)
{
    if (core->stand.forcing || core->stand.transferring || core->stand.founding)
        return core->stand.due_ns;
    return max_u64(core->stand.due_ns, lease_promised_until_ns(core));
}

/* A full disk, it may be for long: whoever forced it is told, and may do it again. */
void stand_not_stored(struct core *core, const struct core_event *event)
{
    if (!core->stand.forcing)
        return;
    act_finish_text(core, core->stand.promote_ticket, event->appended.code, event->appended.reason,
                    (struct candor_pos){0},
                    "the record that opens the new epoch could not be stored here");
    core->stand.promote_ticket = 0;
    core->stand.forcing = false;
}

void stand_opened(struct core *core)
{
    core->stand.founding = core->stand.resuming = core->stand.forcing = core->stand.transferring =
        false;
    stand_at(core, UINT64_MAX);
    if (core->stand.promote_ticket == 0)
        return;
    act_finish(core, core->stand.promote_ticket, CANDOR_OK, CANDOR_REASON_NONE,
               (struct candor_pos){core->epoch, core->lead.epoch_first}, CANDOR_ACK_NONE);
    core->stand.promote_ticket = 0;
}
