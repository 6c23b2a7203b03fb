/* Which cluster of this machine a command means. */
#include "cli/local/local_which.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#define CLUSTERS_MAX 64 /* of one user, looked through for the one that is meant */
#define NAMES_BYTES 512 /* of clusters, in a hint */

/* A cluster of this user that was brought up in its usual directory, and not down. */
struct known {
    char dir[RUN_PATH_BYTES];
    char cluster[LIMIT_NODE_ID_BYTES];
    char topology[RUN_PATH_BYTES];
    bool live; /* else its processes have ended: found where it is meant, and not counted as up */
};

static bool read_known(const char *base, const char *name, struct known *out)
{
    char file[LOCAL_PATH_BYTES];
    struct local_cluster cluster = {0};
    int length = snprintf(out->dir, sizeof out->dir, "%s/%s", base, name);
    if (name[0] == '.' || length >= (int)sizeof out->dir)
        return false;
    snprintf(file, sizeof file, "%s/" LOCAL_STATE_FILE, out->dir);
    json_t *state = json_load_file(file, 0, NULL);
    bool good = local_read_state(state, &cluster);
    json_decref(state);
    memcpy(out->cluster, cluster.cluster, sizeof out->cluster);
    memcpy(out->topology, cluster.topology, sizeof out->topology);
    out->live = good && local_is_live(&cluster);
    return good;
}

static int compare_known(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->cluster, ((const struct known *)b)->cluster);
}

/* `list` has room for CLUSTERS_MAX. */
static bool list_known(struct known *list, size_t *count, struct candor_error *err)
{
    char base[RUN_PATH_BYTES];
    *count = 0;
    if (!run_base(base, err))
        return false;
    DIR *dir = opendir(base);
    for (struct dirent *entry;
         dir != NULL && *count < CLUSTERS_MAX && (entry = readdir(dir)) != NULL;)
        *count += read_known(base, entry->d_name, &list[*count]);
    if (dir != NULL)
        closedir(dir);
    qsort(list, *count, sizeof *list, compare_known);
    return true;
}

static size_t count_live(const struct known *list, size_t count)
{
    size_t live = 0;
    for (size_t i = 0; i < count; i++)
        live += list[i].live;
    return live;
}

void local_names(void (*take)(void *closure, const char *name), void *closure)
{
    size_t count;
    struct candor_error ignored;
    struct known *list = calloc(CLUSTERS_MAX, sizeof *list);
    ASSERT(list != NULL);
    list_known(list, &count, &ignored);
    for (size_t i = 0; i < count; i++)
        if (list[i].live)
            take(closure, list[i].cluster);
    free(list);
}

/* "g1, three" of those that are live; ", and 40 others" where more do not fit. */
static void live_names(const struct known *list, size_t count, char out[NAMES_BYTES])
{
    static const char others[] = ", and 64 others";
    size_t length = 0;
    size_t left = count_live(list, count);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (!list[i].live)
            continue;
        if (length + 2 + strlen(list[i].cluster) + sizeof others > NAMES_BYTES)
            break;
        length += (size_t)snprintf(out + length, NAMES_BYTES - length, "%s%s",
                                   length > 0 ? ", " : "", list[i].cluster);
        left--;
    }
    if (left > 0)
        snprintf(out + length, NAMES_BYTES - length, ", and %zu other%s", left,
                 left == 1 ? "" : "s");
}

/* What a command line says of the cluster that it means. */
struct wanted {
    const char *name;              /* NULL: not by name */
    char topology[RUN_PATH_BYTES]; /* "": by no topology; else absolute where the file is there */
    bool said; /* by the command line or $CANDOR_TOPOLOGY, and not by what was started last */
};

static const struct known *find_known(const struct known *list, size_t count,
                                      const struct wanted *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (wanted->name != NULL ? strcmp(list[i].cluster, wanted->name) == 0
                                 : strcmp(list[i].topology, wanted->topology) == 0)
            return &list[i];
    }
    return NULL;
}

static void make_absolute(const char *path, char out[RUN_PATH_BYTES])
{
    char *absolute = realpath(path, NULL);
    snprintf(out, RUN_PATH_BYTES, "%s", absolute != NULL ? absolute : path);
    free(absolute);
}

