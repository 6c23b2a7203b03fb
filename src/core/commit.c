/* What a majority of the voters has reached: the confirmed heartbeat, and the commit
 * (docs/protocol.md §5, §7). */
#include "core/commit.h"

#include "core/act.h"
#include "core/majority.h"
#include "core/risk.h"
#include "core/who.h"

/* ---- Confirmed leadership (R31) -------------------------------------------------------------- */

/* Gathers one figure of every voter: the own one, and `of` of each peer whose store is admitted
 * (R4). */
static uint64_t of_majority(const struct core *core, uint64_t own,
                            uint64_t (*of)(const struct core *core, const struct peer *peer))
{
    uint64_t reached[LIMIT_NODES] = {0};
    uint32_t count = 0;
    uint32_t voters = members_voters(&core->log.members); /* R17 */
    const struct member *me = members_find(&core->log.members, core->config.self);
    if (me != NULL && me->voter)
        reached[count++] = own;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        const struct member *member = members_find(&core->log.members, peer->id);
        if (member == NULL || !member->voter)
            continue;
        reached[count++] = who_is_member(core, peer) ? of(core, peer) : 0;
    }
    if (mutated(core, COMMIT_ALIVE)) {
        voters = 0;
        for (uint32_t i = 0; i < count; i++)
            voters += reached[i] > 0;
    }
    return majority_reached(reached, count, voters);
}

static uint64_t answered_of(const struct core *core, const struct peer *peer)
{
    (void)core;
    return peer->answered_hb;
}

/* R30 */
static uint64_t promised_of(const struct core *core, const struct peer *peer)
{
    return peer->promise_ns >= core->config.election_timeout_ns ? peer->answered_hb : 0;
}

static bool is_remembered(const struct core *core, uint64_t heartbeat)
{
    return heartbeat != 0 && core->lead.hb_id - heartbeat < LIMIT_HEARTBEATS_IN_FLIGHT;
}

static void renew_lease(struct core *core)
{
    uint64_t promised = of_majority(core, core->lead.hb_id, promised_of);
    if (is_remembered(core, promised))
        core->lead.leased_ns = max_u64(
            core->lead.leased_ns, core->lead.hb_sent[promised % LIMIT_HEARTBEATS_IN_FLIGHT].ns);
}

void commit_confirm(struct core *core)
{
    if (core->config.leases)
        renew_lease(core);
    uint64_t confirmed = of_majority(core, core->lead.hb_id, answered_of);
    if (confirmed <= core->lead.confirmed_hb || !is_remembered(core, confirmed))
        return;
    core->lead.confirmed_hb = confirmed;
    core->lead.confirmed_ns = core->lead.hb_sent[confirmed % LIMIT_HEARTBEATS_IN_FLIGHT].ns;
    core->lead.confirmed_last = core->lead.hb_sent[confirmed % LIMIT_HEARTBEATS_IN_FLIGHT].last;
}

/* ---- Commit (R16) ---------------------------------------------------------------------------- */

static uint64_t match_of(const struct core *core, const struct peer *peer)
{
    (void)core;
    return peer->match;
}

uint64_t commit_lowest_match(const struct core *core)
{
    uint64_t lowest = core->log.durable;
    for (uint32_t i = 0; i < core->log.members.count; i++) {
        const struct member *member = &core->log.members.list[i];
        if (!member->voter || node_id_equal(member->id, core->config.self))
            continue;
        uint64_t match = 0;
        for (uint32_t j = 0; j < core->peer_count; j++)
            if (node_id_equal(core->peers[j].id, member->id) &&
                who_is_member(core, &core->peers[j]))
                match = core->peers[j].match;
        lowest = min_u64(lowest, match);
    }
    return lowest;
}

void commit_advance(struct core *core)
{
    uint64_t own = core->log.durable;
    if (mutated(core, STAGED_IS_DURABLE))
        own = who_published(core);
    if (mutated(core, COMMIT_WITHOUT_SELF))
        own = core->log.last + core->writes.records_with_writer;
    uint64_t reached = min_u64(of_majority(core, own, match_of), own);
    bool of_this_epoch = reached >= core->lead.epoch_first || mutated(core, COMMIT_OLD_EPOCH);
    if (reached > core->log.commit && of_this_epoch) {
        core->log.commit = reached;
        risk_committed(core);
        act_new(core, CORE_ACTION_COMMIT)->commit.seq = reached;
    }
}

/* R18: never more than this node has verified. */
void commit_learn(struct core *core, uint64_t announced)
{
    core->follow.announced_commit = max_u64(core->follow.announced_commit, announced);
    bool unverified = mutated(core, COMMIT_UNVERIFIED);
    if (core->follow.attach != ATTACH_DONE && !unverified)
        return;
    uint64_t known =
        min_u64(core->follow.announced_commit, unverified ? core->log.durable : core->follow.match);
    known = min_u64(known, core->log.durable);
    /* late or repeated */
    if (known <= core->log.commit)
        return;
    core->log.commit = known;
    risk_committed(core);
    act_new(core, CORE_ACTION_COMMIT)->commit.seq = known;
}
