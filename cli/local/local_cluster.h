/* A cluster that `kvctl up` runs on this machine, and what its run directory holds:
 *
 *     cluster.json           the processes, as below; it is there while the cluster is up
 *     lock                   held by the command that changes it
 *     logs/<node>.log        stdout and stderr of each node; the former run's is <node>.log.1
 *     fault-proxy.log, fault.sock, seen-by/<node>.yaml    with a fault proxy
 *
 * This file: the struct, and what is where. Threads: the main thread. */
#ifndef CLI_LOCAL_CLUSTER_H
#define CLI_LOCAL_CLUSTER_H

#include "base/limits.h"
#include "cli/frame/command.h"
#include "cli/local/process.h"

struct local_node {
    char id[LIMIT_NODE_ID_BYTES];
    struct process process; /* the last one; it may have ended */
};

struct local_cluster {
    char dir[RUN_PATH_BYTES];
    bool usual;  /* dir is the default: commands find it without --run-dir */
    int lock_fd; /* -1: not locked */

    char cluster[LIMIT_NODE_ID_BYTES];
    char topology[RUN_PATH_BYTES]; /* absolute */
    bool with_proxy;
    struct process proxy;
    uint32_t node_count;
    struct local_node nodes[LIMIT_NODES]; /* all of the topology */
};

#define LOCAL_STATE_FILE "cluster.json"
/* What LOCAL_STATE_FILE holds, into `out` of which all but `dir` is zero. Processes of another boot
 * of this machine are none. False: `state` is not what `kvctl up` writes. */
bool local_read_state(const json_t *state, struct local_cluster *out);
/* Whether any of its processes has not ended. */
bool local_is_live(const struct local_cluster *cluster);

#define LOCAL_PATH_BYTES (RUN_PATH_BYTES + 64)
char *local_log_path(const struct local_cluster *cluster, const char *id,
                     char out[LOCAL_PATH_BYTES]);
char *local_proxy_log_path(const struct local_cluster *cluster, char out[LOCAL_PATH_BYTES]);
/* The topology that a node is started with. */
char *local_topology_path(const struct local_cluster *cluster, const char *id,
                          char out[LOCAL_PATH_BYTES]);

#endif
