/* kvctl up. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/frame/place.h"
#include "cli/local/local.h"

#define UP_WAIT_MS 30000

static const struct option_spec up_options[] = {
    {"with-fault-proxy", 0, NULL, false,
     "Put a proxy between the nodes, so that `kvctl fault` can cut their network"},
    {"node", 'n', "NODE", true, "Start only this node; may be repeated"},
    {"wait-for", 0, "ready|fresh", false,
     "ready: until each node serves; fresh: until each is FRESH, too. Default: fresh, and with "
     "--node ready"},
    {"wait", 'w', "DURATION", false, "How long that may take; default 30s"},
    RUN_DIR_OPTION,
    {0},
};

/* What runs already does not allow it. */
__attribute__((format(printf, 3, 4))) static int
report_in_the_way(struct command_context *ctx, const char *hint, const char *format, ...)
{
    struct candor_error error = {.code = CANDOR_FAILED_PRECONDITION};
    va_list list;
    va_start(list, format);
    vsnprintf(error.message, sizeof error.message, format, list);
    va_end(list);
    return report_error(ctx, &error, hint);
}

/* The nodes of the topology, with the processes that are known of an earlier `up`. */
static bool take_nodes(struct command_context *ctx, struct local_cluster *cluster,
                       const struct topology *topology, int *status)
{
    struct local_cluster former = *cluster;
    cluster->node_count = topology->node_count;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        struct local_node *node = &cluster->nodes[i];
        *node = (struct local_node){0};
        memcpy(node->id, topology->nodes[i].id.text, sizeof node->id);
    }
    for (uint32_t i = 0; i < former.node_count; i++) {
        bool kept = false;
        for (uint32_t j = 0; j < cluster->node_count; j++) {
            if (strcmp(cluster->nodes[j].id, former.nodes[i].id) != 0)
                continue;
            cluster->nodes[j].process = former.nodes[i].process;
            kept = true;
        }
        if (!kept && process_look(&former.nodes[i].process) != PROCESS_ENDED) {
            *status = report_in_the_way(ctx, "`kvctl down` ends it",
                                        "node %s runs (pid %d) and is not in the topology any more",
                                        former.nodes[i].id, (int)former.nodes[i].process.pid);
            return false;
        }
    }
    return true;
}

static bool any_runs(const struct local_cluster *cluster)
{
    bool runs = cluster->with_proxy && process_look(&cluster->proxy) != PROCESS_ENDED;
    for (uint32_t i = 0; i < cluster->node_count && !runs; i++)
        runs = process_look(&cluster->nodes[i].process) != PROCESS_ENDED;
    return runs;
}

/* What runs already must be of the same topology, and see the network in the same way. */
static bool take_cluster(struct command_context *ctx, struct local_cluster *cluster,
                         const struct topology *topology, const char *path, int *status)
{
    bool with_proxy = option_given(ctx, "with-fault-proxy");
    char *absolute = realpath(path, NULL);
    ASSERT(absolute != NULL); /* it was loaded */
    bool runs = any_runs(cluster);
    bool good = false;
    if (runs && strcmp(cluster->topology, absolute) != 0)
        *status = report_in_the_way(ctx, "`kvctl down` ends it, or name another --run-dir",
                                    "the cluster of %s is up here", cluster->topology);
    else if (runs && cluster->with_proxy != with_proxy)
        *status =
            report_in_the_way(ctx, "`kvctl down` ends it", "this cluster is up %s fault proxy",
                              cluster->with_proxy ? "with a" : "without");
    else if (strlen(absolute) >= sizeof cluster->topology)
        *status = report_usage(ctx, NULL, "%s: the path is too long", absolute);
    else
        good = true;
    if (good) {
        cluster->with_proxy = with_proxy;
        snprintf(cluster->topology, sizeof cluster->topology, "%s", absolute);
        snprintf(cluster->cluster, sizeof cluster->cluster, "%s", topology->cluster);
        good = take_nodes(ctx, cluster, topology, status);
    }
    free(absolute);
    return good;
}

static bool none_runs(struct command_context *ctx, struct local_node *const *nodes, size_t count,
                      int *status)
{
    char list[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length + 64 < sizeof list; i++) {
        if (process_look(&nodes[i]->process) != PROCESS_ENDED)
            length +=
                (size_t)snprintf(list + length, sizeof list - length, "%s%s (pid %d)",
                                 length > 0 ? ", " : "", nodes[i]->id, (int)nodes[i]->process.pid);
    }
    if (length == 0)
        return true;
    struct candor_error error;
    candor_error_set(&error, CANDOR_ALREADY_EXISTS, CANDOR_REASON_NONE, "already up: %s", list);
    *status = report_error(ctx, &error, "`kvctl down` ends it; `kvctl node ls` shows what runs");
    return false;
}

/* The former run's log is kept beside the new one. */
static void turn_logs(const struct local_cluster *cluster, struct local_node *const *nodes,
                      size_t count)
{
    char path[LOCAL_PATH_BYTES];
    char former[LOCAL_PATH_BYTES + 2];
    for (size_t i = 0; i < count; i++) {
        local_log_path(cluster, nodes[i]->id, path);
        snprintf(former, sizeof former, "%s.1", path);
        rename(path, former);
    }
}

