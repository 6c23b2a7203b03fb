/* What goes wrong, and the end of it. */
#include "sim.h"

/* What goes wrong, one thing after another, until the plan's time is over; then everything is
 * fixed, and the cluster must become of one mind within a bounded time (I12). */

/* How long a healed cluster may take, in election timeouts: elections, back-off, attach,
 * downloads. */
enum { HEAL_ELECTIONS = 60 };

static struct node *any_node(struct world *world)
{
    struct node *primary = find_primary(world);
    if (primary != NULL && chance(world, 400000))
        return primary;
    return &world->nodes[between(world, 0, world->node_count - 1)];
}

static struct node *one_of(struct world *world)
{
    return &world->nodes[between(world, 0, world->node_count - 1)];
}

static uint64_t beats(struct world *world, uint64_t low, uint64_t high)
{
    return between(world, low * world->plan.beat_ns, high * world->plan.beat_ns);
}

/* ---- Death and return ------------------------------------------------------------------------ */

static void start(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->from];
    if (!node->up)
        node_start(world, node);
}

void faults_restart(struct world *world, struct node *node, uint64_t delay_ns)
{
    schedule(world, world->now_ns + delay_ns, start)->from = node->index;
}

static uint64_t downtime_ns(struct world *world)
{
    return chance(world, 400000) ? beats(world, 0, 1) : beats(world, 1, 25);
}

static void crash(struct world *world, struct node *node)
{
    if (!node->up)
        return;
    node_crash(world, node, chance(world, 500000));
    faults_restart(world, node, downtime_ns(world));
}

static void crash_all(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++)
        if (chance(world, 800000))
            crash(world, &world->nodes[i]);
}

/* Whose disk is lost and not replaced yet: the committed members name another one than the node has
 * now. */
static uint32_t lost_disks(struct world *world, bool of_readers)
{
    const struct members *members = &world->committed_members;
    uint32_t lost = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        lost += (member->voter || of_readers) &&
                member->store_id != find_node(world, member->id)->disk.store_id;
    }
    return lost;
}

/* No more disks at once than a majority can do without: beyond it, the loss is the operator's. */
bool faults_may_wipe(struct world *world, const struct node *node)
{
    const struct members *members = &world->committed_members;
    const struct node *primary = find_primary(world);
    const struct member *member = members_find(members, node->id);
    if (world->forced) /* its disk may be the only one of its generation */
        return false;
    if (world->plan.lossy) /* the record that admits the new disk may be lost with a tail */
        return false;
    /* there may be fewer voters in a moment */
    bool changing =
        primary == NULL || primary->view.commit != primary->view.last || operator_waits_at(primary);
    if (changing)
        return member != NULL && !member->voter && world->plan.weight[FAULT_SET_VOTER] == 0;
    if (member == NULL || !member->voter || member->store_id != node->disk.store_id)
        return true;
    uint32_t voters = members_voters(members);
    return lost_disks(world, false) + 1 <= voters - (voters / 2 + 1);
}

bool faults_wipe(struct world *world, struct node *node)
{
    if (!node->up || world->committed_members.count == 0 || !faults_may_wipe(world, node))
        return false;
    node_crash(world, node, true);
    TRACE(world, node, "wiped");
    disk_format(world, node);
    faults_restart(world, node, downtime_ns(world));
    return true;
}

static void pause_node(struct world *world, struct node *node)
{
    if (!node->up)
        return;
    uint64_t ns = chance(world, 500000) ? beats(world, 1, 10) : beats(world, 5, 40);
    TRACE(world, node, "paused for %.6f", (double)ns / 1e9);
    node->paused_until_ns = max_u64(node->paused_until_ns, world->now_ns + ns);
    node->sleeps_until_ns = node->paused_until_ns;
}

/* ---- The network ----------------------------------------------------------------------------- */

