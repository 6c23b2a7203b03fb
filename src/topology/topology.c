/* The table of all keys, and what is asked of a loaded topology. */
#include "topology/internal.h"

#include <string.h>
#include <xxhash.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define TIB (MIB * 1024 * 1024)
#define SECOND_MS UINT64_C(1000)
#define HOUR_MS (3600 * SECOND_MS)
#define DAY_MS (24 * HOUR_MS)

#define FIELD(type, member)                                                                        \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)

/* A choice is kept as its index: manual = false, automatic = true; reader = false, voter = true. */
static const char *const failovers[] = {"manual", "automatic", NULL};
static const char *const switches[] = {"off", "on", NULL};
static const char *const roles[] = {"reader", "voter", NULL};
static const char *const durabilities[] = {
    [TOPOLOGY_ALWAYS] = "always", [TOPOLOGY_INTERVAL] = "interval", [TOPOLOGY_OS] = "os", NULL};

const struct key topology_keys[KEY_COUNT] = {
    {SECTION_CLUSTER, "cluster", KIND_NAME, NEED_VALUE, FIELD(topology, cluster),
     .change = CHANGE_STOPPED,
     .doc = "The cluster's name. Nodes of another name are foreign: their messages are dropped."},
    {SECTION_CLUSTER, "failover", KIND_CHOICE, NEED_DEFAULT, FIELD(topology, automatic_failover),
     .choices = failovers, .fallback = "manual",
     .doc = "`manual`: only `kvctl promote` makes a primary. `automatic`: the voters elect "
            "one when "
            "theirs falls silent."},
    {SECTION_CLUSTER, "initial_primary", KIND_NAME, NEED_DERIVED, FIELD(topology, initial_primary),
     .fallback = "the first voter", .change = CHANGE_FOUNDING,
     .doc = "The voter that founds the cluster."},
    {SECTION_CLUSTER, "heartbeat_interval", KIND_DURATION, NEED_DEFAULT,
     FIELD(topology, heartbeat_interval_ms), 1, HOUR_MS, .fallback = "100ms",
     .doc = "How often the primary says that it is there."},
    {SECTION_CLUSTER, "stale_after", KIND_DURATION, NEED_DEFAULT, FIELD(topology, stale_after_ms),
     1, DAY_MS, .fallback = "1s",
     .doc = "A replica that heard no heartbeat for longer answers with `stale = true`. At least 2 "
            "`heartbeat_interval`, better 4."},
    {SECTION_CLUSTER, "reject_after", KIND_DURATION_OR_NEVER, NEED_DEFAULT,
     FIELD(topology, reject_after_ms), 1, 365 * DAY_MS, .fallback = "never",
     .doc = "A replica that heard no heartbeat for longer refuses to answer. Longer than "
            "`stale_after`."},
    {SECTION_CLUSTER, "scrub_interval", KIND_DURATION_OR_NEVER, NEED_DEFAULT,
     FIELD(topology, scrub_interval_ms), 1000, 365 * DAY_MS, .fallback = "24h",
     .doc = "How long each node waits before it looks again for rot in its state, checkpoint, log "
            "and archives."},
    {SECTION_CLUSTER, "election_timeout", KIND_DURATION, NEED_DEFAULT,
     FIELD(topology, election_timeout_ms), 1, HOUR_MS, .fallback = "1500ms",
     .doc = "After this much silence, or up to twice as much (drawn at random), a voter asks to be "
            "elected; a primary that has no majority for this long steps down. At least "
            "3 `heartbeat_interval`."},
    {SECTION_CLUSTER, "writer_stall", KIND_DURATION, NEED_DERIVED, FIELD(topology, writer_stall_ms),
     100, HOUR_MS, .fallback = "`election_timeout`, at least 1s",
     .doc = "A primary whose disk is stuck for longer steps down."},
    {SECTION_CLUSTER, "max_lag", KIND_COUNT, NEED_DEFAULT, FIELD(topology, max_lag), 0,
     UINT64_C(1000000000000), .fallback = "10000",
     .doc = "Records behind the primary from which on a replica says SYNCING; 0: no limit."},
    {SECTION_CLUSTER, "durability", KIND_CHOICE, NEED_DEFAULT, FIELD(topology, durability),
     .choices = durabilities, .fallback = "always",
     .doc = "When an answer waits for the disk. `always`: every time. `interval`: the disk is "
            "synced every "
            "`sync_interval`; a crash may lose that much. `os`: whenever the kernel likes."},
    {SECTION_CLUSTER, "sync_interval", KIND_DURATION, NEED_DEFAULT,
     FIELD(topology, sync_interval_ms), 1, HOUR_MS, .fallback = "100ms",
     .doc = "How often `durability: interval` syncs."},
    {SECTION_CLUSTER, "clock_drift_ppm", KIND_COUNT, NEED_DEFAULT, FIELD(topology, clock_drift_ppm),
     0, 100000, .fallback = "200",
     .doc = "How far two clocks may run apart, in millionths. Every staleness bound is stretched "
            "by it."},
    {SECTION_CLUSTER, "leases", KIND_CHOICE, NEED_DEFAULT, FIELD(topology, leases),
     .choices = switches, .fallback = "off",
     .doc = "`on`: the primary answers LINEARIZABLE reads without a confirmation round while a "
            "majority has promised to elect no other node; a new primary then comes "
            "`election_timeout` after the loss of the old one at the soonest. Needs "
            "`clock_drift_ppm`: a clock that runs further off breaks linearizability."},
    {SECTION_CLUSTER, "limits", KIND_SECTION, NEED_NOTHING, 0, 0, .inside = SECTION_LIMITS,
     .change = CHANGE_INSIDE, .doc = "What is refused as too large."},
    {SECTION_CLUSTER, "retention", KIND_SECTION, NEED_NOTHING, 0, 0, .inside = SECTION_RETENTION,
     .change = CHANGE_INSIDE, .doc = "What is kept for replicas that are away."},
    {SECTION_CLUSTER, "nodes", KIND_NODES, NEED_VALUE, 0, 0, .change = CHANGE_NODES,
     .doc = "The list of nodes."},

    {SECTION_LIMITS, "value", KIND_SIZE, NEED_DEFAULT, FIELD(topology, limit_value_bytes), 1,
     LIMIT_VALUE_BYTES_MAX, .fallback = "1MiB", .doc = "The largest value of a key."},
    {SECTION_LIMITS, "message", KIND_SIZE, NEED_DEFAULT, FIELD(topology, limit_message_bytes),
     64 * KIB, LIMIT_MESSAGE_BYTES_MAX, .fallback = "4MiB",
     .doc = "The largest request or reply. At least 64KiB more than `value`."},
    {SECTION_LIMITS, "max_uncommitted", KIND_COUNT, NEED_DEFAULT, FIELD(topology, max_uncommitted),
     1, 1000000000, .fallback = "1000000",
     .doc = "Records that no majority holds yet; beyond, the primary refuses writes as "
            "OVERLOADED."},
    {SECTION_LIMITS, "state", KIND_SIZE, NEED_DEFAULT, FIELD(topology, state_bytes), MIB, 64 * TIB,
     .fallback = "16GiB",
     .doc = "How large a node's state may grow; then only deletes are taken. This reserves address "
            "space; disk space is used only as data grows."},

    {SECTION_RETENTION, "log", KIND_SIZE, NEED_DEFAULT, FIELD(topology, retention_log_bytes), 0,
     64 * TIB, .fallback = "1GiB",
     .doc = "Log kept beyond what commit and checkpoint need. A replica that was away for less "
            "catches up without a snapshot."},

    {SECTION_NODE, "id", KIND_NAME, NEED_VALUE, FIELD(topology_node, id), .change = CHANGE_NEVER,
     .doc = "The node's name, its own."},
    {SECTION_NODE, "rpc", KIND_ADDRESS, NEED_VALUE, FIELD(topology_node, rpc),
     .doc = "Where clients and operators ask."},
    {SECTION_NODE, "peer", KIND_ADDRESS, NEED_DERIVED, FIELD(topology_node, peer),
     .fallback = "the rpc's port + 3, or its path + `.peer`",
     .doc =
         "Where other nodes ask: votes, attaches, records, snapshots. A door of its own, so that "
         "no crowd of clients can keep peers out; keep it closed to clients."},
    {SECTION_NODE, "stream", KIND_ADDRESS, NEED_VALUE, FIELD(topology_node, stream),
     .doc = "Where peers subscribe to records and acknowledgements."},
    {SECTION_NODE, "heartbeat", KIND_ADDRESS, NEED_DERIVED, FIELD(topology_node, heartbeat),
     .fallback = "the stream's port + 1, or its path + `.heartbeat`",
     .doc = "Where peers subscribe to heartbeats."},
    {SECTION_NODE, "data", KIND_PATH, NEED_VALUE, FIELD(topology_node, data), .change = CHANGE_OWN,
     .doc = "The node's folder for log and state. A relative path starts at the topology file's "
            "folder; `..` is "
            "resolved as written."},
    {SECTION_NODE, "role", KIND_CHOICE, NEED_DEFAULT, FIELD(topology_node, voter), .choices = roles,
     .fallback = "voter", .change = CHANGE_VOTER,
     .doc = "`voter`: counts for majorities and can become primary. `reader`: a replica that does "
            "neither."},
    {SECTION_NODE, "zone", KIND_NAME, NEED_NOTHING, FIELD(topology_node, zone),
     .doc = "Where the node stands: `kvctl topology show` draws zones as boxes, and clients may "
            "read in their own (`--route zone`)."},
    {SECTION_NODE, "durability", KIND_CHOICE, NEED_DERIVED, FIELD(topology_node, durability),
     .choices = durabilities, .fallback = "the cluster's", .doc = "This node's own `durability`."},
};

const struct key *key_find(enum section section, const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (topology_keys[i].section == section && strcmp(topology_keys[i].name, name) == 0)
            return &topology_keys[i];
    return NULL;
}

const char *section_title(enum section section)
{
    static const char *const titles[SECTION_COUNT] = {"", "limits", "retention", "nodes"};
    return titles[section];
}

const struct topology_node *topology_find(const struct topology *topology, struct candor_node_id id)
{
    for (uint32_t i = 0; i < topology->node_count; i++)
        if (node_id_equal(topology->nodes[i].id, id))
            return &topology->nodes[i];
    return NULL;
}

void topology_members(const struct topology *topology, struct members *out)
{
    memset(out, 0, sizeof *out);
    out->count = topology->node_count;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        out->list[i].id = topology->nodes[i].id;
        out->list[i].voter = topology->nodes[i].voter;
    }
}

uint64_t topology_hash(const struct topology *topology)
{
    uint64_t hash = XXH64(topology->cluster, strlen(topology->cluster), 0);
    return hash == 0 ? 1 : hash;
}
