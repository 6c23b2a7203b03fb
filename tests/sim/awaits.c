/* Who asks later what became of a write that was acknowledged, at whatever node (R70). */
#include "sim.h"

/* They draw from numbers of their own, so that what else a seed draws does not depend on them. */
static uint64_t draw(struct world *world, uint64_t low, uint64_t high)
{
    return low + rng_below(&world->await_rng, high - low + 1);
}

static void ask(struct world *world, struct event *event);

static void ask_later(struct world *world)
{
    if (!world->healing)
        schedule(world, world->now_ns + draw(world, 1, 8) * world->plan.beat_ns / 4, ask);
}

/* One of the newest, which are the least decided; none: the seq is 0. */
static struct candor_pos draw_pos(struct world *world)
{
    if (world->acked_count == 0)
        return (struct candor_pos){0};
    uint64_t back = draw(world, 1, min_u64(world->acked_count, 8));
    const struct write *write = &world->writes[world->acked[world->acked_count - back]];
    return (struct candor_pos){write->epoch->epoch, write->seq};
}

/* As kvd does: who may not show what it has says nothing of it. */
static bool may_say(struct world *world, const struct node *node)
{
    struct core_freshness fresh;
    struct core_read read = {.level = CANDOR_READ_EVENTUAL, .allow_syncing = true};
    core_view_freshness(&node->view, node->disk.last, local_ns(world, node), &fresh);
    return core_decide_read(&node->view, &fresh, &read).decision == CORE_SERVE;
}

static void ask(struct world *world, struct event *event)
{
    (void)event;
    struct node *node = &world->nodes[draw(world, 0, world->node_count - 1)];
    struct candor_pos pos = draw_pos(world);
    ask_later(world);
    if (!node->up || pos.seq == 0 || !may_say(world, node))
        return;
    struct ticket *ticket = ticket_new(world, node, TICKET_AWAIT);
    ticket->token = pos;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .ticket = ticket->id};
    wait.wait.kind = CORE_WAIT_ACK;
    wait.wait.token = registry_token(world, pos);
    wait.wait.ack = draw(world, 1, 4) == 1 ? CANDOR_ACK_ALL : CANDOR_ACK_MAJORITY;
    wait.wait.deadline_ns = local_ns(world, node) + draw(world, 1, 20) * world->plan.beat_ns;
    TRACE(world, node, "await ticket=%" PRIu64 " seq=%" PRIu64 " %s", ticket->id, pos.seq,
          ack_level_name(wait.wait.ack));
    node_step(world, node, &wait);
}

static void told_reached(struct world *world, struct node *node, const struct ticket *ticket,
                         const struct core_action_finish *finish)
{
    char asked[POS_TEXT_BYTES];
    char told[POS_TEXT_BYTES];
    if (pos_compare(finish->pos, ticket->token) != 0)
        violate(world, "R70", "node %s was asked of %s and tells of %s", node->id.text,
                pos_text(ticket->token, asked), pos_text(finish->pos, told));
    check_level(world, node, finish);
}

void await_finished(struct world *world, struct node *node, const struct ticket *ticket,
                    const struct core_action_finish *finish)
{
    char pos[POS_TEXT_BYTES];
    TRACE(world, node, "await ticket=%" PRIu64 " %s %s", ticket->id, candor_code_name(finish->code),
          ack_level_name(finish->ack));
    if (finish->code == CANDOR_OK)
        told_reached(world, node, ticket, finish);
    else if (finish->reason == CANDOR_REASON_ROLLED_BACK)
        reported_lost(world, ticket->token);
    else if (finish->code == CANDOR_INVALID_ARGUMENT || finish->code == CANDOR_NOT_FOUND)
        violate(world, "R70", "node %s says that no write was at %s, and one was acknowledged",
                node->id.text, pos_text(ticket->token, pos));
}

void awaits_start(struct world *world)
{
    rng_seed(&world->await_rng, world->seed ^ UINT64_C(0x6177616974));
    ask_later(world);
}
