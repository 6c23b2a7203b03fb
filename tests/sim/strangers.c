#include "sim.h"

/* Who is no node of the cluster and speaks all the same (docs/operations.md, "What a stranger on the network can still do"). */

/* What whoever listens on the network knows of a node. */
static struct core_header header_of(const struct node *node, struct epoch epoch)
{
    return (struct core_header){
        .cluster_id = node->disk.cluster_id,
        .config_hash = 42,
        .node = node->id,
        .store_id = node->disk.store_id,
        .boot = node->disk.boot,
        .epoch = epoch,
    };
}

static struct node *any_awake(struct world *world)
{
    struct node *node = &world->nodes[between(world, 0, world->node_count - 1)];
    return node->up && node->paused_until_ns <= world->now_ns ? node : NULL;
}

/* ---- At the address of one node, in the name of another (R49) -------------------------------------------- */

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
    msg->status.state = STATE_FRESH;
}

void strangers_impersonate(struct world *world)
{
    struct node *victim = any_awake(world);
    const struct node *at = &world->nodes[between(world, 0, world->node_count - 1)];
    const struct node *name = victim != NULL && victim->view.role != ROLE_PRIMARY
                                  ? find_node(world, victim->view.epoch.owner)
                                  : &world->nodes[between(world, 0, world->node_count - 1)];
    if (victim == NULL || at == victim || name == NULL || name == at || name == victim)
        return;
    static struct core_msg msg; /* large */
    memset(&msg, 0, sizeof msg);
    msg.header = header_of(name, victim->view.epoch);
    if (victim->view.role == ROLE_PRIMARY)
        forge_status(world, victim, &msg);
    else
        forge_heartbeat(world, victim, &msg);
    trace_message(world, victim, "got from a stranger", &msg);
    node_step(world, victim,
              &(struct core_event){.type = CORE_EVENT_STREAM, .peer = at->id, .msg = &msg});
}
