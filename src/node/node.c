/* Birth and end of a node: what is wired to what, and in which order it is taken apart. */
#include "node/node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/queue.h"
#include "base/rng.h"
#include "base/types.h"
#include "core/core.h"
#include "net/listen.h"
#include "net/own_address.h"
#include "node/loop/loop.h"
#include "node/loop/peers.h"
#include "node/loop/streams.h"
#include "node/serve/bundle.h"
#include "node/serve/failovers.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/serve/watchers.h"
#include "node/shared/node_state.h"
#include "node/shared/pool.h"
#include "node/shared/self.h"
#include "node/store/download.h"
#include "node/store/open.h"
#include "node/store/scrub.h"
#include "node/store/snapshot.h"
#include "node/store/writer.h"
#include "rpc/rpc.h"
#include "stream/stream.h"
#include "topology/topology.h"

/* Two each, so that one long job does not hold up the next short one. */
enum { LENDER_THREADS = 2, SLOW_THREADS = 2, NNG_THREADS_MOST = 16 };

/* ---- The doors ------------------------------------------------------------------------------- */

/* For clients and operators. */
static enum candor_code open_front(struct node *node, struct candor_error *err)
{
    node->kv = kv_service_new(node);
    node->cluster = cluster_service_new(node);
    ProtobufCService *services[] = {&node->kv->base, &node->cluster->base};
    struct rpc_server_options options = {
        .address = node->self->rpc,
        .message_bytes = node->topology->limit_message_bytes,
        .services = services,
        .service_count = sizeof services / sizeof services[0],
        .freshness = reply_server_freshness,
        .bundle = bundle_take,
        .closure = node,
    };
    return rpc_server_open(&options, &node->front, err);
}

/* For peers alone: what clients do at their door cannot keep a vote or an attach waiting here. */
static enum candor_code open_peer_door(struct node *node, struct candor_error *err)
{
    node->replication = replication_service_new(node);
    ProtobufCService *services[] = {&node->replication->base};
    struct rpc_server_options options = {
        .address = node->self->peer,
        .message_bytes = node_message_bytes(node),
        .checksums = true,
        .calls = LIMIT_PEER_CALLS,
        .services = services,
        .service_count = sizeof services / sizeof services[0],
        .freshness = reply_server_freshness,
        .closure = node,
    };
    return rpc_server_open(&options, &node->peer_door, err);
}

/* ---- Birth ----------------------------------------------------------------------------------- */

static void fill_config(const struct node *node, struct core_config *config)
{
    const struct topology *topology = node->topology;
    *config = (struct core_config){
        .self = node->self->id,
        .config_hash = node->config_hash,
        .initial_primary = topology->initial_primary,
        .automatic_failover = topology->automatic_failover,
        .heartbeat_interval_ns = topology->heartbeat_interval_ms * NS_PER_MS,
        .stale_after_ns = topology->stale_after_ms * NS_PER_MS,
        .reject_after_ns = topology->reject_after_ms * NS_PER_MS,
        .election_timeout_ns = topology->election_timeout_ms * NS_PER_MS,
        .writer_stall_ns = topology->writer_stall_ms * NS_PER_MS,
        .max_lag = topology->max_lag,
        .max_uncommitted = topology->max_uncommitted,
        .drift_ppm = topology->clock_drift_ppm,
        .leases = topology->leases,
        .seed = random_u64_nonzero(),
        .new_cluster_id = random_u64_nonzero(),
    };
    topology_members(topology, &config->configured);
    memcpy(config->rpc, node->self->rpc, sizeof config->rpc);
}

static struct node *node_new(const struct topology *topology, const struct topology_node *self,
                             const struct node_options *options)
{
    struct node *node = memory_zeroed(1, sizeof *node);
    node->topology = topology;
    node->self = self;
    if (options != NULL)
        node->options = *options;
    node->config_hash = topology_hash(topology);
    node->started_ns = clock_boot_ns();
    node->lock_fd = -1;
    node->events = queue_new(LIMIT_NODE_EVENTS);
    pool_init(&node->readers, "reader", LIMIT_READER_JOBS);
    pool_init(&node->lenders, "lender", LIMIT_LENDER_JOBS);
    pool_init(&node->slow, "slow", LIMIT_SLOW_JOBS);
    node->loop = loop_new();
    node->writer = writer_new();
    node->snapshots = snapshots_new();
    node->scrub = scrub_new();
    node->download = download_new();
    node->failovers = failovers_new();
    node->watchers = watchers_new();
    return node;
}

/* When all threads have ended. */
static void node_free(struct node *node)
{
    queue_free(node->events);
    free(node->ready_reads.items);
    pool_free(&node->readers);
    pool_free(&node->lenders);
    pool_free(&node->slow);
    loop_free(node->loop);
    writer_free(node->writer);
    snapshots_free(node->snapshots);
    scrub_free(node->scrub);
    download_free(node->download);
    failovers_free(node->failovers);
    watchers_free(node->watchers);
    free(node->kv);
    free(node->cluster);
    free(node->replication);
    core_free(node->core);
    free(node);
}

