/* A cluster that `kvctl up` runs on this machine: opened, locked, saved, started. Threads: the main
 * thread. */
#ifndef CLI_LOCAL_H
#define CLI_LOCAL_H

#include "cli/local/local_which.h"
#include "topology/topology.h"

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
/* Everything ended: removes all but the logs. */
void local_remove(const struct local_cluster *cluster);

/* NULL after a report (with the nearest id). */
struct local_node *local_find_node(struct command_context *ctx, struct local_cluster *cluster,
                                   const char *id, int *status);
/* Those of --node, each once, or all. False after a report. */
bool local_choose_nodes(struct command_context *ctx, struct local_cluster *cluster,
                        struct local_node *chosen[LIMIT_NODES], size_t *count, int *status);
/* Loads a topology file that a command names as an operand; problems are printed. False after a
 * report. */
bool local_load_topology(struct command_context *ctx, const char *path, struct topology *out,
                         int *status);

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
