/* kvctl node ls, start, stop, kill, pause, continue: single nodes of what `kvctl up` started. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/local/local.h"

#define START_WAIT_MS 30000
#define STOP_WAIT_MS 15000
#define SIGNAL_WAIT_MS 5000

static const struct option_spec node_options[] = {CLUSTER_OPTIONS, {0}};
static const struct option_spec waiting_options[] = {
    {"wait", 'w', "DURATION", false, "How long it may take; default 30s to start, 15s to stop"},
    CLUSTER_OPTIONS,
    {0},
};

static const char *state_name(enum process_state state)
{
    return state == PROCESS_RUNNING ? "running" : state == PROCESS_PAUSED ? "paused" : "ended";
}

static const char *state_text(enum process_state state)
{
    return state == PROCESS_RUNNING  ? "is running"
           : state == PROCESS_PAUSED ? "is paused"
                                     : "is not running";
}

/* What a command does to the nodes that it names. */
struct act {
    int signal;               /* 0: it is started */
    enum process_state after; /* what it waits for */
    const char *done;         /* "is paused" */
};

static json_t *node_json(const struct local_cluster *cluster, const struct local_node *node)
{
    char log[LOCAL_PATH_BYTES];
    char topology[LOCAL_PATH_BYTES];
    enum process_state state = process_look(&node->process);
    return json_pack("{s:s,s:o,s:s,s:s,s:s}", "node", node->id, "pid",
                     state == PROCESS_ENDED ? json_null()
                                            : json_integer((json_int_t)node->process.pid),
                     "state", state_name(state), "log", local_log_path(cluster, node->id, log),
                     "topology", local_topology_path(cluster, node->id, topology));
}

/* ---- Signals ---- */

static int report_state(struct command_context *ctx, const struct local_node *node,
                        enum process_state state, const char *hint)
{
    struct candor_error error;
    candor_error_set(&error, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE, "%s %s", node->id,
                     state_text(state));
    return report_error(ctx, &error, hint);
}

static int signal_node(struct command_context *ctx, struct local_node *node, const struct act *act,
                       uint64_t wait_ms)
{
    struct candor_error error;
    uint64_t until_ns = clock_boot_ns() + wait_ms * NS_PER_MS;
    if (!process_signal(&node->process, act->signal, &error))
        return report_state(ctx, node, PROCESS_ENDED, "`kvctl node start` starts it");
    if (error.code != CANDOR_OK)
        return report_error(ctx, &error, NULL);
    /* paused, it could not end */
    if (act->signal == SIGTERM)
        process_signal(&node->process, SIGCONT, &error);
    bool good = act->after == PROCESS_ENDED
                    ? process_wait_end(&node->process, until_ns)
                    : process_wait_state(&node->process, act->after, until_ns);
    if (good) {
        if (!context_json(ctx))
            printf("%s %s\n", node->id, act->done);
        return EXIT_DONE;
    }
    candor_error_set(&error, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                     "%s (pid %d) is still %s", node->id, (int)node->process.pid,
                     state_name(process_look(&node->process)));
    return report_error(ctx, &error, act->signal == SIGTERM ? "`kvctl node kill` kills it" : NULL);
}

/* ---- Starting ---- */

static int start_nodes(struct command_context *ctx, struct local_cluster *cluster,
                       struct local_node **nodes, size_t count, uint64_t wait_ms)
{
    for (size_t i = 0; i < count; i++) {
        enum process_state state = process_look(&nodes[i]->process);
        if (state != PROCESS_ENDED)
            return report_state(ctx, nodes[i], state,
                                state == PROCESS_PAUSED ? "`kvctl node continue` lets it go on"
                                                        : "it needs no start");
    }
    json_t *results = json_array();
    int status = local_start(ctx, cluster, nodes, count, wait_ms, results);
    if (!context_json(ctx) && status == EXIT_DONE) {
        for (size_t i = 0; i < count; i++)
            printf("%s is ready\n", nodes[i]->id);
    }
    json_decref(results);
    return status;
}