static void read_wanted(struct command_context *ctx, const char *name, struct wanted *out)
{
    const char *topology = option_text(ctx, "topology");
    const char *environment = getenv("CANDOR_TOPOLOGY");
    *out = (struct wanted){.name = name != NULL ? name : option_text(ctx, "cluster"), .said = true};
    if (out->name != NULL)
        return;
    if (topology == NULL && environment != NULL && environment[0] != '\0')
        topology = environment;
    if (topology != NULL) {
        make_absolute(topology, out->topology);
        return;
    }
    out->said = false;
    if (!run_last_topology(out->topology))
        out->topology[0] = '\0';
}

static int report_which(struct command_context *ctx, const char *names)
{
    char hint[NAMES_BYTES + 64];
    snprintf(hint, sizeof hint, "up: %s; name one by --cluster NAME or --topology FILE", names);
    return report_usage(ctx, hint, "which cluster?");
}

static int report_none(struct command_context *ctx, const struct known *list, size_t count,
                       const struct wanted *wanted)
{
    char names[NAMES_BYTES];
    char hint[NAMES_BYTES + 64] = "`kvctl up FILE` starts one";
    struct candor_error error;
    live_names(list, count, names);
    if (names[0] != '\0' && !wanted->said)
        return report_which(ctx, names);
    if (names[0] != '\0')
        snprintf(hint, sizeof hint, "up: %s; one that has a --run-dir is named by it", names);
    if (!wanted->said)
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no cluster is up here");
    else
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no cluster %s%s is up",
                         wanted->name != NULL ? "" : "of ",
                         wanted->name != NULL ? wanted->name : wanted->topology);
    return report_error(ctx, &error, hint);
}

/* What nobody has named is ended only where no other is up. */
static int report_others(struct command_context *ctx, const struct known *list, size_t count,
                         const struct known *found)
{
    char names[NAMES_BYTES];
    char hint[NAMES_BYTES + 96];
    live_names(list, count, names);
    if (!found->live)
        return report_which(ctx, names);
    snprintf(hint, sizeof hint, "up: %s; name one, as in `kvctl %s %s`", names,
             context_command(ctx)->name, found->cluster);
    return report_usage(ctx, hint, "%zu clusters are up", count_live(list, count));
}

static bool find_usual_dir(struct command_context *ctx, const char *name, bool ends,
                           char out[RUN_PATH_BYTES], int *status)
{
    struct wanted wanted;
    struct candor_error error;
    size_t count;
    bool good = false;
    struct known *list = calloc(CLUSTERS_MAX, sizeof *list);
    ASSERT(list != NULL);
    read_wanted(ctx, name, &wanted);
    if (!list_known(list, &count, &error)) {
        *status = report_error(ctx, &error, NULL);
        goto cleanup;
    }
    const struct known *found = find_known(list, count, &wanted);
    if (found == NULL) {
        *status = report_none(ctx, list, count, &wanted);
    } else if (ends && !wanted.said && count_live(list, count) > found->live) {
        *status = report_others(ctx, list, count, found);
    } else {
        memcpy(out, found->dir, RUN_PATH_BYTES);
        good = true;
    }
cleanup:
    free(list);
    return good;
}

bool local_given_dir(struct command_context *ctx, char out[RUN_PATH_BYTES], int *status)
{
    const char *given = option_text(ctx, "run-dir");
    char here[RUN_PATH_BYTES] = "";
    bool relative = given[0] != '/';
    int length = -1;
    if (given[0] != '\0' && (!relative || getcwd(here, sizeof here) != NULL))
        length = snprintf(out, RUN_PATH_BYTES, "%s%s%s", here, relative ? "/" : "", given);
    if (length > 0 && length < RUN_PATH_BYTES)
        return true;
    *status = report_usage(ctx, NULL, "--run-dir: '%s' cannot be used", given);
    return false;
}

bool local_find_dir(struct command_context *ctx, const char *name, bool ends,
                    struct local_cluster *out, int *status)
{
    memset(out, 0, sizeof *out);
    out->lock_fd = -1;
    out->usual = option_text(ctx, "run-dir") == NULL;
    *status = EXIT_DONE;
    int ways =
        (name != NULL) + option_given(ctx, "cluster") + option_given(ctx, "topology") + !out->usual;
    if (ways > 1) {
        *status =
            report_usage(ctx, "name it in one way",
                         "a cluster's name, --cluster, --topology and --run-dir all say which "
                         "cluster is meant");
        return false;
    }
    return out->usual ? find_usual_dir(ctx, name, ends, out->dir, status)
                      : local_given_dir(ctx, out->dir, status);
}
