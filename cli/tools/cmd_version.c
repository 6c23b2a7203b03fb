/* kvctl version: of kvctl, and of the nodes. */
#include "base/limits.h"
#include "cli/frame/node_call.h"

enum { VERSION_DEADLINE_MS = 1000 };

static const struct option_spec version_options[] = {
    {"nodes", 0, NULL, false, "Ask the nodes for theirs; so does an option that names a cluster"},
    {0},
};

static bool asks_nodes(const struct command_context *ctx)
{
    return option_given(ctx, "nodes") || option_given(ctx, "topology") ||
           option_given(ctx, "endpoint") || option_given(ctx, "context") ||
           option_given(ctx, "node");
}

static json_t *json_version(const struct node_row *row)
{
    bool there = row->result.error.code == CANDOR_OK;
    json_t *out = json_object();
    json_object_set_new(out, "node",
                        row->target.id[0] != '\0' ? json_string(row->target.id) : json_null());
    json_object_set_new(out, "version", there ? json_string(row->status.version) : json_null());
    json_object_set_new(out, "address", json_string(row->target.address));
    return out;
}

static void print_version(const struct node_row *row)
{
    const char *name = row->target.id[0] != '\0' ? row->target.id : row->target.address;
    if (row->result.error.code == CANDOR_OK)
        printf("%s %s\n", name, row->status.version);
    else
        output_line(stdout, "%s UNREACHABLE: %s", name, row->result.error.message);
}

static void show_own(struct command_context *ctx, json_t *nodes)
{
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s,s:o}", "version", CANDOR_VERSION, "nodes", nodes));
    else
        printf("kvctl %s\n", CANDOR_VERSION);
}

static int show_all(struct command_context *ctx)
{
    int status = EXIT_USAGE;
    struct node_target targets[LIMIT_NODES];
    struct node_row rows[LIMIT_NODES];
    size_t count = context_find_place(ctx) ? node_targets(ctx, targets, &status) : 0;
    if (count == 0)
        return status;
    json_t *nodes = context_json(ctx) ? json_array() : NULL;
    node_rows(targets, count, (uint32_t)context_deadline_ms(ctx, VERSION_DEADLINE_MS), rows);
    if (nodes == NULL)
        show_own(ctx, NULL);
    status = EXIT_UNAVAILABLE;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].result.error.code == CANDOR_OK)
            status = EXIT_DONE;
        if (nodes != NULL)
            json_array_append_new(nodes, json_version(&rows[i]));
        else
            print_version(&rows[i]);
    }
    if (nodes != NULL)
        show_own(ctx, nodes);
    return status;
}

static int run_version(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (asks_nodes(ctx))
        return show_all(ctx);
    show_own(ctx, context_json(ctx) ? json_null() : NULL);
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .group = GROUP_TOOLS,
    .args = "",
    .summary = "Show the version of kvctl, and of the nodes",
    .description = "Prints that of kvctl, and asks no node. With --nodes, or an option that names "
                   "a cluster, also a line `NODE VERSION` for each. Exit status 5: no node "
                   "answered.",
    .examples = "kvctl version\n"
                "kvctl --version\n"
                "kvctl version --nodes\n",
    .options = version_options,
    .places_itself = true,
    .min_args = 0,
    .max_args = 0,
    .run = run_version,
};
