/* Who counts: admission of disks (R4), and voters added and removed by operators (R29). */
#include "core/voters.h"

#include "core/act.h"
#include "core/who.h"
#include "core/work.h"

static void propose_members(struct core *core, const struct members *members)
{
    core->members_proposed = *members;
    core->lead.members_in_flight = true;
    work_give(core, CORE_ACTION_MEMBERS)->meta = (struct core_action_meta){
        .epoch = core->epoch,
        .cluster_id = core->cluster_id,
        .members = &core->members_proposed,
    };
}

/* The members with `peer`'s present disk, or one step nearer to it. A majority with a new disk need
 * share nobody with a majority with the lost one, which may have promised a higher epoch: where the
 * voters are odd the lost disk is struck out first, by a majority without it, and only then the new
 * one entered (R4, R29). Where they are even any two majorities still meet. Who is new to the
 * cluster replicates, but does not vote. */
static bool members_with(const struct core *core, const struct peer *peer, struct members *out)
{
    *out = core->log.members;
    for (uint32_t i = 0; i < out->count; i++) {
        struct member *member = &out->list[i];
        if (!node_id_equal(member->id, peer->id))
            continue;
        bool strike = member->voter && member->store_id != 0 && members_voters(out) % 2 == 1;
        member->store_id = strike ? 0 : peer->store_id;
        return true;
    }
    if (out->count == LIMIT_NODES)
        return false;
    out->list[out->count++] = (struct member){peer->id, peer->store_id, false};
    return true;
}

/* R29: one change at a time, and only when the last one and a record of this epoch are
 * committed. */
static bool may_change(const struct core *core)
{
    bool committed =
        core->log.commit >= core->lead.epoch_first && core->log.commit >= core->lead.members_seq;
    return !core->lead.members_in_flight && (committed || mutated(core, MEMBERS_OVERLAP));
}

/* R4: a new disk under a known id counts once a committed record says so. */
static void admit_newcomers(struct core *core)
{
    if (!may_change(core))
        return;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        struct members members;
        if (peer->store_id == 0 || peer->match == 0 || who_is_member(core, peer) ||
            !members_with(core, peer, &members))
            continue;
        act_log(core, LOG_LEVEL_INFO, "admitting node=%s store=%016" PRIx64, peer->id.text,
                peer->store_id);
        propose_members(core, &members);
        return;
    }
}

static const char *why_not_set_voter(const struct core *core, const struct core_event *event)
{
    const struct member *member = members_find(&core->log.members, event->set_voter.node);
    if (core->phase != PHASE_PRIMARY)
        return "this node is not the primary";
    if (member == NULL || member->store_id == 0)
        return "that node is not a member yet: start it and let it catch up";
    if (!event->set_voter.voter && node_id_equal(event->set_voter.node, core->config.self))
        return "this node is the primary: hand over first, with kvctl transfer";
    if (core->voter_order.ticket != 0)
        return "another change of the voters is under way";
    return NULL;
}

/* The change and all that comes after it will need a majority of the new voters: it must be
 * there. */
static bool majority_follows(const struct core *core, const struct members *members)
{
    uint32_t following = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        const struct peer *peer = NULL;
        for (uint32_t j = 0; j < core->peer_count; j++)
            if (node_id_equal(core->peers[j].id, member->id))
                peer = &core->peers[j];
        bool follows = peer != NULL && who_is_member(core, peer) && peer->match > 0 &&
                       core->now_ns - peer->heard_ns < core->config.election_timeout_ns;
        bool self = node_id_equal(member->id, core->config.self);
        following += member->voter && (self || follows);
    }
    return following >= members_voters(members) / 2 + 1;
}

static void refuse_order(struct core *core, uint64_t ticket, const char *why)
{
    bool leads = core->phase == PHASE_PRIMARY;
    act_finish_text(core, ticket, CANDOR_FAILED_PRECONDITION,
                    leads ? CANDOR_REASON_NONE : CANDOR_REASON_NOT_PRIMARY, (struct candor_pos){0},
                    "%s", why);
}

void voters_set(struct core *core, const struct core_event *event)
{
    const char *why = why_not_set_voter(core, event);
    if (why != NULL) {
        refuse_order(core, event->ticket, why);
        return;
    }
    core->voter_order.ticket = event->ticket;
    core->voter_order.node = event->set_voter.node;
    core->voter_order.voter = event->set_voter.voter;
    core->voter_order.deadline_ns = event->set_voter.deadline_ns;
    core->voter_order.proposed = false;
}

/* R29: the last change, and a record of this epoch, are committed by now. */
static void propose_order(struct core *core)
{
    struct members members = core->log.members;
    for (uint32_t i = 0; i < members.count; i++)
        if (node_id_equal(members.list[i].id, core->voter_order.node))
            members.list[i].voter = core->voter_order.voter;
    if (!majority_follows(core, &members)) {
        refuse_order(core, core->voter_order.ticket,
                     "a majority of the voters as they would be does not follow: no change could "
                     "be committed any more");
        core->voter_order.ticket = 0;
        return;
    }
    act_log(core, LOG_LEVEL_INFO, "set_voter node=%s voter=%d", core->voter_order.node.text,
            core->voter_order.voter);
    core->voter_order.proposed = true;
    propose_members(core, &members);
}

static void drive_order(struct core *core)
{
    if (core->voter_order.ticket == 0)
        return;
    struct candor_pos pos = {core->epoch, core->lead.members_seq};
    bool proposed = core->voter_order.proposed;
    bool stored = proposed && !core->lead.members_in_flight && core->lead.members_seq != 0;
    bool late = core->now_ns >= core->voter_order.deadline_ns;
    if (!proposed && !late) {
        if (may_change(core))
            propose_order(core);
        return;
    }
    if (stored && core->log.commit >= core->lead.members_seq)
        act_finish(core, core->voter_order.ticket, CANDOR_OK, CANDOR_REASON_NONE, pos,
                   CANDOR_ACK_MAJORITY);
    else if (late && proposed)
        act_finish_text(core, core->voter_order.ticket, CANDOR_DEADLINE_EXCEEDED,
                        CANDOR_REASON_OUTCOME_UNKNOWN, pos, "the change is not committed yet");
    else if (late)
        act_finish_text(core, core->voter_order.ticket, CANDOR_UNAVAILABLE,
                        CANDOR_REASON_NO_MAJORITY, (struct candor_pos){0},
                        "the change before it is not committed yet: nothing was changed");
    else
        return;
    core->voter_order.ticket = 0;
}

void voters_tick(struct core *core)
{
    drive_order(core);
    if (core->voter_order.ticket == 0 || !core->voter_order.proposed)
        admit_newcomers(core);
}

void voters_not_stored(struct core *core, const struct core_event *event)
{
    if (core->voter_order.ticket == 0 || !core->voter_order.proposed)
        return;
    act_finish_text(core, core->voter_order.ticket, event->appended.code, event->appended.reason,
                    (struct candor_pos){0},
                    "the change could not be stored here: nothing was changed");
    core->voter_order.ticket = 0;
}

void voters_deposed(struct core *core)
{
    uint64_t ticket = core->voter_order.ticket;
    core->voter_order.ticket = 0;
    if (ticket != 0 && core->voter_order.proposed)
        act_finish_text(core, ticket, CANDOR_UNKNOWN, CANDOR_REASON_OUTCOME_UNKNOWN,
                        (struct candor_pos){0},
                        "the primary was deposed: the change may or may not survive");
    else if (ticket != 0)
        act_finish_text(core, ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_PRIMARY,
                        (struct candor_pos){0}, "the primary was deposed: nothing was changed");
}
