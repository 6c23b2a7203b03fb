/* kvctl topology check, show, reference. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/local/local.h"

/* ---- check ---- */

static json_t *problem_json(const struct topology_problem *problem)
{
    json_t *out = json_object();
    json_object_set_new(out, "severity", json_string(problem->warning ? "warning" : "error"));
    json_object_set_new(out, "line", problem->line > 0 ? json_u64(problem->line) : json_null());
    json_object_set_new(out, "column",
                        problem->column > 0 ? json_u64(problem->column) : json_null());
    json_set_bytes(out, "what", problem->what, strlen(problem->what));
    json_set_bytes(out, "hint", problem->hint, strlen(problem->hint));
    return out;
}

static size_t count_errors(const struct topology_problems *problems)
{
    size_t errors = 0;
    for (size_t i = 0; i < problems->count; i++)
        errors += !problems->list[i].warning;
    return errors;
}

static void print_check(struct command_context *ctx, const char *path, bool good,
                        const struct topology *topology, const struct topology_problems *problems)
{
    size_t errors = count_errors(problems);
    size_t warnings = problems->count - errors;
    if (context_json(ctx)) {
        json_t *list = json_array();
        for (size_t i = 0; i < problems->count; i++)
            json_array_append_new(list, problem_json(&problems->list[i]));
        json_t *out = json_object();
        json_set_bytes(out, "file", path, strlen(path));
        json_object_set_new(out, "good", json_boolean(good));
        json_object_set_new(out, "errors", json_u64(errors));
        json_object_set_new(out, "warnings", json_u64(warnings));
        json_object_set_new(out, "problems", list);
        output_json(ctx, out);
        return;
    }
    topology_problems_print(problems, path, stdout);
    if (good)
        printf("%s: good%s: cluster %s, %u node%s\n", path, warnings > 0 ? ", with warnings" : "",
               topology->cluster, topology->node_count, topology->node_count == 1 ? "" : "s");
    else
        printf("%s: %zu error%s, %zu warning%s\n", path, errors, errors == 1 ? "" : "s", warnings,
               warnings == 1 ? "" : "s");
}

static int run_check(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    struct topology_problems problems = {0};
    struct candor_error error = {0};
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    enum candor_code code = topology_load(argv[0], topology, &problems, &error);
    int status = code == CANDOR_OK ? EXIT_DONE : EXIT_USAGE;
    /* not even read */
    if (code != CANDOR_OK && count_errors(&problems) == 0)
        report_usage(ctx, topology_hint(CANDOR_NOT_FOUND), "%s", error.message);
    else
        print_check(ctx, argv[0], code == CANDOR_OK, topology, &problems);
    topology_problems_free(&problems);
    free(topology);
    return status;
}

const struct command command_topology_check = {
    .name = "topology check",
    .group = GROUP_TOOLS,
    .args = "FILE",
    .summary = "Check a topology, and show every problem at once",
    .description =
        "Prints a line `file:line:column: error: what; what to do` for each problem. Exit status "
        "2: the topology cannot be used; warnings alone give 0.",
    .examples = "kvctl topology check shop.yaml\nkvctl topology check shop.yaml -o json\n",
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_check,
};

/* ---- show ---- */

static const struct option_spec show_options[] = {
    {"yaml", 0, NULL, false, "A complete YAML file instead, every default spelled out"},
    {0},
};

static const char *durability_name(enum topology_durability durability)
{
    return durability == TOPOLOGY_ALWAYS     ? "always"
           : durability == TOPOLOGY_INTERVAL ? "interval"
                                             : "os";
}

static json_t *node_json(const struct topology_node *node)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:s}", "id", node->id.text, "role",
                     node->voter ? "voter" : "reader", "rpc", node->rpc, "peer", node->peer,
                     "stream", node->stream, "heartbeat", node->heartbeat, "data", node->data,
                     "zone", node->zone[0] != '\0' ? json_string(node->zone) : json_null(),
                     "durability", durability_name(node->durability));
}

static json_t *topology_json(const struct topology *topology)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"heartbeat_interval_ms", topology->heartbeat_interval_ms},
        {"stale_after_ms", topology->stale_after_ms},
        {"election_timeout_ms", topology->election_timeout_ms},
        {"writer_stall_ms", topology->writer_stall_ms},
        {"max_lag", topology->max_lag},
        {"sync_interval_ms", topology->sync_interval_ms},
        {"clock_drift_ppm", topology->clock_drift_ppm},
        {"limit_value_bytes", topology->limit_value_bytes},
        {"limit_message_bytes", topology->limit_message_bytes},
        {"max_uncommitted", topology->max_uncommitted},
        {"state_bytes", topology->state_bytes},
        {"retention_log_bytes", topology->retention_log_bytes},
    };
    json_t *out = json_pack("{s:s,s:s,s:s,s:s,s:b}", "cluster", topology->cluster, "failover",
                            topology->automatic_failover ? "automatic" : "manual",
                            "initial_primary", topology->initial_primary.text, "durability",
                            durability_name(topology->durability), "leases", topology->leases);
    ASSERT(out != NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(out, numbers[i].name, json_u64(numbers[i].value));
    json_object_set_new(out, "reject_after_ms",
                        topology->reject_after_ms == 0 ? json_null()
                                                       : json_u64(topology->reject_after_ms));
    json_t *nodes = json_array();
    for (uint32_t i = 0; i < topology->node_count; i++)
        json_array_append_new(nodes, node_json(&topology->nodes[i]));
    json_object_set_new(out, "nodes", nodes);
    return out;
}

static int run_show(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    if (!local_load_topology(ctx, argv[0], topology, &status)) {
        free(topology);
        return status;
    }
    if (context_json(ctx))
        output_json(ctx, topology_json(topology));
    else if (option_given(ctx, "yaml"))
        topology_write(topology, stdout);
    else
        topology_draw(topology, stdout);
    free(topology);
    return EXIT_DONE;
}

const struct command command_topology_show = {
    .name = "topology show",
    .group = GROUP_TOOLS,
    .args = "FILE",
    .summary = "Draw a topology",
    .description = "Draws zones, nodes and addresses, and says what the timings mean. -o json and "
                   "--yaml give every setting, defaults included.",
    .examples = "kvctl topology show examples/topologies/three.yaml\n"
                "kvctl topology show shop.yaml --yaml > complete.yaml\n",
    .options = show_options,
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_show,
};

/* ---- reference ---- */

static int run_reference(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (!context_json(ctx)) {
        topology_reference(stdout);
        return EXIT_DONE;
    }
    output_json(ctx, json_pack("{s:o}", "markdown", output_captured(topology_reference)));
    return EXIT_DONE;
}

const struct command command_topology_reference = {
    .name = "topology reference",
    .group = GROUP_TOOLS,
    .args = "",
    .summary = "Print every key of a topology file",
    .description = "Prints, as Markdown, each key with its type, default, range and meaning.",
    .examples = "kvctl topology reference | less\n",
    .local = true,
    .min_args = 0,
    .max_args = 0,
    .run = run_reference,
};
