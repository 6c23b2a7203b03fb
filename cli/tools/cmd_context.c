/* kvctl context use, ls, show, rm. */
#include <string.h>

#include "cli/frame/place.h"
#include "cli/tools/contexts_change.h"

/* NULL after a report. */
static struct named_context *find(struct command_context *ctx, const struct contexts *contexts,
                                  const char *name, int *status)
{
    struct candor_error error;
    struct named_context *found = contexts_find(contexts, name);
    if (found != NULL)
        return found;
    candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no context '%.64s'", name);
    *status = report_error(ctx, &error, "`kvctl context ls` lists them");
    return NULL;
}

static const char *cluster_of(const struct named_context *context)
{
    return context->topology[0] != '\0' ? context->topology : context->endpoints;
}

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *context_json_of(const struct contexts *contexts, const struct named_context *context)
{
    json_t *out = json_object();
    json_object_set_new(out, "context", json_string(context->name));
    json_object_set_new(out, "topology", text_or_null(context->topology));
    json_object_set_new(out, "endpoints", text_or_null(context->endpoints));
    json_object_set_new(out, "secret_file", text_or_null(context->secret_file));
    json_object_set_new(out, "in_use", json_boolean(strcmp(contexts->use, context->name) == 0));
    return out;
}

/* ---- use ---- */

static int use(struct command_context *ctx, struct contexts *contexts, char **argv)
{
    int status = EXIT_DONE;
    bool none = strcmp(argv[0], "-") == 0;
    if (!none && find(ctx, contexts, argv[0], &status) == NULL)
        return status;
    snprintf(contexts->use, sizeof contexts->use, "%s", none ? "" : argv[0]);
    return contexts_keep(ctx, contexts, "is in use", none ? NULL : argv[0]);
}

static int run_use(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return contexts_change(ctx, argv, use);
}

const struct command command_context_use = {
    .name = "context use",
    .group = GROUP_TOOLS,
    .args = "CONTEXT",
    .summary = "Mean a cluster from now on",
    .description = "Every command means the cluster of CONTEXT from now on, where neither the "
                   "command line nor the environment names another. - ends that.",
    .examples = "kvctl context use shop\nkvctl context use -\tnone\n",
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_use,
};

/* ---- ls ---- */

