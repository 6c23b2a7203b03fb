/* Disks put back as they were, and second processes of a node (R62, R64). */
#include <stdlib.h>

#include "sim.h"

/* Disks that are put back as they were some time ago (R62): a backup, a virtual machine's snapshot.
 * What the node had promised since is not on them, and only the others know of it. */

/* ---- What the others know -------------------------------------------------------------------- */

static const struct core_life *life_of(const struct core_lives *lives, struct candor_node_id id)
{
    for (uint32_t i = 0; i < lives->count; i++)
        if (node_id_equal(lives->list[i].node, id))
            return &lives->list[i];
    return NULL;
}

/* That the disk was further than its copy is. */
static bool is_outdated_to(const struct node *other, const struct node *node)
{
    const struct disk *copy = &node->backup;
    struct core_lives lives;
    core_lives(other->core, &lives);
    const struct core_life *life = life_of(&lives, node->id);
    if (life == NULL || life->store_id != node->disk.store_id)
        return false;
    int order = epoch_compare(life->held.epoch, copy->epoch);
    return boot_count(life->boot) > boot_count(copy->boot) || order > 0 ||
           (order == 0 && life->held.seq > copy->last);
}

static bool is_open(const struct world *world, uint32_t from, uint32_t to)
{
    const struct link *link = &world->links[from][to];
    return !link->blocked && !link->stuck && link->slow_until_ns <= world->now_ns;
}

/* All are there, hear each other, and know better: who is cut off from all that know may vote when
 * its patience ends, which is the limit that docs/consistency.md names. */
static bool will_be_found(struct world *world, const struct node *node)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct node *other = &world->nodes[i];
        if (other == node)
            continue;
        bool awake = other->up && other->paused_until_ns <= world->now_ns;
        if (!awake || !is_open(world, i, node->index) || !is_open(world, node->index, i) ||
            !is_outdated_to(other, node))
            return false;
    }
    return world->node_count > 1;
}

/* ---- Putting back ---------------------------------------------------------------------------- */

static void copy_disk(const struct disk *from, struct disk *to)
{
    free(to->records);
    *to = *from;
    to->records = malloc((from->last + 1) * sizeof *to->records);
    ASSERT(to->records != NULL);
    if (from->last > 0)
        memcpy(to->records, from->records, from->last * sizeof *to->records);
    to->capacity = from->last + 1;
}

void copies_keep(struct node *node)
{
    copy_disk(&node->disk, &node->backup);
}

void copies_put_back(struct world *world, struct node *node)
{
    struct disk *disk = &node->disk;
    disk_excuse(world, disk, node->backup.last);
    struct candor_epoch promised = disk->promised;
    struct candor_epoch shown = disk->shown;
    copy_disk(&node->backup, disk);
    disk->promised = promised;
    disk->shown = shown;
    disk->older = true;
    disk->wipes++;
    /* who ends now forgets what it has heard */
    for (uint32_t i = 0; i < world->node_count; i++)
        world->nodes[i].writer.fail_next = false;
    world->quiet_until_ns = world->now_ns + 4 * world->plan.election_ns;
    TRACE(world, node, "its disk is as it was at seq=%" PRIu64, disk->last);
}

void copies_strike(struct world *world, struct node *node)
{
    const struct disk *disk = &node->disk;
    /* one kind of bad disk at a time, for most are to be good */
    if (!node->up || disk->cluster_id == 0 || disk->older || world->differed)
        return;
    if (node->backup.store_id != disk->store_id) {
        copies_keep(node);
        return;
    }
    if (!will_be_found(world, node) || !faults_may_wipe(world, node))
        return;
    node_crash(world, node, false);
    copies_put_back(world, node);
    faults_restart(world, node, between(world, 0, world->plan.beat_ns));
}

/* ---- Being found ----------------------------------------------------------------------------- */

static void renew(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->from];
    struct disk *disk = &node->disk;
    node_crash(world, node, false);
    disk->store_id = ++world->next_store;
    disk->promised = disk->shown = (struct candor_epoch){0};
    disk->born = 0;
    disk->older = disk->went_back = disk->posed = false;
    world->quiet_until_ns = world->now_ns;
    node_start(world, node);
}

void copies_renew(struct world *world, struct node *node, const char *why)
{
    /* Who had to go back within an epoch looks like an older copy to those who remember; it loses
     * nothing by it. */
    if (!node->disk.older && !node->disk.went_back && !node->disk.posed)
        violate(world, "R62", "node %s takes its own disk for an older copy: %s", node->id.text,
                why);
    schedule(world, world->now_ns, renew)->from = node->index;
}

/* What it promises is not what the disk has promised. */
void copies_must_keep_still(struct world *world, const struct node *node, const char *what)
{
    if (node->disk.older)
        violate(world, "R62", "node %s has an older copy of its disk, and %s", node->id.text, what);
}
