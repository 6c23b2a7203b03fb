/* kvctl fault cut, heal, delay, show, and the proxy itself. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/units.h"
#include "cli/faultproxy/fault_ask.h"
#include "cli/faultproxy/fault_proxy.h"
#include "cli/local/local.h"
#include "disk/disk.h"

static const struct option_spec show_options[] = {CLUSTER_OPTIONS, {0}};
static const struct option_spec proxy_options[] = {RUN_DIR_OPTION, {0}};
static const struct option_spec pair_options[] = {
    {"one-way", '1', NULL, false, "Only packets from the first node to the second"},
    CLUSTER_OPTIONS,
    {0},
};
static const struct option_spec heal_options[] = {
    {"all", 0, NULL, false, "Every cut and every delay"},
    {"one-way", '1', NULL, false, "Only packets from the first node to the second"},
    CLUSTER_OPTIONS,
    {0},
};

/* ---- The picture ---- */

static const json_t *find_path(const json_t *reply, const char *from, const char *to)
{
    size_t i;
    json_t *path;
    json_array_foreach(json_object_get(reply, "paths"), i, path)
    {
        const char *f = json_string_value(json_object_get(path, "from"));
        const char *t = json_string_value(json_object_get(path, "to"));
        if (f != NULL && t != NULL && strcmp(f, from) == 0 && strcmp(t, to) == 0)
            return path;
    }
    return NULL;
}

static bool is_cut(const json_t *reply, const char *from, const char *to)
{
    return json_is_true(json_object_get(find_path(reply, from, to), "cut"));
}

static void picture_cell(struct table *table, const json_t *reply, const char *from, const char *to)
{
    json_int_t delay_ms =
        json_integer_value(json_object_get(find_path(reply, from, to), "delay_ms"));
    if (strcmp(from, to) == 0)
        table_cell(table, TABLE_DIM, "·");
    else if (is_cut(reply, from, to))
        table_cell(table, TABLE_BAD, "CUT");
    else if (delay_ms > 0)
        table_cell(table, TABLE_WARN, "+%lldms", (long long)delay_ms);
    else
        table_cell(table, TABLE_GOOD, "yes");
}

static const char *node_name(const json_t *nodes, size_t i)
{
    const char *name = json_string_value(json_array_get(nodes, i));
    return name != NULL ? name : "?";
}

/* Nodes that reach each other both ways, directly or over others, stand in one group. */
static void print_groups(const json_t *reply, const json_t *nodes, size_t count)
{
    size_t group[LIMIT_NODES];
    for (size_t i = 0; i < count; i++)
        group[i] = i;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (i == j || group[i] == group[j] ||
                is_cut(reply, node_name(nodes, i), node_name(nodes, j)) ||
                is_cut(reply, node_name(nodes, j), node_name(nodes, i)))
                continue;
            size_t old = group[j];
            for (size_t k = 0; k < count; k++)
                group[k] = group[k] == old ? group[i] : group[k];
        }
    }
    printf("\nthe network holds together:");
    for (size_t i = 0; i < count; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && group[k] != group[i];
        for (size_t k = i; first && k < count; k++) {
            if (group[k] == group[i])
                printf("%s%s", k == i ? "  {" : " ", node_name(nodes, k));
        }
        fputs(first ? "}" : "", stdout);
    }
    putchar('\n');
}

static void print_picture(const json_t *reply)
{
    const json_t *nodes = json_object_get(reply, "nodes");
    size_t count = json_array_size(nodes) < LIMIT_NODES ? json_array_size(nodes) : LIMIT_NODES;
    struct table *table = table_new();
    bool cut = false;
    /* A table takes 32 columns; a 32nd node stands in rows alone. */
    size_t columns = count < LIMIT_NODES ? count : LIMIT_NODES - 1;
    table_column(table, "packets from", TABLE_LEFT);
    for (size_t i = 0; i < columns; i++)
        table_column(table, node_name(nodes, i), TABLE_LEFT);
    for (size_t from = 0; from < count; from++) {
        table_cell(table, TABLE_PLAIN, "%s to", node_name(nodes, from));
        for (size_t to = 0; to < columns; to++) {
            picture_cell(table, reply, node_name(nodes, from), node_name(nodes, to));
            cut = cut || is_cut(reply, node_name(nodes, from), node_name(nodes, to));
        }
    }
    table_print(table, stdout);
    table_free(table);
    if (cut)
        print_groups(reply, nodes, count);
}

/* ---- Asking ---- */

