/* kvctl context add. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "cli/tools/contexts_change.h"
#include "topology/topology.h"

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
        contexts_report(ctx, &why);
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
    return contexts_keep(ctx, contexts, replaces ? "is replaced" : "is added", wanted.name);
}

static int run_add(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return contexts_change(ctx, argv, add);
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
