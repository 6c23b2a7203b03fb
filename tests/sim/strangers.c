/* Who is no node and speaks all the same. */
#include "sim.h"

/* Who is no node of the cluster and speaks all the same (docs/operations.md, "What a stranger on
 * the network can still do"). */

static struct node *any_awake(struct world *world)
{
    struct node *node = &world->nodes[between(world, 0, world->node_count - 1)];
    return node->up && node->paused_until_ns <= world->now_ns ? node : NULL;
}

/* ---- At the address of one node, in the name of another (R49) -------------------------------- */

/* Proof, as it seems, that the victim's data are of this very moment. */
static void forge_heartbeat(struct world *world, const struct node *victim, struct core_msg *msg)
{
    msg->type = CORE_MSG_HEARTBEAT;
    msg->heartbeat.hb_id = (UINT64_C(1) << 40) + between(world, 0, 1000);
    msg->heartbeat.last = victim->view.last;
    msg->heartbeat.first = 1;
    msg->heartbeat.commit = victim->view.last;
    msg->heartbeat.echoes.last = victim->view.last;
    msg->heartbeat.echoes.count = 1;
    msg->heartbeat.echoes.list[0] = (struct core_echo){
        .node = victim->id,
        .boot = victim->disk.boot,
        .ts_ns = local_ns(world, victim),
        .store_id = victim->disk.store_id,
    };
}

/* As if another replica held all, and had heard every heartbeat. */
static void forge_status(struct world *world, const struct node *victim, struct core_msg *msg)
{
    msg->type = CORE_MSG_STATUS;
    msg->status.ts_ns = local_ns(world, victim);
    msg->status.hb_id = between(world, 1, 1000);
    msg->status.last = msg->status.durable = msg->status.applied = victim->view.last;
    msg->status.match = victim->view.last;
    msg->status.state = CANDOR_STATE_FRESH;
}

void strangers_impersonate(struct world *world)
{
    struct node *victim = any_awake(world);
    const struct node *at = &world->nodes[between(world, 0, world->node_count - 1)];
    const struct node *name = victim != NULL && victim->view.role != CANDOR_ROLE_PRIMARY
                                  ? find_node(world, victim->view.epoch.owner)
                                  : &world->nodes[between(world, 0, world->node_count - 1)];
    if (victim == NULL || at == victim || name == NULL || name == at || name == victim)
        return;
    static struct core_msg msg; /* large */
    memset(&msg, 0, sizeof msg);
    msg.header = node_header(name, victim->view.epoch);
    if (victim->view.role == CANDOR_ROLE_PRIMARY)
        forge_status(world, victim, &msg);
    else
        forge_heartbeat(world, victim, &msg);
    trace_message(world, victim, "got from a stranger", &msg);
    node_step(world, victim,
              &(struct core_event){.type = CORE_EVENT_STREAM, .peer = at->id, .msg = &msg});
}

/* ---- Requests (R50) -------------------------------------------------------------------------- */

static uint64_t any_counter(struct world *world, uint64_t near)
{
    static const uint64_t far[] = {0, 1, UINT64_C(1) << 20, UINT64_C(1) << 40,
                                   (UINT64_C(1) << 62) - 1};
    return chance(world, 500000) ? near + between(world, 0, 3) : far[between(world, 0, 4)];
}

static struct candor_node_id any_name(struct world *world)
{
    if (chance(world, 100000))
        return node_id_of("nobody");
    return world->nodes[between(world, 0, world->node_count - 1)].id;
}

static struct candor_epoch any_epoch(struct world *world, struct candor_epoch near)
{
    struct candor_epoch epoch = near;
    if (chance(world, 300000))
        return epoch;
    epoch.term = any_counter(world, near.term);
    if (chance(world, 300000))
        epoch.generation = any_counter(world, near.generation);
    epoch.owner = any_name(world);
    return epoch;
}

static void forge_request(struct world *world, const struct node *victim, struct core_msg *msg)
{
    static const enum core_msg_type types[] = {CORE_MSG_ATTACH,   CORE_MSG_PRE_VOTE,
                                               CORE_MSG_VOTE,     CORE_MSG_READ_INDEX,
                                               CORE_MSG_TRANSFER, CORE_MSG_LIFE};
    struct candor_epoch known = victim->view.epoch;
    const struct node *name = &world->nodes[between(world, 0, world->node_count - 1)];
    msg->type = types[between(world, 0, 5)];
    msg->header = node_header(name, any_epoch(world, known));
    msg->header.boot = any_counter(world, name->disk.boot);
    if (chance(world, 200000))
        msg->header.store_id = between(world, 1, 1000);
    const struct node *owner = find_node(world, known.owner);
    if (msg->type == CORE_MSG_TRANSFER && owner != NULL && chance(world, 700000))
        msg->header = node_header(owner, known);
    if (msg->type == CORE_MSG_ATTACH) {
        msg->attach.last = any_counter(world, victim->view.last);
    } else if (msg->type == CORE_MSG_VOTE || msg->type == CORE_MSG_PRE_VOTE) {
        msg->vote.epoch = any_epoch(world, known);
        if (chance(world, 700000))
            msg->vote.epoch.owner = name->id;
        msg->vote.last =
            (struct candor_pos){msg->vote.epoch, any_counter(world, victim->view.last)};
        msg->vote.transfer = chance(world, 300000);
    }
}