/* The two nodes of a request, where it names two. False after a report. */
static bool check_pair(struct command_context *ctx, struct local_cluster *cluster,
                       const json_t *request, int *status)
{
    const char *from = json_string_value(json_object_get(request, "from"));
    const char *to = json_string_value(json_object_get(request, "to"));
    if (from == NULL || to == NULL)
        return true;
    if (local_find_node(ctx, cluster, from, status) == NULL ||
        local_find_node(ctx, cluster, to, status) == NULL)
        return false;
    if (strcmp(from, to) != 0)
        return true;
    *status = report_usage(ctx, "name two nodes", "%s has no network to itself", from);
    return false;
}

static int ask(struct command_context *ctx, json_t *request)
{
    int status;
    json_t *reply = NULL;
    struct candor_error error;
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL);
    if (!local_open(ctx, false, cluster, &status)) {
        json_decref(request);
        goto cleanup;
    }
    if (!check_pair(ctx, cluster, request, &status)) {
        json_decref(request);
        local_close(cluster);
        goto cleanup;
    }
    enum candor_code code = fault_proxy_ask(cluster->dir, request, &reply, &error);
    if (code == CANDOR_NOT_FOUND)
        status =
            report_error(ctx, &error, "start the cluster by `kvctl up FILE --with-fault-proxy`");
    else if (code != CANDOR_OK)
        status = report_error(ctx, &error, NULL);
    else if (context_json(ctx))
        output_json(ctx, json_pack("{s:O,s:O}", "nodes", json_object_get(reply, "nodes"), "paths",
                                   json_object_get(reply, "paths")));
    else
        print_picture(reply);
    json_decref(reply);
    local_close(cluster);
cleanup:
    free(cluster);
    return status;
}

static json_t *pair_request(struct command_context *ctx, const char *op, char **argv)
{
    json_t *request = json_pack("{s:s,s:s,s:s,s:b}", "op", op, "from", argv[0], "to", argv[1],
                                "one_way", option_given(ctx, "one-way"));
    if (request == NULL)
        report_usage(ctx, NULL, "a node's id is no text");
    return request;
}

static int run_cut(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    json_t *request = pair_request(ctx, "cut", argv);
    return request != NULL ? ask(ctx, request) : EXIT_USAGE;
}

static int run_delay(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    uint64_t ms;
    if (!duration_parse(argv[2], &ms) || ms > LIMIT_PROXY_DELAY_MS)
        return report_usage(ctx, "write a number and its unit, as in 100ms, at most 1m",
                            "'%s' is not a delay", argv[2]);
    json_t *request = pair_request(ctx, "delay", argv);
    if (request == NULL)
        return EXIT_USAGE;
    json_object_set_new(request, "ms", json_u64(ms));
    return ask(ctx, request);
}

static int run_heal(struct command_context *ctx, int argc, char **argv)
{
    bool all = option_given(ctx, "all");
    if (all && argc == 0 && !option_given(ctx, "one-way"))
        return ask(ctx, json_pack("{s:s,s:b}", "op", "heal", "all", true));
    if (all || argc != 2)
        return report_usage(ctx, "as in `kvctl fault heal a b` or `kvctl fault heal --all`",
                            "give two nodes, or --all alone");
    json_t *request = pair_request(ctx, "heal", argv);
    return request != NULL ? ask(ctx, request) : EXIT_USAGE;
}

static int run_show(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return ask(ctx, json_pack("{s:s}", "op", "list"));
}

const struct command command_fault_cut = {
    .name = "fault cut",
    .group = GROUP_LOCAL,
    .args = "NODE NODE",
    .summary = "Lose all packets between two nodes",
    .description =
        "Cuts the network between two nodes of a cluster that was started with a fault proxy. No "
        "connection is closed: packets vanish, as over a broken line, and neither side is told. "
        "What was sent meanwhile arrives after a heal. Clients still reach both nodes.",
    .examples = "kvctl fault cut a b\nkvctl fault cut a b --one-way\tb still reaches a\n",
    .options = pair_options,
    .local = true,
    .careful = true,
    .min_args = 2,
    .max_args = 2,
    .run = run_cut,
};

const struct command command_fault_heal = {
    .name = "fault heal",
    .group = GROUP_LOCAL,
    .args = "[NODE NODE]",
    .summary = "Let packets pass again",
    .description = "Ends a cut between two nodes, or all cuts and delays.",
    .examples = "kvctl fault heal a b\nkvctl fault heal --all\n",
    .options = heal_options,
    .local = true,
    .min_args = 0,
    .max_args = 2,
    .run = run_heal,
};

