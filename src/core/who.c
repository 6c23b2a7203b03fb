/* Who is who, and how this node stands: asked by all, changing nothing. */
#include "core/who.h"

struct peer *who_peer(struct core *core, struct candor_node_id id)
{
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (node_id_equal(core->peers[i].id, id))
            return &core->peers[i];
    return NULL;
}

struct candor_pos who_durable_pos(const struct core *core)
{
    return (struct candor_pos){epoch_history_at(&core->log.history, core->log.durable),
                               core->log.durable};
}

uint64_t who_published(const struct core *core)
{
    return max_u64(core->log.durable, core->lead.staged);
}

bool who_is_blank(const struct core *core)
{
    return core->log.last == 0 && core->log.commit == 0 && core->log.members.count == 0;
}

bool who_leads_by_hand(const struct core *core)
{
    return !core->config.automatic_failover && node_id_equal(core->epoch.owner, core->config.self);
}

bool who_is_admitted(const struct core *core)
{
    const struct member *me = members_find(&core->log.members, core->config.self);
    return me != NULL && me->store_id == core->store_id;
}

/* As the log says; before there is one, as the topology says. */
static bool votes(const struct core *core, struct candor_node_id id)
{
    const struct members *members =
        core->log.members.count > 0 ? &core->log.members : &core->config.configured;
    const struct member *member = members_find(members, id);
    return member != NULL && member->voter;
}

bool who_is_voter(const struct core *core)
{
    return votes(core, core->config.self);
}

bool who_peer_votes(const struct core *core, const struct peer *peer)
{
    return votes(core, peer->id);
}

bool who_is_member(const struct core *core, const struct peer *peer)
{
    const struct member *member = members_find(&core->log.members, peer->id);
    return member != NULL && member->store_id != 0 && member->store_id == peer->store_id;
}

uint64_t who_jitter_ns(struct core *core, uint64_t base_ns)
{
    return base_ns / 2 + rng_below(&core->rng, base_ns + 1);
}

/* A peer that was not heard for too long has a dead connection, or a partition has healed behind
 * it. */
uint64_t who_silence_ns(const struct core *core)
{
    return max_u64(core->config.stale_after_ns, 5 * core->config.heartbeat_interval_ns);
}

bool who_speaks(const struct core *core, const struct peer *peer)
{
    return peer->heard && core->now_ns - peer->heard_ns < who_silence_ns(core);
}

bool who_hard_state_durable(const struct core *core)
{
    return core->hard.saved == core->hard.version;
}

/* R7: an epoch that is still on its way to the disk could be gone after a crash. */
struct candor_epoch who_shown_epoch(const struct core *core)
{
    return mutated(core, EPOCH_BEFORE_STORED) ? core->epoch : core->hard.stored_epoch;
}

bool who_settled(const struct core *core)
{
    return core->writer.appends == 0;
}