/* A cut link comes back by itself, or only when somebody drops the dead connection. */
static void heal_link(struct world *world, struct event *event)
{
    struct link *link = &world->links[event->from][event->number];
    if (!link->blocked || link->cuts != event->caller_life)
        return;
    link->blocked = false;
    link->stuck = chance(world, 400000);
    TRACE(world, NULL, "link %u->%u healed stuck=%d", event->from, (unsigned)event->number,
          link->stuck);
}

void faults_cut_link(struct world *world, uint32_t from, uint32_t to, uint64_t until_ns)
{
    struct link *link = &world->links[from][to];
    bool quiet = world->now_ns < world->quiet_until_ns;
    if (from == to || link->blocked || quiet)
        return;
    link->blocked = true;
    link->cuts++;
    TRACE(world, NULL, "link %u->%u cut", from, to);
    struct event *event = schedule(world, until_ns, heal_link);
    event->from = from;
    event->number = to;
    event->caller_life = link->cuts;
}

void faults_heal_link(struct world *world, uint32_t from, uint32_t to)
{
    world->links[from][to].blocked = false;
}

static uint64_t partition_end_ns(struct world *world)
{
    return world->now_ns + (chance(world, 500000) ? beats(world, 2, 12) : beats(world, 10, 60));
}

static void isolate(struct world *world, struct node *node, bool in, bool out)
{
    uint64_t until_ns = partition_end_ns(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (in)
            faults_cut_link(world, i, node->index, until_ns);
        if (out)
            faults_cut_link(world, node->index, i, until_ns);
    }
}

static void split(struct world *world)
{
    uint64_t until_ns = partition_end_ns(world);
    uint32_t side = (uint32_t)between(world, 1, (1u << world->node_count) - 2);
    for (uint32_t i = 0; i < world->node_count; i++)
        for (uint32_t j = 0; j < world->node_count; j++)
            if ((side >> i & 1) != (side >> j & 1))
                faults_cut_link(world, i, j, until_ns);
}

static void cut_one(struct world *world)
{
    uint32_t a = (uint32_t)between(world, 0, world->node_count - 1);
    uint32_t b = (uint32_t)between(world, 0, world->node_count - 1);
    uint64_t until_ns = partition_end_ns(world);
    faults_cut_link(world, a, b, until_ns);
    if (chance(world, 500000))
        faults_cut_link(world, b, a, until_ns);
}

/* Messages of the last moments are still on their way, much later. */
static void slow_links(struct world *world, struct node *node)
{
    uint64_t until_ns = world->now_ns + beats(world, 1, 15);
    uint64_t slow_ns = beats(world, 1, 20);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct link *link =
            chance(world, 500000) ? &world->links[i][node->index] : &world->links[node->index][i];
        link->slow_until_ns = until_ns;
        link->slow_ns = slow_ns;
    }
}

static void spurious_loss(struct world *world, struct node *node)
{
    const struct node *peer = &world->nodes[between(world, 0, world->node_count - 1)];
    if (!node->up || node->paused_until_ns > world->now_ns || peer == node)
        return;
    node_step(world, node, &(struct core_event){.type = CORE_EVENT_PEER_LOST, .peer = peer->id});
}

/* A state that silently is not what its log makes: of one node at a time, for any majority must
 * agree on the right one. */
static void differ(struct world *world, struct node *node)
{
    if (!node->up || world->forced || world->committed_members.count == 0)
        return;
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].disk.skew != 0 || world->nodes[i].disk.wipes > 0)
            return;
    node->disk.skew = between(world, 1, UINT64_MAX);
    world->differed = true;
    TRACE(world, node, "differs");
}

/* Then those that differ take the others' data without an operator (R67). */
static bool majority_is_sound(const struct world *world)
{
    const struct members *members = &world->committed_members;
    uint32_t sound = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        const struct member *member = members_find(members, node->id);
        /* not again within a minute; and a wiped disk may have copied what is wrong */
        if (node->healed || node->disk.wipes > 0)
            return false;
        sound += member != NULL && member->voter && node->disk.skew == 0;
    }
    return sound >= members_voters(members) / 2 + 1;
}