/* What it opens itself in the same step was planned before. */
static void must_have_learnt_nothing(struct world *world, const struct node *node,
                                     const struct candor_epoch *before, const struct core_msg *msg)
{
    const struct candor_epoch *now = &node->view.epoch;
    char old[EPOCH_TEXT_BYTES];
    char new[EPOCH_TEXT_BYTES];
    bool own = node_id_equal(now->owner, node->id) && now->term == before->term + 1;
    if (!epoch_equal(*now, *before) && !own)
        violate(world, "R50", "node %s was in %s, and in %s after a stranger's request of type %d",
                node->id.text, epoch_text(*before, old), epoch_text(*now, new), (int)msg->type);
}

static void ask(struct world *world, struct node *victim)
{
    static struct core_msg msg; /* large */
    memset(&msg, 0, sizeof msg);
    forge_request(world, victim, &msg);
    struct ticket *ticket = ticket_new(world, victim, TICKET_REQUEST);
    ticket->caller = SIM_NODES;
    ticket->votes = msg.type == CORE_MSG_VOTE;
    ticket->hands_over = msg.type == CORE_MSG_TRANSFER;
    if (ticket->votes) {
        ticket->epoch = msg.vote.epoch;
        ticket->against_live = rules_against_live(world, victim, &msg);
    }
    struct candor_epoch before = victim->view.epoch;
    struct core_event event = {.type = CORE_EVENT_REQUEST, .ticket = ticket->id, .msg = &msg};
    trace_message(world, victim, "asked by a stranger", &msg);
    node_step(world, victim, &event);
    must_have_learnt_nothing(world, victim, &before, &msg);
}

/* ---- At the address of a node that is down, in its name (R8, R53) ---------------------------- */

static struct node *any_down(struct world *world)
{
    uint64_t first = between(world, 0, world->node_count - 1);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[(first + i) % world->node_count];
        if (!node->up && node->disk.cluster_id != 0)
            return node;
    }
    return NULL;
}

/* Of this generation: a new one would have to be forced by an operator, as if that node had been;
 * or of one that is too far. */
static struct candor_epoch posed_epoch(struct world *world, struct candor_epoch near)
{
    static const uint64_t far[] = {UINT64_C(1) << 19, UINT64_C(1) << 40, (UINT64_C(1) << 62) - 1};
    struct candor_epoch epoch = near;
    epoch.term =
        chance(world, 500000) ? near.term + between(world, 0, 3) : far[between(world, 0, 2)];
    if (chance(world, 150000))
        epoch.generation = far[between(world, 1, 2)];
    epoch.owner = any_name(world);
    return epoch;
}

/* It is believed, as far as that node could be: it holds nothing, but knows of lives, disks and
 * epochs. Who holds nothing itself believes any epoch, and has to be emptied again: that is not
 * drawn. */
void strangers_pose(struct world *world)
{
    struct node *name = any_down(world);
    static struct core_msg msg; /* large */
    if (name == NULL)
        return;
    memset(&msg, 0, sizeof msg);
    msg.type = CORE_MSG_STATUS;
    msg.header = node_header(name, name->disk.epoch);
    msg.header.boot = any_counter(world, name->disk.boot);
    if (chance(world, 200000))
        msg.header.store_id = between(world, 1, 1000);
    if (chance(world, 500000))
        msg.header.epoch = posed_epoch(world, name->disk.epoch);
    name->disk.posed = name->disk.posed || (msg.header.store_id == name->disk.store_id &&
                                            msg.header.boot > name->disk.boot);
    msg.status.state = CANDOR_STATE_FRESH;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *victim = &world->nodes[i];
        bool awake = victim->up && victim->paused_until_ns <= world->now_ns;
        if (!awake || victim == name || victim->disk.last == 0)
            continue;
        trace_message(world, victim, "got from who poses as it", &msg);
        node_step(world, victim,
                  &(struct core_event){.type = CORE_EVENT_STREAM, .peer = name->id, .msg = &msg});
    }
}

void strangers_ask(struct world *world)
{
    uint64_t requests = between(world, 1, 2 * world->node_count);
    for (uint64_t i = 0; i < requests; i++) {
        struct node *victim = any_awake(world);
        if (victim != NULL)
            ask(world, victim);
    }
}
