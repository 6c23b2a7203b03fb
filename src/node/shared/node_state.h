/* A node: what its rooms share. Each room keeps what is its own in a struct of its own (README.md
 * says which thread owns what); node.c makes them all and frees them all. */
#ifndef NODE_NODE_STATE_H
#define NODE_NODE_STATE_H

#include <stdatomic.h>

#include "base/limits.h"
#include "core/core.h"
#include "node/shared/options.h"
#include "node/shared/outbox.h"
#include "node/shared/pool.h"
#include "node/shared/view.h"

struct node {
    /* Set at birth, read by any thread. */
    const struct topology *topology;
    const struct topology_node *self;
    struct node_options options;
    uint64_t config_hash;
    uint64_t started_ns;
    char data[LIMIT_PATH_BYTES];
    char log_dir[LIMIT_PATH_BYTES + 16];
    char state_dir[LIMIT_PATH_BYTES + 16];
    char archive_dir[LIMIT_PATH_BYTES + 16];
    int lock_fd;

    /* Written by the writer thread, read by any. */
    struct log *log;
    struct state *state;

    struct queue *events; /* to the node thread */
    struct core *core;    /* the node thread's */
    struct published_view view;
    struct outbox ready_reads; /* the node thread's: their wait is over */

    _Atomic bool stopping;
    _Atomic size_t open_count;    /* tickets in the core: calls that wait */
    _Atomic uint64_t last_serial; /* of a ticket */
    _Atomic uint64_t cancelled;   /* waits that ended because the caller was gone */
    _Atomic size_t backlog_bytes; /* records taken in, not yet on disk */
    _Atomic size_t write_bytes;   /* client writes taken in, not yet answered */
    _Atomic uint64_t archives;
    _Atomic uint32_t short_reads; /* being served on NNG's threads */
    uint32_t short_read_limit;
    _Atomic uint32_t held_views; /* kept open by reads that wait for a commit */

    struct pool readers; /* reads of clients */
    struct pool lenders; /* what peers read: Attach, Fetch, Snapshot */
    struct pool slow;    /* archives, AtRisk, lost sessions: files, by the second */

    /* The rooms' own. */
    struct loop *loop;
    struct peers *peers;
    struct stream *stream;
    struct writer *writer;
    struct snapshots *snapshots;
    struct scrub *scrub;
    struct download *download;
    struct failovers *failovers;
    struct watchers *watchers;
    struct service *kv;
    struct service *cluster;
    struct service *replication;
    struct rpc_server *front;     /* at `rpc`: KV, Cluster */
    struct rpc_server *peer_door; /* at `peer`: Replication */
};

#endif