/* The operator's way out: the state is made anew from the log. Those who were outvoted by wrong
 * data are started anew, too. */
static void make_sound(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if ((node->disk.skew != 0 || node->view.doubtful) && node->up)
            node_crash(world, node, false);
        node->disk.skew = 0;
    }
}

/* ---- One fault after another ----------------------------------------------------------------- */

static bool strike_node(struct world *world, struct node *node, enum fault fault)
{
    switch (fault) {
    case FAULT_CRASH:
        crash(world, node);
        return true;
    case FAULT_CRASH_ALL:
        crash_all(world);
        return true;
    case FAULT_WIPE:
        (void)faults_wipe(world, node);
        return true;
    case FAULT_PAUSE:
        pause_node(world, node);
        return true;
    case FAULT_CLOCK_JUMP:
        clock_jump(world, node, beats(world, 0, 40));
        return true;
    default:
        return false;
    }
}

static bool strike_network(struct world *world, struct node *node, enum fault fault)
{
    switch (fault) {
    case FAULT_ISOLATE:
        isolate(world, node, true, true);
        return true;
    case FAULT_ISOLATE_ONE_WAY: {
        bool in = chance(world, 500000);
        isolate(world, node, in, !in);
        return true;
    }
    case FAULT_SPLIT:
        if (world->node_count > 1)
            split(world);
        return true;
    case FAULT_CUT_LINK:
        cut_one(world);
        return true;
    case FAULT_SLOW_LINKS:
        slow_links(world, node);
        return true;
    case FAULT_PEER_LOST:
        spurious_loss(world, node);
        return true;
    default:
        return false;
    }
}

static bool strike_disk(struct world *world, struct node *node, enum fault fault)
{
    struct writer *writer = &node->writer;
    switch (fault) {
    case FAULT_SLOW_DISK:
        writer->slow_until_ns = world->now_ns + beats(world, 1, 20);
        return true;
    case FAULT_FROZEN_DISK:
        writer->frozen_until_ns = world->now_ns + beats(world, 1, 40);
        return true;
    case FAULT_FULL_DISK:
        writer->wholly_full = chance(world, 500000);
        writer->full_until_ns =
            world->now_ns + (writer->wholly_full ? beats(world, 20, 200) : beats(world, 1, 20));
        return true;
    case FAULT_FAILED_FSYNC:
        writer->fail_next = true;
        return true;
    case FAULT_DIFFER:
        differ(world, node);
        return true;
    case FAULT_OLDER_COPY:
        copies_strike(world, node);
        return true;
    case FAULT_FORKED_LOG:
        forks_strike(world, node);
        return true;
    default:
        return false;
    }
}

/* What an operator may do at a bad time. */
static bool strike_by_operator(struct world *world, struct node *node, enum fault fault)
{
    bool awake = node->up && node->paused_until_ns <= world->now_ns;
    switch (fault) {
    case FAULT_PROMOTE:
        if (awake)
            operator_promote(world, node, false);
        return true;
    case FAULT_FORCE:
        if (awake)
            operator_promote(world, node, true);
        return true;
    case FAULT_ACCEPT:
        if (awake)
            operator_accept(world, node);
        return true;
    case FAULT_TRANSFER:
        if (awake)
            operator_transfer(world, node, one_of(world));
        return true;
    case FAULT_SET_VOTER: /* no operator does it while a disk is lost */
        if (awake && lost_disks(world, true) == 0)
            operator_set_voter(world, node, one_of(world), chance(world, 600000));
        return true;
    default:
        return false;
    }
}

