/* kvctl context: names for clusters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "cli/frame/contexts.h"
#include "cli/frame/place.h"
#include "topology/topology.h"

static int report_problem(struct command_context *ctx, const struct contexts_problem *why)
{
    return report_usage(ctx, why->hint, "%s", why->what);
}

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

/* A change, and what is told of it. */
static int tell(struct command_context *ctx, const struct contexts *contexts, const char *what,
                const char *name)
{
    if (context_json(ctx))
        output_json(ctx,
                    json_pack("{s:s?,s:o}", "context", name, "use", text_or_null(contexts->use)));
    else
        printf("%s %s\n", name != NULL ? name : "no context", what);
    return EXIT_DONE;
}

/* Runs `change` with the contexts, which nobody else changes meanwhile, and keeps what it has made
 * of them. */
static int change_contexts(struct command_context *ctx, char **argv,
                           int (*change)(struct command_context *, struct contexts *, char **))
{
    int lock_fd;
    struct contexts contexts;
    struct contexts_problem why;
    int status = EXIT_DONE;
    if (!contexts_open(&contexts, &lock_fd, &why))
        status = report_problem(ctx, &why);
    else
        status = change(ctx, &contexts, argv);
    contexts_close(&contexts, lock_fd);
    return status;
}

static int store(struct command_context *ctx, const struct contexts *contexts, const char *what,
                 const char *name)
{
    struct contexts_problem why;
    return contexts_store(contexts, &why) ? tell(ctx, contexts, what, name)
                                          : report_problem(ctx, &why);
}

/* ---- add ---- */

static const struct option_spec add_options[] = {
    {"topology", 't', "FILE", false, "The cluster of this topology"},
    {"endpoint", 'e', "ADDRESS", true,
     "The cluster at this address; several apart by commas, or one an option"},
    {"secret-file", 0, "FILE", false,
     "Where a secret is kept: its path, never itself. This version has no users, and reads no such "
     "file"},
    {"replace", 0, NULL, false, "Replace the context of this name"},
    {"use", 0, NULL, false, "Use it from now on"},
    {0},
};

static bool take_topology(struct command_context *ctx, const char *path, struct named_context *out)
{
    struct topology_problems problems = {0};
    struct candor_error error = {0};
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    enum candor_code code = topology_load(path, topology, &problems, &error);
    topology_problems_free(&problems);
    free(topology);
    char *absolute = code == CANDOR_OK ? realpath(path, NULL) : NULL;
    bool fits = absolute != NULL && strlen(absolute) < sizeof out->topology;
    if (fits)
        snprintf(out->topology, sizeof out->topology, "%s", absolute);
    else
        report_usage(ctx, topology_hint(code), "%s",
                     error.message[0] != '\0' ? error.message : path);
    free(absolute);
    return fits;
}