const struct command command_fault_delay = {
    .name = "fault delay",
    .group = GROUP_LOCAL,
    .args = "NODE NODE DURATION",
    .summary = "Hold packets between two nodes back for a while",
    .description = "Each packet arrives so much later; 0 ends it. It stays through cuts, and ends "
                   "with `kvctl fault heal --all`.",
    .examples = "kvctl fault delay a c 80ms\tas if c were on another continent\n",
    .options = pair_options,
    .local = true,
    .min_args = 3,
    .max_args = 3,
    .run = run_delay,
};

const struct command command_fault_show = {
    .name = "fault show",
    .group = GROUP_LOCAL,
    .args = "",
    .summary = "Show who reaches whom",
    .description = "Prints a row for each node that sends, a column for each that receives. -o "
                   "json has connections and bytes as well.",
    .examples = "kvctl fault show\n",
    .options = show_options,
    .local = true,
    .min_args = 0,
    .max_args = 0,
    .run = run_show,
};

/* ---- The proxy ---- */

static struct fault_proxy *running; /* for the signal handler */

static void on_end(int number)
{
    (void)number;
    fault_proxy_stop(running);
}

static bool write_topology(const struct topology *topology, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    topology_write(topology, file);
    bool good = ferror(file) == 0;
    return fclose(file) == 0 && good;
}

static bool write_topologies(struct command_context *ctx, const struct fault_proxy *proxy,
                             const struct topology *topology, const char *dir, int *status)
{
    char path[LOCAL_PATH_BYTES];
    struct candor_error error;
    bool good = true;
    snprintf(path, sizeof path, "%s/seen-by", dir);
    if (disk_make_dir(path, 0700, &error) != CANDOR_OK) {
        *status = report_usage(ctx, NULL, "%s", error.message);
        return false;
    }
    struct topology *seen = calloc(1, sizeof *seen);
    ASSERT(seen != NULL);
    for (uint32_t i = 0; good && i < topology->node_count; i++) {
        fault_proxy_topology(proxy, i, seen);
        snprintf(path, sizeof path, "%s/seen-by/%s.yaml", dir, topology->nodes[i].id.text);
        good = write_topology(seen, path);
    }
    if (!good)
        *status = report_usage(ctx, NULL, "%s: %s", path, strerror(errno));
    free(seen);
    return good;
}

static void serve(struct fault_proxy *proxy)
{
    struct sigaction action = {.sa_handler = on_end};
    struct sigaction former_int;
    struct sigaction former_term;
    sigemptyset(&action.sa_mask);
    running = proxy;
    sigaction(SIGINT, &action, &former_int);
    sigaction(SIGTERM, &action, &former_term);
    printf("ready fault-proxy pid=%d\n", (int)getpid());
    fflush(stdout);
    fault_proxy_run(proxy);
    sigaction(SIGINT, &former_int, NULL);
    sigaction(SIGTERM, &former_term, NULL);
    running = NULL;
}

static int run_proxy(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct candor_error error;
    struct fault_proxy *proxy = NULL;
    const char *dir = option_text(ctx, "run-dir");
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    if (dir == NULL) {
        status = report_usage(
            ctx, "name a directory for its socket and the topologies, as in --run-dir /tmp/net",
            "missing --run-dir DIR");
        goto cleanup;
    }
    if (!local_load_topology(ctx, argv[0], topology, &status))
        goto cleanup;
    if (fault_proxy_open(topology, dir, &proxy, &error) != CANDOR_OK) {
        status = report_error(ctx, &error, NULL);
        goto cleanup;
    }
    if (write_topologies(ctx, proxy, topology, dir, &status))
        serve(proxy);
cleanup:
    fault_proxy_close(proxy);
    free(topology);
    return status;
}

const struct command command_fault_proxy = {
    .name = "fault proxy",
    .group = GROUP_LOCAL,
    .args = "FILE",
    .summary = "Run a fault proxy in the foreground",
    .description =
        "What `kvctl up --with-fault-proxy` starts. Listens for every pair of nodes of the "
        "topology, writes the topology that each node is to be started with to "
        "DIR/seen-by/NODE.yaml, and takes orders at DIR/fault.sock. DIR must exist.",
    .examples = "kvctl fault proxy three.yaml --run-dir /tmp/net\n"
                "kvd --topology /tmp/net/seen-by/a.yaml --node a\n",
    .options = proxy_options,
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_proxy,
};
