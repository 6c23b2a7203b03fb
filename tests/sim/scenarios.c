/* Faults in the order in which they hurt most. */
#include "sim.h"

/* Paths that chance alone walks too seldom, made frequent: several faults in the order in which
 * they hurt most. */

static uint64_t elections(struct world *world, uint64_t low_percent, uint64_t high_percent)
{
    return between(world, world->plan.election_ns * low_percent / 100,
                   world->plan.election_ns * high_percent / 100);
}

static bool on_side(uint64_t side, const struct node *node)
{
    return side >> node->index & 1;
}

static uint32_t voters_off(const struct world *world, uint64_t side)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->plan.voters; i++)
        count += !on_side(side, &world->nodes[i]);
    return count;
}

/* A voter that is not on `side` and can do something; NULL when chance finds none. */
static struct node *some_voter_off(struct world *world, uint64_t side)
{
    struct node *node = &world->nodes[between(world, 0, world->plan.voters - 1)];
    bool awake = node->up && node->paused_until_ns <= world->now_ns;
    return awake && !on_side(side, node) ? node : NULL;
}

/* ---- A second primary, while the first one still has followers who believe it ---------------- */

/* One of the new primary's voters loses its disk, and comes back on the other side: what it
 * promised is forgotten (R4). */
static void desert(struct world *world, struct event *event)
{
    uint64_t side = event->number;
    struct node *node = some_voter_off(world, side);
    if (world->healing || node == NULL || node->view.role == CANDOR_ROLE_PRIMARY ||
        !faults_wipe(world, node))
        return;
    uint64_t until_ns = world->now_ns + elections(world, 300, 900);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *other = &world->nodes[i];
        if (other == node)
            continue;
        if (on_side(side, other)) {
            faults_heal_link(world, node->index, i);
            faults_heal_link(world, i, node->index);
        } else {
            faults_cut_link(world, node->index, i, until_ns);
            faults_cut_link(world, i, node->index, until_ns);
        }
    }
}

static void promote_other_side(struct world *world, struct event *event)
{
    struct node *node = some_voter_off(world, event->number);
    if (world->healing || node == NULL)
        return;
    operator_promote(world, node, false);
    if (chance(world,
               500000)) { /* the clients have heard of it, the followers of the other have not */
        world->avoided_side = event->number;
        while (!on_side(event->number, &world->nodes[world->doubted]))
            world->doubted = (world->doubted + 1) % world->node_count;
        world->avoided_until_ns = world->now_ns + elections(world, 300, 900);
    }
    if (chance(world, 400000))
        schedule(world, world->now_ns + elections(world, 20, 200), desert)->number = event->number;
}

/* The primary and some of its followers, few enough that a majority is left elsewhere. */
static uint64_t draw_side(struct world *world, const struct node *primary)
{
    uint64_t side = 1u << primary->index;
    for (uint32_t i = 0; i < world->node_count; i++) {
        uint64_t larger = side | 1u << i;
        if (chance(world, 600000) && voters_off(world, larger) >= world->plan.voters / 2 + 1)
            side = larger;
    }
    return side;
}

/* `deaf`: what the side sends goes on arriving. */
static void cut_off(struct world *world, uint64_t side, bool deaf)
{
    uint64_t until_ns = world->now_ns + elections(world, 300, 900);
    for (uint32_t i = 0; i < world->node_count; i++)
        for (uint32_t j = 0; j < world->node_count; j++) {
            bool from = on_side(side, &world->nodes[i]);
            if (from != on_side(side, &world->nodes[j]) && !(from && deaf))
                faults_cut_link(world, i, j, until_ns);
        }
}

static void make_deaf(struct world *world, struct event *event)
{
    if (!world->healing)
        cut_off(world, event->number, true);
}

/* Those on the other side forget the primary, or take it for dead, while its lease runs (R30). */
static void forget_primary(struct world *world, struct event *event)
{
    const struct node *primary = &world->nodes[event->from];
    bool restart = chance(world, 500000);
    for (uint32_t i = 0; i < world->plan.voters && !world->healing; i++) {
        struct node *node = &world->nodes[i];
        if (on_side(event->number, node) || !node->up || node->paused_until_ns > world->now_ns)
            continue;
        struct core_event lost = {.type = CORE_EVENT_PEER_LOST, .peer = primary->id};
        if (restart) {
            node_crash(world, node, false);
            faults_restart(world, node, between(world, 0, world->plan.beat_ns / 4));
        } else {
            node_step(world, node, &lost);
        }
    }
}

static void cut_side(struct world *world, struct event *event)
{
    if (!world->healing)
        cut_off(world, event->number, false);
}

/* Sooner than any lease allows. */
static void usurp_in_haste(struct world *world, struct node *primary, uint64_t side)
{
    struct node *heir = some_voter_off(world, side);
    if (heir != NULL && chance(world, 400000)) { /* it hands over, and does not hear that it did */
        uint64_t delay_ns = between(world, world->plan.latency_ns / 2, 3 * world->plan.latency_ns);
        operator_transfer(world, primary, heir);
        schedule(world, world->now_ns + delay_ns, make_deaf)->number = side;
        return;
    }
    /* Sometimes only when those who start have been told that their disks are the newest (R63), and
     * no heartbeat yet. */
    uint64_t told_ns = world->plan.beat_ns / 4 + 4 * world->plan.latency_ns;
    uint64_t later_ns =
        chance(world, 700000) ? between(world, 2 * world->plan.latency_ns, told_ns) : 0;
    schedule(world, world->now_ns + later_ns, cut_side)->number = side;
    struct event *forget = schedule(world, world->now_ns + 1, forget_primary);
    forget->number = side;
    forget->from = primary->index;
    for (uint64_t at = 5; at < 45; at += 10)
        schedule(world, world->now_ns + elections(world, at, at + 10), promote_other_side)->number =
            side;
}

void scenario_usurp(struct world *world)
{
    struct node *primary = find_primary(world);
    if (primary == NULL || world->node_count < 2)
        return;
    uint64_t side = draw_side(world, primary);
    TRACE(world, primary, "usurp side=%02x", (unsigned)side);
    bool in_haste = world->plan.leases && chance(world, 700000);
    if (in_haste || chance(world, 500000)) { /* nothing uncommitted warns who reads there */
        world->avoided_side = side;
        world->doubted = primary->index;
        world->avoided_until_ns = world->now_ns + elections(world, 300, 900);
    }
    if (in_haste) {
        usurp_in_haste(world, primary, side);
        return;
    }
    cut_off(world, side, false);
    for (uint64_t at = 110; at < 250; at += 40)
        schedule(world, world->now_ns + elections(world, at, at + 40), promote_other_side)->number =
            side;
}

/* ---- A new life that is faster than what the former one said (R8) ---------------------------- */

static void be_reborn(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->from];
    if (world->healing || !node->up)
        return;
    node_crash(world, node, true);
    faults_restart(world, node, between(world, 0, world->plan.beat_ns / 2));
}

void scenario_reborn(struct world *world, struct node *node)
{
    uint64_t slow_ns = between(world, world->plan.beat_ns, 6 * world->plan.beat_ns);
    uint64_t until_ns = world->now_ns + between(world, 1, 2 * world->plan.beat_ns);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct link *link = &world->links[node->index][i];
        link->slow_ns = slow_ns;
        link->slow_until_ns = until_ns;
    }
    schedule(world, until_ns, be_reborn)->from = node->index;
}