/* ---- The commands ---- */

static int act_on(struct command_context *ctx, struct local_cluster *cluster, int argc, char **argv,
                  const struct act *act, uint64_t wait_ms)
{
    struct local_node *nodes[LIMIT_NODES];
    int status = EXIT_DONE;
    if (argc > LIMIT_NODES)
        return report_usage(ctx, NULL, "more than %d nodes", LIMIT_NODES);
    for (int i = 0; i < argc; i++) {
        nodes[i] = local_find_node(ctx, cluster, argv[i], &status);
        if (nodes[i] == NULL)
            return status;
    }
    bool acted = false; /* upon any of them */
    if (act->signal == 0) {
        status = start_nodes(ctx, cluster, nodes, (size_t)argc, wait_ms);
        acted = status != EXIT_CONFLICT;
    }
    for (int i = 0; i < argc && act->signal != 0; i++) {
        int one = signal_node(ctx, nodes[i], act, wait_ms);
        acted = acted || one != EXIT_CONFLICT;
        status = status == EXIT_DONE ? one : status;
    }
    if (acted && context_json(ctx)) {
        json_t *list = json_array();
        for (int i = 0; i < argc; i++)
            json_array_append_new(list, node_json(cluster, nodes[i]));
        output_json(ctx, json_pack("{s:o}", "nodes", list));
    }
    return status;
}

static int run_act(struct command_context *ctx, int argc, char **argv, const struct act *act,
                   uint64_t wait_ms)
{
    int status;
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL);
    interrupt_begin();
    if (local_open(ctx, true, cluster, &status)) {
        status = act_on(ctx, cluster, argc, argv, act, wait_ms);
        local_close(cluster);
    }
    interrupt_end();
    free(cluster);
    return status;
}

static int run_start(struct command_context *ctx, int argc, char **argv)
{
    static const struct act act = {0};
    uint64_t wait_ms = START_WAIT_MS;
    if (!option_duration_ms(ctx, "wait", &wait_ms))
        return EXIT_USAGE;
    return run_act(ctx, argc, argv, &act, wait_ms);
}

static int run_stop(struct command_context *ctx, int argc, char **argv)
{
    static const struct act act = {SIGTERM, PROCESS_ENDED, "has shut down"};
    uint64_t wait_ms = STOP_WAIT_MS;
    if (!option_duration_ms(ctx, "wait", &wait_ms))
        return EXIT_USAGE;
    return run_act(ctx, argc, argv, &act, wait_ms);
}

static int run_kill(struct command_context *ctx, int argc, char **argv)
{
    static const struct act act = {SIGKILL, PROCESS_ENDED, "was killed"};
    return run_act(ctx, argc, argv, &act, SIGNAL_WAIT_MS);
}

static int run_pause(struct command_context *ctx, int argc, char **argv)
{
    static const struct act act = {SIGSTOP, PROCESS_PAUSED, "is paused"};
    return run_act(ctx, argc, argv, &act, SIGNAL_WAIT_MS);
}

static int run_continue(struct command_context *ctx, int argc, char **argv)
{
    static const struct act act = {SIGCONT, PROCESS_RUNNING, "goes on"};
    return run_act(ctx, argc, argv, &act, SIGNAL_WAIT_MS);
}