static void print_table(const struct contexts *contexts)
{
    struct table *table = table_new();
    static const char *const headers[] = {"", "CONTEXT", "CLUSTER", "SECRET FILE"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        table_column(table, headers[i], TABLE_LEFT);
    for (size_t i = 0; i < contexts->count; i++) {
        const struct named_context *one = &contexts->list[i];
        bool used = strcmp(contexts->use, one->name) == 0;
        table_cell(table, TABLE_GOOD, "%s", used ? "*" : "");
        table_cell(table, used ? TABLE_GOOD : TABLE_PLAIN, "%s", one->name);
        table_cell(table, TABLE_PLAIN, "%s", cluster_of(one));
        table_cell(table, TABLE_PLAIN, "%s", one->secret_file[0] != '\0' ? one->secret_file : "-");
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_ls(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct contexts contexts;
    struct contexts_problem why;
    int status = EXIT_DONE;
    if (!contexts_load(&contexts, &why)) {
        status = contexts_report(ctx, &why);
    } else if (context_json(ctx)) {
        json_t *list = json_array();
        for (size_t i = 0; i < contexts.count; i++)
            json_array_append_new(list, context_json_of(&contexts, &contexts.list[i]));
        output_json(ctx,
                    json_pack("{s:o,s:o}", "contexts", list, "file", text_or_null(contexts.path)));
    } else if (contexts.count == 0) {
        output_note(ctx, "there are no contexts; `kvctl context add` makes one");
    } else {
        print_table(&contexts);
    }
    contexts_free(&contexts);
    return status;
}

const struct command command_context_ls = {
    .name = "context ls",
    .group = GROUP_TOOLS,
    .args = "",
    .summary = "List the names of clusters",
    .description = "A row for each context; a * stands beside the one in use.",
    .examples = "kvctl context ls\n",
    .local = true,
    .min_args = 0,
    .max_args = 0,
    .run = run_ls,
};

/* ---- show ---- */

static int show_one(struct command_context *ctx, const char *name)
{
    struct contexts contexts;
    struct contexts_problem why;
    int status = EXIT_DONE;
    if (!contexts_load(&contexts, &why))
        status = contexts_report(ctx, &why);
    const struct named_context *one =
        status == EXIT_DONE ? find(ctx, &contexts, name, &status) : NULL;
    if (one != NULL && context_json(ctx)) {
        output_json(ctx, context_json_of(&contexts, one));
    } else if (one != NULL) {
        printf("%s: %s\n", one->topology[0] != '\0' ? "topology" : "endpoints", cluster_of(one));
        if (one->secret_file[0] != '\0')
            printf("secret-file: %s\n", one->secret_file);
        printf("in use: %s\n", strcmp(contexts.use, one->name) == 0 ? "yes" : "no");
    }
    contexts_free(&contexts);
    return status;
}

/* What commands mean that say nothing of it themselves. */
static int show_place(struct command_context *ctx)
{
    struct place place;
    struct contexts_problem why;
    struct candor_error error;
    int status = EXIT_DONE;
    if (!place_find(context_defaults(ctx), NULL, &place, &why)) {
        status = contexts_report(ctx, &why);
    } else if (place.source[0] == '\0') {
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "nothing names a cluster");
        status = report_error(ctx, &error, "`kvctl context add` gives one a name");
    } else if (context_json(ctx)) {
        output_json(
            ctx, json_pack("{s:o,s:o,s:s}", "topology", text_or_null(place.topology), "endpoints",
                           place.endpoints != NULL ? json_string(place.endpoints) : json_null(),
                           "by", place.source));
    } else {
        printf("%s: %s\nby %s\n", place.endpoints != NULL ? "endpoints" : "topology",
               place.endpoints != NULL ? place.endpoints : place.topology, place.source);
    }
    place_free(&place);
    return status;
}

static int run_show(struct command_context *ctx, int argc, char **argv)
{
    return argc > 0 ? show_one(ctx, argv[0]) : show_place(ctx);
}

const struct command command_context_show = {
    .name = "context show",
    .group = GROUP_TOOLS,
    .args = "[CONTEXT]",
    .summary = "Show what a name means, or which cluster is meant",
    .description =
        "Without CONTEXT: which cluster a command means that names none, and by what: "
        "$CANDOR_CONTEXT, $CANDOR_ENDPOINTS, $CANDOR_TOPOLOGY, the context in use, or the "
        "last `kvctl up`; the first of these that is there counts.",
    .examples = "kvctl context show\nkvctl context show shop\n",
    .local = true,
    .min_args = 0,
    .max_args = 1,
    .run = run_show,
};

/* ---- rm ---- */

static int remove_one(struct command_context *ctx, struct contexts *contexts, char **argv)
{
    int status = EXIT_DONE;
    const struct named_context *one = find(ctx, contexts, argv[0], &status);
    if (one == NULL)
        return status;
    bool used = strcmp(contexts->use, one->name) == 0;
    contexts_remove(contexts, one);
    return contexts_keep(ctx, contexts, used ? "is removed: no context is in use" : "is removed",
                         argv[0]);
}

static int run_rm(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return contexts_change(ctx, argv, remove_one);
}

const struct command command_context_rm = {
    .name = "context rm",
    .group = GROUP_TOOLS,
    .args = "CONTEXT",
    .summary = "Forget a name",
    .description = "The cluster, its topology file and a secret file are left alone.",
    .examples = "kvctl context rm test\n",
    .local = true,
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_rm,
};