enum candor_code node_open(const struct topology *topology, struct candor_node_id self,
                           const struct node_options *options, struct node **out,
                           struct candor_error *err)
{
    const struct topology_node *me = topology_find(topology, self);
    if (me == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "the topology has no node '%s'", self.text);
    struct node *node = node_new(topology, me, options);
    struct core_boot boot;
    struct epoch_history history;
    struct members members;
    struct seq_bits local = {0};
    struct core_lives lives = {0};
    epoch_history_init(&history);
    enum candor_code code = node_recover(node, &boot, &lives, &history, &members, &local, err);
    if (code == CANDOR_OK) {
        struct core_config config;
        fill_config(node, &config);
        node->core = core_new(&config, &boot, clock_boot_ns());
        loop_publish_view(node);
        *out = node;
    } else {
        node_close_disk(node, false);
        node_free(node);
    }
    epoch_history_free(&history);
    seq_bits_free(&local);
    return code;
}

static enum candor_code await_own_addresses(const struct node *node, struct candor_error *err)
{
    const char *addresses[] = {node->self->stream, node->self->heartbeat, node->self->peer,
                               node->self->rpc};
    struct own_address_wait wait = {.ended = node->options.ended, .closure = node->options.closure};
    enum candor_code code = CANDOR_OK;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0] && code == CANDOR_OK; i++) {
        code = listen_check(addresses[i], err);
        if (code == CANDOR_OK)
            code = own_address_await(addresses[i], &wait, err);
    }
    return code;
}

/* A reader may wait for a page from the disk, so there are twice as many as cores; those that sleep
 * cost nothing. NNG has two threads a core, at most 16: half of them may serve short reads. */
static enum candor_code start_readers(struct node *node, struct candor_error *err)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t cores = online > 0 ? (uint64_t)online : 1;
    node->short_read_limit = (uint32_t)min_u64(cores, NNG_THREADS_MOST / 2);
    return pool_start(&node->readers, (uint32_t)min_u64(2 * cores, LIMIT_POOL_THREADS), err);
}

static enum candor_code start_pools(struct node *node, struct candor_error *err)
{
    enum candor_code code = start_readers(node, err);
    if (code == CANDOR_OK)
        code = pool_start(&node->lenders, LENDER_THREADS, err);
    if (code == CANDOR_OK)
        code = pool_start(&node->slow, SLOW_THREADS, err);
    return code;
}

enum candor_code node_run(struct node *node, struct candor_error *err)
{
    /* Addresses first: they are what fails. Until the node thread runs, events wait in its
     * queue. */
    enum candor_code code = await_own_addresses(node, err);
    if (code == CANDOR_OK)
        code = streams_open(node, err);
    if (code == CANDOR_OK)
        code = peers_open(node, err);
    if (code == CANDOR_OK)
        code = start_pools(node, err);
    if (code == CANDOR_OK)
        code = writer_start(node, err);
    if (code == CANDOR_OK)
        code = snapshots_start(node, err);
    if (code == CANDOR_OK)
        code = download_start(node, err);
    if (code == CANDOR_OK)
        code = scrub_start(node, err);
    if (code == CANDOR_OK)
        code = watchers_start(node, err);
    if (code == CANDOR_OK)
        code = loop_start(node, err);
    if (code == CANDOR_OK)
        code = open_peer_door(node, err);
    if (code == CANDOR_OK)
        code = open_front(node, err);
    return code;
}

/* ---- End ------------------------------------------------------------------------------------- */

/* The node thread and the writer go on until every call has its reply. */
static void end_calls(struct node *node)
{
    loop_ask_to_stop(node);
    watchers_close(node);
    if (node->front != NULL)
        rpc_server_close(node->front);
    if (node->peer_door != NULL)
        rpc_server_close(node->peer_door);
    node->front = NULL;
    node->peer_door = NULL;
}

static void end_threads(struct node *node)
{
    watchers_stop(node);
    scrub_stop(node);
    download_stop(node);
    snapshots_stop(node);
    pool_stop(&node->readers);
    pool_stop(&node->lenders);
    pool_stop(&node->slow);
    loop_stop(node);
    writer_stop(node);
}

void node_stop(struct node *node)
{
    bool ran = loop_runs(node);
    atomic_store(&node->stopping, true);
    end_calls(node);
    end_threads(node);
    peers_close(node);
    if (node->stream != NULL)
        stream_close(node->stream);
    loop_discard_rest(node);
    download_discard_rest(node);
    node_close_disk(node, ran);
    log_info("stopped", "clean=%s", ran ? "yes" : "no");
    node_free(node);
}
