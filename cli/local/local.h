/* A cluster that `kvctl up` runs on this machine, and what its run directory holds:
 *
 *     cluster.json           the processes, as below; it is there while the cluster is up
 *     lock                   held by the command that changes it
 *     logs/<node>.log        stdout and stderr of each node; the former run's is <node>.log.1
 *     fault-proxy.log, fault.sock, seen-by/<node>.yaml    with a fault proxy
 *
 * Threads: the main thread. */
#ifndef CLI_LOCAL_H
#define CLI_LOCAL_H

#include "cli/frame/command.h"
#include "cli/local/process.h"
#include "topology/topology.h"

#define RUN_DIR_OPTION                                                                             \
    {                                                                                              \
        "run-dir", 0, "DIR", false,                                                                \
            "Directory that `kvctl up` keeps processes, logs and sockets in; default: "            \
            "$XDG_RUNTIME_DIR/candor/CLUSTER, else /tmp/candor-$UID/CLUSTER"                       \
    }

/* How a command names the cluster that it means. */
#define CLUSTER_OPTIONS                                                                            \
    {"cluster", 0, "CLUSTER", false,                                                               \
     "The cluster of this name; default: that of $CANDOR_TOPOLOGY, else the one that was "         \
     "started last"},                                                                              \
        {"topology", 't', "FILE", false, "The cluster that was started with this topology"},       \
        RUN_DIR_OPTION

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

/* The cluster that the options name (CLUSTER_OPTIONS), else that of $CANDOR_TOPOLOGY, else the one
 * that was started last. Locked when `lock` (it waits for another command). False after a
 * report. */
bool local_open(struct command_context *ctx, bool lock, struct local_cluster *out, int *status);
/* Likewise, for a command that ends a cluster. `name`: an operand that says which; NULL: none. When
 * nothing says which, it must be the only one that is up, too. */
bool local_open_to_end(struct command_context *ctx, const char *name, struct local_cluster *out,
                       int *status);
/* For `kvctl up`: makes and locks the directory of --run-dir or of the cluster's name. What is up
 * there already is loaded; else node_count is 0. */
bool local_create(struct command_context *ctx, const struct topology *topology,
                  struct local_cluster *out, int *status);
void local_close(struct local_cluster *cluster);
bool local_save(struct command_context *ctx, const struct local_cluster *cluster, int *status);
/* What LOCAL_STATE_FILE holds, into `out` of which all but `dir` is zero. Processes of another boot
 * of this machine are none. False: `state` is not what `kvctl up` writes. */
bool local_read_state(const json_t *state, struct local_cluster *out);
/* Whether any of its processes has not ended. */
bool local_is_live(const struct local_cluster *cluster);
/* Everything ended: removes all but the logs. */
void local_remove(const struct local_cluster *cluster);

/* NULL after a report (with the nearest id). */
struct local_node *local_find_node(struct command_context *ctx, struct local_cluster *cluster,
                                   const char *id, int *status);
#define LOCAL_PATH_BYTES (RUN_PATH_BYTES + 64)
char *local_log_path(const struct local_cluster *cluster, const char *id,
                     char out[LOCAL_PATH_BYTES]);
char *local_proxy_log_path(const struct local_cluster *cluster, char out[LOCAL_PATH_BYTES]);
/* The topology that a node is started with. */
char *local_topology_path(const struct local_cluster *cluster, const char *id,
                          char out[LOCAL_PATH_BYTES]);

/* Loads a topology file that a command names as an operand; problems are printed. False after a
 * report. */
bool local_load_topology(struct command_context *ctx, const char *path, struct topology *out,
                         int *status);

/* ---- Which cluster (local_which.c) ---- */

#define LOCAL_STATE_FILE "cluster.json"
/* --run-dir, absolute, so that what is started with it may change its directory. False after a
 * report. */
bool local_given_dir(struct command_context *ctx, char out[RUN_PATH_BYTES], int *status);
/* Sets `dir` and `usual` of the cluster that is meant; `name` and `ends` as in local_open_to_end().
 * False after a report. */
bool local_find_dir(struct command_context *ctx, const char *name, bool ends,
                    struct local_cluster *out, int *status);
/* Calls `take` with the name of each cluster of this user that is up in its usual directory: a
 * process of it runs. */
void local_names(void (*take)(void *closure, const char *name), void *closure);

/* ---- Starting (local_start.c) ---- */

/* kvd, beside this program. False after a report. */
bool local_find_kvd(struct command_context *ctx, char out[LOCAL_PATH_BYTES], int *status);
/* Starts nodes, saves, and waits until each has printed its `ready` line or has ended, telling
 * progress. Those that failed or are not ready in time are reported with the tail of their logs;
 * what did start stays. `results`, an array, gets an object for each. EXIT_DONE, EXIT_OTHER: one
 * ended, or EXIT_UNAVAILABLE: one is not ready in time, or ^C. Call between interrupt_begin and
 * interrupt_end. */
int local_start(struct command_context *ctx, struct local_cluster *cluster,
                struct local_node **nodes, size_t count, uint64_t wait_ms, json_t *results);
/* Waits until each of the nodes, all of which are ready, is FRESH. EXIT_DONE, or the status of what
 * was reported: EXIT_UNAVAILABLE when CLOCK_BOOTTIME reaches `until_ns` before, or ^C, or one is in
 * a state that it does not leave by itself. */
int local_wait_fresh(struct command_context *ctx, const struct topology *topology,
                     struct local_node *const *nodes, size_t count, uint64_t until_ns);
int local_start_proxy(struct command_context *ctx, struct local_cluster *cluster, uint64_t wait_ms);

#endif
