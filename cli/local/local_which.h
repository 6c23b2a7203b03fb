/* Which cluster of this machine a command means. */
#ifndef CLI_LOCAL_WHICH_H
#define CLI_LOCAL_WHICH_H

#include "cli/local/local_cluster.h"

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

#endif
