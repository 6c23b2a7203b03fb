/* Downloads of snapshots. */
#include <stdlib.h>

#include "sim.h"

/* A download: cut at the peer at some moment, whole here some time later. */

struct snapshot *snapshot_cut(struct world *world, const struct node *node)
{
    const struct disk *disk = &node->disk;
    struct snapshot *snapshot = world_alloc(world, sizeof *snapshot);
    snapshot->pos = disk_pos(disk, disk->last);
    snapshot->skew = disk->skew;
    snapshot->records = world_copy(world, disk->records, disk->last * sizeof *disk->records);
    snapshot->state = disk->state;
    snapshot->undo_floor = disk->undo_floor;
    snapshot->log_ms = disk->log_ms;
    snapshot->rewinds = disk->rewinds;
    snapshot->cluster_id = disk_cluster_id(disk);
    snapshot->members = *disk_members(disk, disk->last);
    snapshot->history.starts =
        world_alloc(world, LIMIT_EPOCH_HISTORY * sizeof *snapshot->history.starts);
    disk_history(disk, disk->last, &snapshot->history);
    snapshot->boot = disk->boot;
    snapshot->epoch = disk->epoch;
    snapshot->hard_commit = disk->hard_commit;
    return snapshot;
}

static struct state_digest snapshot_digest(const struct snapshot *snapshot)
{
    struct disk disk = {.records = snapshot->records, .skew = snapshot->skew};
    return disk_digest(&disk, snapshot->pos.seq);
}

static void tell(struct world *world, struct node *node, struct snapshot *snapshot)
{
    struct core_event event = {.type = snapshot != NULL ? CORE_EVENT_SNAPSHOT_READY
                                                        : CORE_EVENT_SNAPSHOT_FAILED};
    if (snapshot != NULL) {
        event.snapshot.pos = snapshot->pos;
        event.snapshot.digest = snapshot_digest(snapshot);
        event.snapshot.rewinds = snapshot->rewinds;
        event.snapshot.undo_floor = snapshot->undo_floor;
        event.snapshot.cluster_id = snapshot->cluster_id;
        event.snapshot.history = &snapshot->history;
        event.snapshot.members = &snapshot->members;
    }
    node->ready = snapshot;
    TRACE(world, node, "snapshot %s seq=%" PRIu64, snapshot != NULL ? "ready" : "failed",
          snapshot != NULL ? snapshot->pos.seq : 0);
    node_step(world, node, &event);
}

static void arrive(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    /* dropped, or replaced by another */
    if (event->number != node->download)
        return;
    bool whole = event->data != NULL && net_open(world, event->from, event->node);
    if (!whole)
        node->download = 0;
    tell(world, node, whole ? event->data : NULL);
}

struct wish {
    struct candor_epoch epoch;
};

/* The server offers what it has; a careless one also a checkpoint that is older than the epoch. */
static struct snapshot *offer(struct world *world, struct node *server, struct candor_epoch epoch)
{
    if (world->plan.careless_server && server->checkpoint != NULL && chance(world, 300000))
        return server->checkpoint;
    if (server->view.role != CANDOR_ROLE_PRIMARY || !epoch_equal(server->view.epoch, epoch) ||
        server->disk.last == 0)
        return NULL;
    server->checkpoint = snapshot_cut(world, server);
    return server->checkpoint;
}

static void cut(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    const struct wish *wish = event->data;
    if (event->number != node->download)
        return;
    struct node *server = &world->nodes[event->from];
    bool reachable = server->up && server->paused_until_ns <= world->now_ns &&
                     net_open(world, server->index, node->index) &&
                     net_open(world, node->index, server->index);
    struct snapshot *snapshot = reachable ? offer(world, server, wish->epoch) : NULL;
    uint64_t takes_ns = between(world, world->plan.latency_ns, 4 * world->plan.beat_ns);
    struct event *next = schedule_at_node(world, node, world->now_ns + takes_ns, arrive);
    next->number = event->number;
    next->from = event->from;
    next->data = snapshot;
}

void snapshot_fetch(struct world *world, struct node *node,
                    const struct core_action_fetch_snapshot *fetch)
{
    struct wish *wish = world_alloc(world, sizeof *wish);
    wish->epoch = fetch->epoch;
    node->ready = NULL;
    node->download = ++world->next_download;
    uint64_t at_ns = world->now_ns + between(world, 0, world->plan.beat_ns);
    struct event *event = schedule_at_node(world, node, at_ns, cut);
    event->number = node->download;
    event->from = find_node(world, fetch->peer)->index;
    event->data = wish;
}

void snapshot_drop(struct node *node)
{
    node->download = 0;
    node->ready = NULL;
}
