/* Birth and end of a node: what is wired to what, and in which order it is taken apart. */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/rng.h"
#include "rpc/listen.h"
#include "rpc/own_address.h"

/* Two each, so that one long job does not hold up the next short one. */
enum { LENDER_THREADS = 2, SLOW_THREADS = 2, NNG_THREADS_MOST = 16 };

_Noreturn void node_fatal(struct node *node, const struct candor_error *err)
{
    if (err->reason == CANDOR_REASON_STATE_DAMAGED)
        state_mark_suspect(node->state_dir);
    if (node->options.fatal != NULL)
        node->options.fatal(node->options.closure, err);
    int status = exit_status_of(err);
    log_error(status == NODE_EXIT_INTEGRITY ? "integrity" : "fatal", "code=%s what=\"%s\" exit=%d",
              candor_code_name(err->code), err->message, status);
    logging_exit(status); /* no data is flushed: what is on the disk is what is known */
}

void node_state_failed(struct node *node, const struct candor_error *err)
{
    if (err->code != CANDOR_DATA_LOSS)
        return; /* a shortage: the call alone fails */
    node_fatal(node, err);
}

/* A batch of records is at most a group commit, or one record of the largest value alone. */
uint64_t node_message_bytes(const struct node *node)
{
    return node->topology->limit_message_bytes + 2 * (uint64_t)LIMIT_GROUP_COMMIT_BYTES;
}

void node_header(const struct node *node, const struct core_view *view, struct core_header *out)
{
    *out = (struct core_header){
        .cluster_id = view->cluster_id,
        .config_hash = node->config_hash,
        .node = view->self,
        .store_id = view->store_id,
        .boot = view->boot,
        .epoch = view->shown_epoch,
    };
}

/* ---- The stream ---------------------------------------------------------------------------------------------------- */

/* A replica whose disk lags takes no more records than it has room for; it fetches them later (R13). */
static bool has_room(struct node *node, const struct core_msg *msg)
{
    return msg->type != CORE_MSG_RECORDS ||
           atomic_load(&node->backlog_bytes) + msg->records.batches.length <=
               LIMIT_WRITER_BACKLOG_BYTES;
}

static void take_stream_event(struct node *node, struct node_event *event)
{
    if (event->msg->type == CORE_MSG_RECORDS) {
        event->backlog_bytes = event->msg->records.batches.length;
        atomic_fetch_add(&node->backlog_bytes, event->backlog_bytes);
    }
    if (!queue_push(node->events, event))
        event_free(node, event);
}

/* On an NNG thread. */
static void stream_received(void *closure, struct node_id peer, enum stream_channel channel,
                            struct slice bytes)
{
    (void)channel;
    struct node *node = closure;
    struct node_event *event = event_new(CORE_EVENT_STREAM);
    event->msg = memory_alloc(sizeof *event->msg);
    struct candor_error err = {0};
    if (wire_stream_unpack(bytes, event->msg, &event->unpacked, &err) != CANDOR_OK) {
        log_debug("malformed_message", "from=%s what=\"%s\"", peer.text, err.message);
        event->msg->type = CORE_MSG_STATUS; /* nothing of it needs freeing */
        event_free(node, event);
        return;
    }
    event->core.msg = event->msg;
    event->core.peer = peer;
    if (has_room(node, event->msg))
        take_stream_event(node, event);
    else
        event_free(node, event);
}

static void stream_connected(void *closure, struct node_id peer, bool up)
{
    struct node *node = closure;
    if (up)
        return;
    struct node_event *event = event_new(CORE_EVENT_PEER_LOST);
    event->core.peer = peer;
    if (!queue_push(node->events, event))
        event_free(node, event);
}

static enum candor_code open_stream(struct node *node, struct candor_error *err)
{
    struct stream_options options = {
        .records_address = node->self->stream,
        .heartbeat_address = node->self->heartbeat,
        .message_bytes = node_message_bytes(node),
        .received = stream_received,
        .connected = stream_connected,
        .closure = node,
    };
    enum candor_code code = stream_open(&options, &node->stream, err);
    for (uint32_t i = 0; i < node->topology->node_count && code == CANDOR_OK; i++) {
        const struct topology_node *peer = &node->topology->nodes[i];
        if (peer != node->self)
            code = stream_subscribe(node->stream, peer->id, peer->stream, peer->heartbeat, err);
    }
    return code;
}

/* ---- The doors ------------------------------------------------------------------------------------------------------ */

/* For clients and operators. */
static enum candor_code open_front(struct node *node, struct candor_error *err)
{
    kv_service_init(node);
    cluster_service_init(node);
    ProtobufCService *services[] = {&node->kv.base.base, &node->cluster.base.base};
    struct rpc_server_options options = {
        .address = node->self->rpc,
        .message_bytes = node->topology->limit_message_bytes,
        .services = services,
        .service_count = sizeof services / sizeof services[0],
        .freshness = reply_server_freshness,
        .closure = node,
    };
    return rpc_server_open(&options, &node->front, err);
}