static void print_up(struct command_context *ctx, const struct local_cluster *cluster,
                     json_t *results, bool fresh, int status)
{
    if (context_json(ctx)) {
        json_t *proxy = cluster->with_proxy
                            ? json_pack("{s:I}", "pid", (json_int_t)cluster->proxy.pid)
                            : json_null();
        output_json(ctx, json_pack("{s:s,s:s,s:s,s:o,s:O,s:b}", "cluster", cluster->cluster,
                                   "topology", cluster->topology, "run_dir", cluster->dir,
                                   "fault_proxy", proxy, "nodes", results, "waited_until_fresh",
                                   fresh && status == EXIT_DONE));
    } else if (status == EXIT_DONE) {
        printf("%s is up: %zu node%s%s, logs in %s/logs\n", cluster->cluster,
               json_array_size(results), json_array_size(results) == 1 ? "" : "s",
               cluster->with_proxy ? " and a fault proxy" : "", cluster->dir);
    }
}

static bool waits_for_fresh(const struct command_context *ctx)
{
    const char *given = option_text(ctx, "wait-for");
    return given != NULL ? strcmp(given, "fresh") == 0 : !option_given(ctx, "node");
}

static int up(struct command_context *ctx, struct local_cluster *cluster,
              const struct topology *topology, uint64_t wait_ms)
{
    bool fresh = waits_for_fresh(ctx);
    uint64_t until_ns = clock_boot_ns() + wait_ms * NS_PER_MS;
    struct local_node *chosen[LIMIT_NODES];
    size_t count;
    int status = EXIT_DONE;
    if (!local_choose_nodes(ctx, cluster, chosen, &count, &status) ||
        !none_runs(ctx, chosen, count, &status))
        return status;
    json_t *results = json_array();
    turn_logs(cluster, chosen, count);
    if (cluster->with_proxy && process_look(&cluster->proxy) == PROCESS_ENDED)
        status = local_start_proxy(ctx, cluster, wait_ms);
    if (status == EXIT_DONE)
        status = local_start(ctx, cluster, chosen, count, wait_ms, results);
    if (status == EXIT_DONE && fresh)
        status = local_wait_fresh(ctx, topology, chosen, count, until_ns);
    /* nothing is up */
    if (status != EXIT_DONE && !any_runs(cluster))
        local_remove(cluster);
    print_up(ctx, cluster, results, fresh, status);
    json_decref(results);
    return status;
}

/* Other commands find the cluster that was started last; unless something before that names one. */
static void note_other_place(struct command_context *ctx, const struct local_cluster *cluster)
{
    struct place place;
    struct contexts_problem why;
    bool found = cluster->usual && place_find(context_defaults(ctx), NULL, &place, &why);
    char *meant = found ? realpath(place.topology, NULL) : NULL;
    if (found && place.source[0] != '\0' &&
        (meant == NULL || strcmp(meant, cluster->topology) != 0))
        output_note(ctx, "up: commands that name no cluster mean another one, by %s", place.source);
    free(meant);
    if (found)
        place_free(&place);
}

static int run_up(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    uint64_t wait_ms = UP_WAIT_MS;
    struct candor_error error;
    struct topology *topology = calloc(1, sizeof *topology);
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(topology != NULL && cluster != NULL);
    cluster->lock_fd = -1;
    interrupt_begin();
    if (!option_duration_ms(ctx, "wait", &wait_ms)) {
        status = EXIT_USAGE;
        goto cleanup;
    }
    if (!local_load_topology(ctx, argv[0], topology, &status) ||
        !local_create(ctx, topology, cluster, &status) ||
        !take_cluster(ctx, cluster, topology, argv[0], &status))
        goto cleanup;
    status = up(ctx, cluster, topology, wait_ms);
    bool started = status != EXIT_USAGE && status != EXIT_CONFLICT && any_runs(cluster);
    if (started && cluster->usual && !run_remember_topology(cluster->topology, &error))
        status = report_error(ctx, &error, NULL);
    if (started)
        note_other_place(ctx, cluster);
cleanup:
    interrupt_end();
    local_close(cluster);
    free(cluster);
    free(topology);
    return status;
}

const struct command command_up = {
    .name = "up",
    .group = GROUP_LOCAL,
    .args = "FILE",
    .summary = "Start all nodes of a topology on this machine",
    .description =
        "For development: starts a kvd for each node, detached, and waits until there is a primary "
        "and every node is FRESH: a read at any of them then is. Logs and processes are kept in "
        "the run directory; other commands then find the topology by themselves, unless --run-dir "
        "is given. Exit status 5: they were started, and are not FRESH in time.\n\n"
        "With --with-fault-proxy the nodes reach each other through a proxy that `kvctl fault` "
        "can order to lose packets; clients still reach every node directly. A node that does not "
        "start is reported with the end of its log; the others stay up.",
    .examples = "kvctl up examples/topologies/three.yaml\n"
                "kvctl up three.yaml --with-fault-proxy\tthen: kvctl fault cut a b\n"
                "kvctl up three.yaml --node a --node b\tc stays away\n",
    .options = up_options,
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_up,
};
