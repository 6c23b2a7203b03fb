/* promote, promote --force, accept-history, transfer, changes of voters. */
#include "sim.h"

/* An operator looks at the cluster every now and then, and does what an operator does: promotes a
 * voter when there is no primary, forces one when that is drawn, gives up the branch of a FORKED
 * node. */

static struct ticket *operator_ticket(struct world *world, struct node *node)
{
    struct ticket *ticket = ticket_new(world, node, TICKET_OPERATOR);
    ticket->client = SIM_CLIENTS;
    return ticket;
}

void operator_promote(struct world *world, struct node *node, bool force)
{
    struct core_event event = {.type = CORE_EVENT_PROMOTE,
                               .ticket = operator_ticket(world, node)->id};
    event.promote.force = force;
    event.promote.deadline_ns = local_ns(world, node) + 3 * world->plan.election_ns;
    world->forced |= force;
    TRACE(world, node, "operator promote force=%d", force);
    node_step(world, node, &event);
}

void operator_accept(struct world *world, struct node *node)
{
    struct core_event event = {.type = CORE_EVENT_ACCEPT_HISTORY,
                               .ticket = operator_ticket(world, node)->id};
    event.accept.deadline_ns = local_ns(world, node) + 3 * world->plan.election_ns;
    TRACE(world, node, "operator accept-history");
    node_step(world, node, &event);
}

void operator_transfer(struct world *world, struct node *node, const struct node *to)
{
    struct core_event event = {.type = CORE_EVENT_TRANSFER,
                               .ticket = operator_ticket(world, node)->id};
    event.transfer.to = to->id;
    event.transfer.deadline_ns = local_ns(world, node) + 2 * world->plan.election_ns;
    find_node(world, to->id)->asked_to_lead = true;
    TRACE(world, node, "operator transfer to=%s", to->id.text);
    node_step(world, node, &event);
}

void operator_set_voter(struct world *world, struct node *node, const struct node *member,
                        bool voter)
{
    struct ticket *ticket = operator_ticket(world, node);
    struct core_event event = {.type = CORE_EVENT_SET_VOTER, .ticket = ticket->id};
    ticket->member = member->id;
    ticket->voter = voter;
    event.set_voter.node = member->id;
    event.set_voter.voter = voter;
    event.set_voter.deadline_ns = local_ns(world, node) + 2 * world->plan.election_ns;
    TRACE(world, node, "operator set_voter node=%s voter=%d", member->id.text, voter);
    node_step(world, node, &event);
}

bool operator_waits_at(const struct node *node)
{
    for (uint32_t i = 0; i < node->ticket_count; i++)
        if (node->tickets[i].kind == TICKET_OPERATOR)
            return true;
    return false;
}

static bool is_awake(const struct world *world, const struct node *node)
{
    return node->up && node->paused_until_ns <= world->now_ns;
}

static void promote_somebody(struct world *world)
{
    struct node *node = &world->nodes[between(world, 0, world->node_count - 1)];
    if (is_awake(world, node) && !node->view.forked && !operator_waits_at(node) &&
        node->view.role != CANDOR_ROLE_READER)
        operator_promote(world, node, false);
}

/* Too many are FORKED for any majority: whoever is not, and has the newest log, leads them by
 * force. */
static void force_newest(struct world *world)
{
    struct node *newest = NULL;
    struct candor_pos highest = {0};
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        struct candor_pos pos = disk_pos(&node->disk, node->disk.last);
        if (!node->up || node->view.forked || pos.seq == 0 || pos_compare(pos, highest) <= 0)
            continue;
        newest = node;
        highest = pos;
    }
    if (newest == NULL || operator_waits_at(newest))
        return;
    if (newest->disk.skew == 0) {
        operator_promote(world, newest, true);
        return;
    }
    node_crash(world, newest,
               false); /* it would lead with wrong data: they are made anew from the log first */
    newest->disk.skew = 0;
    faults_restart(world, newest, 0);
}

static bool any_forked(const struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].up && world->nodes[i].view.forked)
            return true;
    return false;
}

/* R27: whoever led last stands by itself, and is elected where nobody has a newer log. */
static bool leader_returns(const struct world *world)
{
    const struct node *last = NULL;
    struct candor_pos newest = {0};
    struct candor_epoch highest = {0};
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        struct candor_pos pos = disk_pos(&node->disk, node->disk.last);
        if (!is_awake(world, node) || node->disk.skew != 0 || node->disk.posed || node->disk.older)
            return false;
        if (epoch_compare(node->view.epoch, highest) > 0)
            highest = node->view.epoch;
        if (pos_compare(pos, newest) > 0)
            newest = pos;
        if (pos_compare(pos, newest) == 0 && node_id_equal(pos.epoch.owner, node->id))
            last = node;
    }
    return last != NULL && pos_compare(disk_pos(&last->disk, last->disk.last), newest) == 0 &&
           epoch_equal(highest, newest.epoch) && last->view.admitted && !world->forced;
}

/* When all is fixed nobody needs to hurry: those who stand by themselves have their chance
 * first. */
static void fix(struct world *world)
{
    bool none = find_primary(world) == NULL;
    if (none && (any_forked(world) || world->forced) && chance(world, 100000))
        force_newest(world);
    else if (none && !world->plan.automatic && world->epoch_count > 0 && !leader_returns(world))
        promote_somebody(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (is_awake(world, node) && node->view.forked && !operator_waits_at(node))
            operator_accept(world, node);
    }
}

static void look(struct world *world, struct event *event)
{
    (void)event;
    uint64_t next_ns = world->plan.election_ns * 2;
    schedule(world, world->now_ns + between(world, next_ns / 2, next_ns), look);
    if (world->healing)
        fix(world);
    else if (find_primary(world) == NULL && world->epoch_count > 0 && chance(world, 200000))
        promote_somebody(world);
}

void operators_start(struct world *world)
{
    schedule(world, world->now_ns + 2 * world->plan.election_ns, look);
}
