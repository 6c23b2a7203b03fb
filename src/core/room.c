/* A primary whose disk has no room hands over to a voter that has (R52): it can store nothing,
 * others can.
 *
 * Its next attempt, and whoever comes after it, waits ROOM_PAUSE_ELECTIONS election timeouts from
 * the beginning of the epoch: where all disks are full, leadership stays where it is nearly all the
 * time instead of going round. */
#include "core/room.h"

#include "core/act.h"
#include "core/transfer.h"
#include "core/who.h"

enum { ROOM_PAUSE_ELECTIONS = 5 };

/* What the newest append says of the disk. A truncate or a snapshot may have made room: then
 * nothing is known. */
void room_note(struct core *core, bool no_room)
{
    if (no_room && !core->room.lacking)
        core->room.logged = false;
    core->room.lacking = no_room;
}

static bool may_take_over(const struct core *core, const struct peer *peer)
{
    const struct member *member = members_find(&core->log.members, peer->id);
    bool speaks = who_speaks(core, peer);
    return member != NULL && member->voter && who_is_member(core, peer) && speaks &&
           !peer->no_room && peer->differs_seq == 0 && peer->match == core->log.durable &&
           peer->match > 0;
}

static const struct peer *successor(const struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (may_take_over(core, &core->peers[i]))
            return &core->peers[i];
    return NULL;
}

static uint64_t soonest_ns(const struct core *core)
{
    uint64_t since_ns = max_u64(core->lead.opened_ns, core->room.tried_ns);
    return since_ns + ROOM_PAUSE_ELECTIONS * core->config.election_timeout_ns;
}

/* Manual mode: an operator has to do it. Said once for each time that the disk is full. */
static void tell_operator(struct core *core, const struct peer *to)
{
    if (core->room.logged)
        return;
    core->room.logged = true;
    act_log(core, LOG_LEVEL_ERROR,
            "primary_without_room way_out=\"make room, or: kvctl transfer %s\"", to->id.text);
}

static bool may_hand_over(const struct core *core)
{
    return core->phase == PHASE_PRIMARY && core->room.lacking && core->transfer.ticket == 0 &&
           !mutated(core, FULL_DISK_LEADS);
}

void room_tick(struct core *core)
{
    const struct peer *to = may_hand_over(core) ? successor(core) : NULL;
    if (to == NULL)
        return;
    if (!core->config.automatic_failover) {
        tell_operator(core, to);
        return;
    }
    if (core->now_ns < soonest_ns(core))
        return;
    core->room.tried_ns = core->now_ns;
    act_log(core, LOG_LEVEL_WARN, "hands_over why=\"no room on the disk\" to=%s", to->id.text);
    transfer_to(core, CORE_OWN_TRANSFER, to->id, core->now_ns + core->config.election_timeout_ns);
}

uint64_t room_wake_ns(const struct core *core)
{
    bool waits = may_hand_over(core) && core->config.automatic_failover && successor(core) != NULL;
    return waits ? soonest_ns(core) : UINT64_MAX;
}