/* Somebody who speaks in the name of another, or an order of events that hurts. */
static bool strike_by_stranger(struct world *world, struct node *node, enum fault fault)
{
    switch (fault) {
    case FAULT_USURP:
        scenario_usurp(world);
        return true;
    case FAULT_REBORN:
        scenario_reborn(world, node);
        return true;
    case FAULT_IMPERSONATE:
        strangers_impersonate(world);
        return true;
    case FAULT_STRANGER:
        strangers_ask(world);
        return true;
    case FAULT_POSE:
        strangers_pose(world);
        return true;
    case FAULT_OTHER_LOG:
        forks_speak(world, node);
        return true;
    default:
        return false;
    }
}

static void strike(struct world *world, enum fault fault)
{
    struct node *node = any_node(world);
    TRACE(world, node, "fault %d", fault);
    bool known = strike_node(world, node, fault) || strike_network(world, node, fault) ||
                 strike_disk(world, node, fault) || strike_by_operator(world, node, fault) ||
                 strike_by_stranger(world, node, fault);
    ASSERT(known || fault == FAULT_COUNT);
}

static enum fault draw_fault(struct world *world)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < FAULT_COUNT; i++)
        sum += world->plan.weight[i];
    uint64_t drawn = sum > 0 ? between(world, 1, sum) : 0;
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        if (drawn > 0 && drawn <= world->plan.weight[i])
            return (enum fault)i;
        drawn = saturating_sub(drawn, world->plan.weight[i]);
    }
    return FAULT_COUNT;
}

static void next_fault(struct world *world, struct event *event)
{
    (void)event;
    if (world->healing)
        return;
    if (world->now_ns >= world->quiet_until_ns)
        strike(world, draw_fault(world));
    schedule(world, world->now_ns + between(world, 1, 2 * world->plan.fault_every_ns), next_fault);
}

/* ---- The end of it --------------------------------------------------------------------------- */

/* Whoever is alone or old may need an operator: operators.c goes on looking. */
static void judge(struct world *world, struct event *event)
{
    (void)event;
    const char *why = check_converged(world);
    uint64_t limit_ns = HEAL_ELECTIONS * world->plan.election_ns + 200 * world->plan.beat_ns;
    if (world->now_ns - world->healed_ns > limit_ns)
        violate(world, "I12", "%.3f s after the faults ended: %s",
                (double)(world->now_ns - world->healed_ns) / 1e9,
                why != NULL ? why : "no write is acknowledged by a majority");
    bool kept =
        world->probe_number > 0 && world->writes[world->probe_number].ack >= CANDOR_ACK_MAJORITY;
    if (why == NULL && kept) {
        world->done = true;
        return;
    }
    if (why == NULL)
        client_probe(world, find_primary(world));
    schedule(world, world->now_ns + world->plan.beat_ns / 2, judge);
}

static void fix(struct world *world, struct event *event)
{
    (void)event;
    if (world->now_ns < world->quiet_until_ns) { /* what is to be found would be forgotten */
        schedule(world, world->quiet_until_ns, fix);
        return;
    }
    TRACE(world, NULL, "faults end");
    world->healing = true;
    world->healed_ns = world->now_ns;
    bool voters_change = world->plan.weight[FAULT_SET_VOTER] > 0;
    if (!majority_is_sound(world) || world->forced || voters_change)
        make_sound(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        for (uint32_t j = 0; j < world->node_count; j++) {
            world->links[i][j].stuck |= world->links[i][j].blocked && chance(world, 500000);
            world->links[i][j].blocked = false;
            world->links[i][j].slow_until_ns = 0;
        }
        node->paused_until_ns = 0;
        writer_wake(world, node);
        if (node->up && chance(world, 300000))
            node_crash(world, node, chance(world, 500000));
        if (!node->up)
            faults_restart(world, node, beats(world, 0, 3));
    }
    schedule(world, world->now_ns + world->plan.beat_ns, judge);
}

void faults_start(struct world *world)
{
    uint64_t first_ns = world->now_ns + world->plan.quiet_ns;
    schedule(world, first_ns, next_fault);
    schedule(world, first_ns + world->plan.faults_ns, fix);
}
