/* kvd: one node of a cluster.
 *
 * Its exit statuses are those of base/exit_status.h. */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/stacks.h"
#include "base/standard_streams.h"
#include "base/watchdog.h"
#include "cli/kvd/kvd_arguments.h"
#include "cli/kvd/kvd_rejoin.h"
#include "cli/kvd/kvd_restart.h"
#include "cli/kvd/kvd_signals.h"
#include "net/guard.h"
#include "net/start.h"
#include "node/node.h"
#include "state/map_fault.h"
#include "topology/topology.h"

/* ---- Topology -------------------------------------------------------------------------------- */

static bool load_topology(const struct kvd_arguments *arguments, struct topology *topology)
{
    struct topology_problems problems = {0};
    struct candor_error err = {0};
    enum candor_code code = topology_load(arguments->topology, topology, &problems, &err);
    topology_problems_print(&problems, arguments->topology, stderr);
    /* it names the file */
    if (code != CANDOR_OK && problems.count == 0)
        fprintf(stderr, "kvd: --topology: %s\n", err.message);
    topology_problems_free(&problems);
    return code == CANDOR_OK;
}

static bool find_self(const struct kvd_arguments *arguments, const struct topology *topology,
                      struct candor_node_id *self)
{
    if (node_id_parse(arguments->node, strlen(arguments->node), self) &&
        topology_find(topology, *self) != NULL)
        return true;
    fprintf(stderr, "kvd: %s has no node '%s'; it has", arguments->topology, arguments->node);
    for (uint32_t i = 0; i < topology->node_count; i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", topology->nodes[i].id.text);
    fprintf(stderr, "\n");
    return false;
}

/* ---- The process ----------------------------------------------------------------------------- */

/* Threads that carry requests do not preempt who woke them: on a busy processor every put would
 * cost several switches more (bench/README.md). They inherit it from here. The node thread, which
 * keeps the time, does without (node_thread_start), and so do those that are started before. */
static void prefer_throughput(void)
{
    struct sched_param param = {0};
    if (sched_setscheduler(0, SCHED_BATCH, &param) != 0)
        log_info("no_batch_scheduling", "why=\"%s\"", strerror(errno));
}

/* What a node leans on: its log, and whoever takes its signals. NODE_EXIT_CLEAN: all is there. */
static int start_process(const struct kvd_arguments *arguments, struct candor_node_id self)
{
    logging_set_level(arguments->level);
    logging_set_node(self.text);
    if (arguments->log_file != NULL && !logging_to_file(arguments->log_file)) {
        fprintf(stderr, "kvd: --log-file: %s: %s\n", arguments->log_file, strerror(errno));
        return NODE_EXIT_CANNOT_START;
    }
    stacks_prepare();
    bool ok = kvd_signals_start(arguments->stop_timeout_ms) && logging_start();
    if (ok && arguments->hang_timeout_ms > 0)
        ok = watchdog_start(arguments->hang_timeout_ms);
    prefer_throughput();
    if (ok && net_start())
        return NODE_EXIT_CLEAN;
    log_error("cannot_start", "what=\"no memory or threads to be had\" exit=%d",
              NODE_EXIT_SHORTAGE);
    return NODE_EXIT_SHORTAGE;
}

/* ---- Running --------------------------------------------------------------------------------- */

static int refuse_start(const struct candor_error *err)
{
    log_error(err->code == CANDOR_DATA_LOSS ? "integrity" : "cannot_start",
              "code=%s what=\"%s\" exit=%d", candor_code_name(err->code), err->message,
              exit_status_of(err));
    return exit_status_of(err);
}

/* Damage that checkpoint and log cannot make good, while a majority goes on without this node
 * (R67). */
static bool rejoins(const struct kvd_arguments *arguments, const struct topology *topology,
                    struct candor_node_id self, const struct candor_error *err)
{
    const struct topology_node *node = topology_find(topology, self);
    const char *data = arguments->data != NULL ? arguments->data : node->data;
    return err->code == CANDOR_DATA_LOSS && !arguments->no_rejoin &&
           kvd_rejoin_prepare(topology, node, data, err);
}

static bool start_is_ended(void *closure)
{
    (void)closure;
    return kvd_signals_stopped();
}

static int run(const struct kvd_arguments *arguments, const struct topology *topology,
               struct candor_node_id self)
{
    struct node_options options = {.fatal = kvd_restart_on_damage,
                                   .data = arguments->data,
                                   .adopt = arguments->adopt,
                                   .ended = start_is_ended};
    struct node *node = NULL;
    struct candor_error err = {0};
    if (node_open(topology, self, &options, &node, &err) != CANDOR_OK) {
        if (rejoins(arguments, topology, self, &err))
            kvd_restart();
        return refuse_start(&err);
    }
    kvd_signals_serve();
    if (node_run(node, &err) != CANDOR_OK) {
        /* A start that waited, and was ended by a signal, is no failure. */
        int status = err.code == CANDOR_CANCELLED ? NODE_EXIT_CLEAN : refuse_start(&err);
        kvd_signals_stopping();
        node_stop(node);
        return status;
    }
    logging_print("ready node=%s rpc=%s pid=%ld", self.text, topology_find(topology, self)->rpc,
                  (long)getpid());
    kvd_signals_wait();
    node_stop(node);
    return NODE_EXIT_CLEAN;
}

/* What one large request has taken goes back to the system when it is freed, and is not kept in an
 * arena of the thread that happened to answer it. Without the first, glibc raises the threshold to
 * the largest block that was ever freed. */
static void memory_return_early(void)
{
    mallopt(M_MMAP_THRESHOLD, LIMIT_MALLOC_MMAP_BYTES);
    mallopt(M_ARENA_MAX, LIMIT_MALLOC_ARENAS);
}

int main(int argc, char **argv)
{
    standard_streams_open();
    logging_flush_on_crash();
    map_fault_install();
    kvd_restart_prepare(argv);
    struct kvd_arguments arguments;
    kvd_arguments_parse(argc, argv, &arguments);
    /* Outlives the node; large for a stack. */
    static struct topology topology;
    struct candor_node_id self;
    if (!load_topology(&arguments, &topology) || !find_self(&arguments, &topology, &self))
        return NODE_EXIT_USAGE;
    guard_raise_limit();
    memory_return_early();
    int status = start_process(&arguments, self);
    if (status == NODE_EXIT_CLEAN)
        status = run(&arguments, &topology, self);
    logging_stop(LIMIT_LOG_FLUSH_MS);
    return status;
}