static void print_list(const struct local_cluster *cluster)
{
    char log[LOCAL_PATH_BYTES];
    struct table *table = table_new();
    table_column(table, "NODE", TABLE_LEFT);
    table_column(table, "STATE", TABLE_LEFT);
    table_column(table, "PID", TABLE_RIGHT);
    table_column(table, "LOG", TABLE_LEFT);
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        const struct local_node *node = &cluster->nodes[i];
        enum process_state state = process_look(&node->process);
        table_cell(table, TABLE_PLAIN, "%s", node->id);
        table_cell(table,
                   state == PROCESS_RUNNING  ? TABLE_GOOD
                   : state == PROCESS_PAUSED ? TABLE_WARN
                                             : TABLE_BAD,
                   "%s", state_name(state));
        if (state == PROCESS_ENDED)
            table_cell(table, TABLE_DIM, "-");
        else
            table_cell(table, TABLE_PLAIN, "%d", (int)node->process.pid);
        table_cell(table, TABLE_DIM, "%s", local_log_path(cluster, node->id, log));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_ls(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status;
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL);
    if (local_open(ctx, false, cluster, &status)) {
        if (context_json(ctx)) {
            json_t *list = json_array();
            for (uint32_t i = 0; i < cluster->node_count; i++)
                json_array_append_new(list, node_json(cluster, &cluster->nodes[i]));
            output_json(ctx, json_pack("{s:s,s:s,s:s,s:o}", "cluster", cluster->cluster, "topology",
                                       cluster->topology, "run_dir", cluster->dir, "nodes", list));
        } else {
            print_list(cluster);
        }
        local_close(cluster);
    }
    free(cluster);
    return status;
}

const struct command command_node_ls = {
    .name = "node ls",
    .group = GROUP_LOCAL,
    .args = "",
    .summary = "List the processes that `kvctl up` started",
    .description = "Shows whether each node's process runs, is paused or has ended. `kvctl status` "
                   "asks the nodes themselves.",
    .examples = "kvctl node ls\n",
    .options = node_options,
    .local = true,
    .min_args = 0,
    .max_args = 0,
    .run = run_ls,
};

const struct command command_node_start = {
    .name = "node start",
    .group = GROUP_LOCAL,
    .args = "NODE...",
    .summary = "Start nodes of a cluster that is up",
    .description =
        "Starts nodes that were stopped or killed, and waits until they serve. They see the "
        "network as before: through the fault proxy if there is one.",
    .examples = "kvctl node start c\n",
    .options = waiting_options,
    .local = true,
    .min_args = 1,
    .max_args = -1,
    .run = run_start,
};

const struct command command_node_stop = {
    .name = "node stop",
    .group = GROUP_LOCAL,
    .args = "NODE...",
    .summary = "Shut nodes down cleanly",
    .description = "Sends SIGTERM and waits until the processes have ended.",
    .examples = "kvctl node stop c\n",
    .options = waiting_options,
    .local = true,
    .careful = true,
    .min_args = 1,
    .max_args = -1,
    .run = run_stop,
};

const struct command command_node_kill = {
    .name = "node kill",
    .group = GROUP_LOCAL,
    .args = "NODE...",
    .summary = "Kill nodes, as a crash would",
    .description = "Sends SIGKILL and waits until the processes are gone. `kvctl node start` "
                   "brings them back.",
    .examples = "kvctl node kill a\n",
    .options = node_options,
    .local = true,
    .careful = true,
    .min_args = 1,
    .max_args = -1,
    .run = run_kill,
};

const struct command command_node_pause = {
    .name = "node pause",
    .group = GROUP_LOCAL,
    .args = "NODE...",
    .summary = "Freeze nodes, as a stalled machine would be",
    .description = "Sends SIGSTOP: the processes keep everything and do nothing until `kvctl node "
                   "continue`.",
    .examples = "kvctl node pause a\n",
    .options = node_options,
    .local = true,
    .careful = true,
    .min_args = 1,
    .max_args = -1,
    .run = run_pause,
};

const struct command command_node_continue = {
    .name = "node continue",
    .group = GROUP_LOCAL,
    .args = "NODE...",
    .summary = "Let paused nodes go on",
    .description = "Sends SIGCONT to nodes that `kvctl node pause` has frozen.",
    .examples = "kvctl node continue a\n",
    .options = node_options,
    .local = true,
    .min_args = 1,
    .max_args = -1,
    .run = run_continue,
};