/* Whoever reads the file has the secret. */
static bool take_secret_file(struct command_context *ctx, const char *path,
                             struct named_context *out)
{
    struct stat st;
    char *absolute = realpath(path, NULL);
    bool good = absolute != NULL && stat(absolute, &st) == 0 && S_ISREG(st.st_mode) &&
                strlen(absolute) < sizeof out->secret_file;
    if (!good)
        report_usage(ctx, "name the file that holds the secret", "--secret-file %s: %s", path,
                     absolute == NULL ? strerror(errno) : "it is no file");
    else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        report_usage(ctx, "chmod 600 it", "--secret-file %s: others may read it", path);
    if (good)
        snprintf(out->secret_file, sizeof out->secret_file, "%s", absolute);
    free(absolute);
    return good && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static bool take_endpoints(struct command_context *ctx, struct named_context *out)
{
    size_t length = 0;
    for (size_t i = 0; i < option_count(ctx, "endpoint"); i++) {
        if (length + strlen(option_nth(ctx, "endpoint", i)) + 2 > sizeof out->endpoints) {
            report_usage(ctx, "a cluster has at most 32 nodes", "--endpoint: the list is too long");
            return false;
        }
        length += (size_t)snprintf(out->endpoints + length, sizeof out->endpoints - length, "%s%s",
                                   i == 0 ? "" : ",", option_nth(ctx, "endpoint", i));
    }
    return endpoints_check(ctx, "--endpoint", out->endpoints);
}

static bool read_options_of_add(struct command_context *ctx, const char *name,
                                struct named_context *out)
{
    struct contexts_problem why;
    const char *secret = option_text(ctx, "secret-file");
    memset(out, 0, sizeof *out);
    if (!context_name_check(name, &why)) {
        report_problem(ctx, &why);
        return false;
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    if (option_given(ctx, "topology") == option_given(ctx, "endpoint")) {
        report_usage(ctx, "write --topology FILE, or --endpoint ADDRESS",
                     "which cluster is it? Give exactly one of --topology and --endpoint");
        return false;
    }
    bool good = option_given(ctx, "topology")
                    ? take_topology(ctx, option_text(ctx, "topology"), out)
                    : take_endpoints(ctx, out);
    return good && (secret == NULL || take_secret_file(ctx, secret, out));
}

static int add(struct command_context *ctx, struct contexts *contexts, char **argv)
{
    struct named_context wanted;
    struct candor_error error;
    if (!read_options_of_add(ctx, argv[0], &wanted))
        return EXIT_USAGE;
    struct named_context *place = contexts_find(contexts, wanted.name);
    bool replaces = place != NULL;
    if (replaces && !option_given(ctx, "replace")) {
        candor_error_set(&error, CANDOR_ALREADY_EXISTS, CANDOR_REASON_NONE,
                         "there is a context '%s'", wanted.name);
        return report_error(ctx, &error, "--replace puts this one in its place");
    }
    if (!replaces)
        place = contexts_add(contexts, wanted.name);
    if (place == NULL)
        return report_usage(ctx, "`kvctl context rm` removes some", "there are %d contexts already",
                            CONTEXTS_MAX);
    *place = wanted;
    if (option_given(ctx, "use"))
        snprintf(contexts->use, sizeof contexts->use, "%s", wanted.name);
    return store(ctx, contexts, replaces ? "is replaced" : "is added", wanted.name);
}

static int run_add(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return change_contexts(ctx, argv, add);
}

const struct command command_context_add = {
    .name = "context add",
    .group = GROUP_TOOLS,
    .args = "NAME",
    .summary = "Give a cluster a name",
    .description =
        "Keeps NAME in $XDG_CONFIG_HOME/candor/contexts (default ~/.config), which only its owner "
        "may write. From then on --context NAME and $CANDOR_CONTEXT mean the cluster, as does "
        "every "
        "command after `kvctl context use NAME`, where neither the command line nor the "
        "environment "
        "names another.",
    .examples = "kvctl context add shop --topology /etc/candor/shop.yaml --use\n"
                "kvctl context add test -e tcp://10.0.0.1:7000,tcp://10.0.0.2:7000\n",
    .options = add_options,
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_add,
};

/* ---- use ---- */

static int use(struct command_context *ctx, struct contexts *contexts, char **argv)
{
    int status = EXIT_DONE;
    bool none = strcmp(argv[0], "-") == 0;
    if (!none && find(ctx, contexts, argv[0], &status) == NULL)
        return status;
    snprintf(contexts->use, sizeof contexts->use, "%s", none ? "" : argv[0]);
    return store(ctx, contexts, "is in use", none ? NULL : argv[0]);
}

static int run_use(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return change_contexts(ctx, argv, use);
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
        status = report_problem(ctx, &why);
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
        status = report_problem(ctx, &why);
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
        status = report_problem(ctx, &why);
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
    return store(ctx, contexts, used ? "is removed: no context is in use" : "is removed", argv[0]);
}

static int run_rm(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return change_contexts(ctx, argv, remove_one);
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
