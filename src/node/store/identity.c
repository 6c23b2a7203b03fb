/* Whose data directory it is (R61): cluster, node, disk, and how often it was started. */
#include "node/store/identity.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/rng.h"
#include "log/hard_state.h"
#include "node/shared/node_state.h"
#include "node/store/writer_state.h"
#include "state/state.h"
#include "topology/topology.h"

/* Names of clusters have the shape of node ids (docs/topology.md). */
static struct candor_node_id cluster_name(const struct node *node)
{
    return node_id_of(node->topology->cluster);
}

/* A directory that no start has named yet: made by this one. */
static void take(struct node *node)
{
    node->writer->hard.node = node->self->id;
    node->writer->hard.cluster_name = cluster_name(node);
}

static enum candor_code refuse(const struct node *node, struct candor_error *err)
{
    const struct hard_state *hard = &node->writer->hard;
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                            "%s: this is the data directory of node %s of cluster %s, not of node "
                            "%s of cluster %s. Were two directories "
                            "swapped, or one copied? Then put them back. If it is to be this "
                            "node's from now on, start once with --adopt: "
                            "it counts as a new disk then, and rejoins",
                            node->data, hard->node.text, hard->cluster_name.text,
                            node->self->id.text, node->topology->cluster);
}

/* Another node's disk has voted and acknowledged as that node: here it is a disk that nobody knows
 * (R4). A cluster of another name with the same nodes is the same cluster, renamed. */
static void adopt(struct node *node)
{
    struct hard_state *hard = &node->writer->hard;
    bool same_node = node_id_equal(hard->node, node->self->id);
    uint64_t store_id = same_node ? hard->store_id : random_u64_nonzero();
    log_warn("adopted",
             "data=%s was=%s cluster_was=%s is=%s cluster_is=%s store_was=%016" PRIx64
             " store_is=%016" PRIx64,
             node->data, hard->node.text, hard->cluster_name.text, node->self->id.text,
             node->topology->cluster, hard->store_id, store_id);
    hard->store_id = store_id;
    take(node);
}

static enum candor_code check(struct node *node, struct candor_error *err)
{
    const struct hard_state *hard = &node->writer->hard;
    bool ours = node_id_equal(hard->node, node->self->id) &&
                node_id_equal(hard->cluster_name, cluster_name(node));
    if (ours)
        return CANDOR_OK;
    if (!node->options.adopt)
        return refuse(node, err);
    adopt(node);
    return CANDOR_OK;
}

void identity_renew(struct node *node)
{
    node->writer->hard.store_id = random_u64_nonzero();
}

enum candor_code identity_load(struct node *node, bool *fresh, bool *rebooted,
                               struct candor_error *err)
{
    struct hard_state *hard = &node->writer->hard;
    enum candor_code code = hard_state_load(node->data, hard, err);
    *fresh = code == CANDOR_NOT_FOUND;
    *rebooted = false;
    if (*fresh) {
        *hard = (struct hard_state){.store_id = random_u64_nonzero()};
        take(node);
        return CANDOR_OK;
    }
    if (code != CANDOR_OK)
        return code;
    char os_boot[sizeof hard->os_boot_id];
    bool known = clock_boot_id(os_boot);
    *rebooted = !hard->clean_shutdown && (!known || strcmp(os_boot, hard->os_boot_id) != 0);
    return check(node, err);
}

enum candor_code identity_begin_life(struct node *node, struct candor_error *err)
{
    struct hard_state *hard = &node->writer->hard;
    struct state_position position;
    state_position(node->state, &position);
    if (epoch_compare(position.applied.epoch, hard->epoch) > 0)
        hard->epoch = position.applied.epoch;
    hard->boot = boot_next(hard->boot, random_u64_nonzero());
    hard->clean_shutdown = false;
    hard->end_seq = 0;
    clock_boot_id(hard->os_boot_id);
    return hard_state_save(node->data, hard, err);
}