/* For peers alone: what clients do at their door cannot keep a vote or an attach waiting here. */
static enum candor_code open_peer_door(struct node *node, struct candor_error *err)
{
    replication_service_init(node);
    ProtobufCService *services[] = {&node->replication.base.base};
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

/* ---- Birth ---------------------------------------------------------------------------------------------------------- */

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
    node->snapshots.fd = -1;
    node->done_end = &node->done;
    node->events = queue_new(LIMIT_NODE_EVENTS);
    node->writer.queue = queue_new(LIMIT_NODE_EVENTS);
    pool_init(&node->readers, "reader", LIMIT_READER_JOBS);
    pool_init(&node->lenders, "lender", LIMIT_LENDER_JOBS);
    pool_init(&node->slow, "slow", LIMIT_SLOW_JOBS);
    pthread_mutex_init(&node->writer.checkpoint_lock, NULL);
    pthread_mutex_init(&node->failovers.lock, NULL);
    side_thread_init(&node->snapshots.side);
    side_thread_init(&node->scrub.side);
    side_thread_init(&node->download.side);
    return node;
}

/* What is left when all threads have ended. */
static void node_free(struct node *node)
{
    void *item;
    while (queue_pop(node->events, &item, 1, 0) > 0)
        event_free(node, item);
    queue_free(node->events);
    queue_free(node->writer.queue);
    pool_free(&node->readers);
    pool_free(&node->lenders);
    pool_free(&node->slow);
    pthread_mutex_destroy(&node->writer.checkpoint_lock);
    pthread_mutex_destroy(&node->failovers.lock);
    side_thread_free(&node->snapshots.side);
    side_thread_free(&node->scrub.side);
    side_thread_free(&node->download.side);
    core_actions_free(&node->actions);
    serials_free(&node->tickets);
    core_free(node->core);
    buffer_free(&node->packed);
    buffer_free(&node->writer.group);
    eval_free(&node->writer.eval);
    free(node->writer.answers.items);
    free(node->works.items);
    free(node);
}

enum candor_code node_open(const struct topology *topology, struct node_id self,
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
        node_publish_view(node);
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

/* A reader may wait for a page from the disk, so there are twice as many as cores; those that sleep cost nothing. NNG
 * has two threads a core, at most 16: half of them may serve short reads. */
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
    /* Addresses first: they are what fails. Until the node thread runs, events wait in its queue. */
    enum candor_code code = await_own_addresses(node, err);
    if (code == CANDOR_OK)
        code = open_stream(node, err);
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
        code = node_thread_start(node, err);
    if (code == CANDOR_OK)
        code = open_peer_door(node, err);
    if (code == CANDOR_OK)
        code = open_front(node, err);
    return code;
}

/* ---- End ------------------------------------------------------------------------------------------------------------ */

/* The node thread and the writer go on until every call has its reply. */
static void end_calls(struct node *node)
{
    if (node->running) {
        struct node_event *event = event_new(CORE_EVENT_TICK);
        event->stop = true;
        event_push(node, event);
    }
    if (node->front != NULL)
        rpc_server_close(node->front);
    if (node->peer_door != NULL)
        rpc_server_close(node->peer_door);
    node->front = NULL;
    node->peer_door = NULL;
}

static void end_threads(struct node *node)
{
    scrub_stop(node);
    download_stop(node);
    snapshots_stop(node);
    pool_stop(&node->readers);
    pool_stop(&node->lenders);
    pool_stop(&node->slow);
    queue_close(node->events);
    if (node->running)
        pthread_join(node->thread, NULL);
    queue_close(node->writer.queue);
    if (node->writer.running)
        pthread_join(node->writer.thread, NULL);
}

static void discard_downloads(struct node *node)
{
    if (node->incoming != NULL)
        state_incoming_discard(node->incoming);
    for (uint32_t i = 0; i < node->download.discard_count; i++)
        state_incoming_discard(node->download.discard[i]);
    node->incoming = NULL;
    node->download.discard_count = 0;
}

void node_stop(struct node *node)
{
    bool ran = node->running;
    atomic_store(&node->stopping, true);
    end_calls(node);
    end_threads(node);
    peers_close(node);
    if (node->stream != NULL)
        stream_close(node->stream);
    discard_downloads(node);
    /* Events that came too late may hold parts of the state. */
    void *item;
    while (queue_pop(node->events, &item, 1, 0) > 0)
        event_free(node, item);
    node_close_disk(node, ran);
    log_info("stopped", "clean=%s", ran ? "yes" : "no");
    node_free(node);
}
