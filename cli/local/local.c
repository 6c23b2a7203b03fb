#include "cli/local/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "disk/disk.h"

#define STATE_FILE "cluster.json"
#define CLUSTERS_MAX 64 /* of one user, looked through for the one that is meant */

/* ---- Paths ---- */

static char *inside(const struct local_cluster *cluster, const char *name,
                    char out[LOCAL_PATH_BYTES])
{
    snprintf(out, LOCAL_PATH_BYTES, "%s/%s", cluster->dir, name);
    return out;
}

char *local_log_path(const struct local_cluster *cluster, const char *id,
                     char out[LOCAL_PATH_BYTES])
{
    snprintf(out, LOCAL_PATH_BYTES, "%s/logs/%s.log", cluster->dir, id);
    return out;
}

char *local_proxy_log_path(const struct local_cluster *cluster, char out[LOCAL_PATH_BYTES])
{
    return inside(cluster, "fault-proxy.log", out);
}

char *local_topology_path(const struct local_cluster *cluster, const char *id,
                          char out[LOCAL_PATH_BYTES])
{
    if (cluster->with_proxy)
        snprintf(out, LOCAL_PATH_BYTES, "%s/seen-by/%s.yaml", cluster->dir, id);
    else
        snprintf(out, LOCAL_PATH_BYTES, "%s", cluster->topology);
    return out;
}

bool local_load_topology(struct command_context *ctx, const char *path, struct topology *out,
                         int *status)
{
    struct topology_problems problems = {0};
    struct candor_error error = {0};
    enum candor_code code = topology_load(path, out, &problems, &error);
    if ((code != CANDOR_OK || !context_quiet(ctx)) && !context_json(ctx))
        topology_problems_print(&problems, path, stderr);
    topology_problems_free(&problems);
    *status = EXIT_DONE;
    if (code == CANDOR_OK)
        return true;
    *status = report_usage(ctx, "`kvctl topology check FILE` shows every problem", "%s",
                           error.message[0] != '\0' ? error.message : path);
    return false;
}

/* ---- The state file ---- */

static json_t *process_json(const struct process *process)
{
    return json_pack("{s:I,s:I}", "pid", (json_int_t)process->pid, "start_ticks",
                     (json_int_t)process->start_ticks);
}

static bool read_process(const json_t *value, struct process *out)
{
    json_int_t pid = json_integer_value(json_object_get(value, "pid"));
    json_int_t ticks = json_integer_value(json_object_get(value, "start_ticks"));
    if (pid < 0 || pid > INT32_MAX || ticks < 0)
        return false;
    *out = (struct process){.pid = (pid_t)pid, .start_ticks = (uint64_t)ticks};
    return true;
}

static json_t *state_json(const struct local_cluster *cluster)
{
    char boot[CLOCK_BOOT_ID_BYTES];
    json_t *nodes = json_array();
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        json_t *node = process_json(&cluster->nodes[i].process);
        json_object_set_new(node, "node", json_string(cluster->nodes[i].id));
        json_array_append_new(nodes, node);
    }
    return json_pack("{s:s,s:s,s:s,s:o?,s:o}", "cluster", cluster->cluster, "topology",
                     cluster->topology, "boot_id", clock_boot_id(boot) ? boot : "", "fault_proxy",
                     cluster->with_proxy ? process_json(&cluster->proxy) : NULL, "nodes", nodes);
}

static bool copy_text(const json_t *object, const char *member, char *out, size_t room)
{
    const char *text = json_string_value(json_object_get(object, member));
    if (text == NULL || text[0] == '\0' || strlen(text) >= room)
        return false;
    snprintf(out, room, "%s", text);
    return true;
}

static bool read_nodes(const json_t *list, struct local_cluster *out)
{
    size_t i;
    json_t *value;
    if (!json_is_array(list) || json_array_size(list) > LIMIT_NODES)
        return false;
    json_array_foreach(list, i, value)
    {
        struct local_node *node = &out->nodes[out->node_count++];
        if (!copy_text(value, "node", node->id, sizeof node->id) ||
            !read_process(value, &node->process))
            return false;
    }
    return true;
}

/* Processes of another boot of this machine are no more, whoever has their pids now. */
static void forget_processes(struct local_cluster *cluster)
{
    cluster->proxy = (struct process){0};
    for (uint32_t i = 0; i < cluster->node_count; i++)
        cluster->nodes[i].process = (struct process){0};
}

static bool read_state(const json_t *state, struct local_cluster *out)
{
    char boot[CLOCK_BOOT_ID_BYTES];
    char now[CLOCK_BOOT_ID_BYTES];
    const json_t *proxy = json_object_get(state, "fault_proxy");
    out->with_proxy = json_is_object(proxy);
    if (!copy_text(state, "cluster", out->cluster, sizeof out->cluster) ||
        !copy_text(state, "topology", out->topology, sizeof out->topology) ||
        !read_nodes(json_object_get(state, "nodes"), out) ||
        (out->with_proxy && !read_process(proxy, &out->proxy)))
        return false;
    if (!copy_text(state, "boot_id", boot, sizeof boot) || !clock_boot_id(now) ||
        strcmp(boot, now) != 0)
        forget_processes(out);
    return true;
}

/* False after a report; a file that is missing leaves node_count 0. */
static bool load_state(struct command_context *ctx, struct local_cluster *cluster, int *status)
{
    char path[LOCAL_PATH_BYTES];
    size_t length = 0;
    if (access(inside(cluster, STATE_FILE, path), F_OK) != 0 && errno == ENOENT)
        return true;
    uint8_t *bytes = read_whole_file(ctx, path, LIMIT_RUN_STATE_BYTES, &length, status);
    if (bytes == NULL)
        return false;
    json_t *state = json_loadb((const char *)bytes, length, 0, NULL);
    bool good = read_state(state, cluster);
    json_decref(state);
    free(bytes);
    if (!good)
        *status = report_usage(ctx, "remove the file when nothing of that cluster runs",
                               "%s does not hold what `kvctl up` writes", path);
    return good;
}

/* A reader sees the old state or the new one. */
bool local_save(struct command_context *ctx, const struct local_cluster *cluster, int *status)
{
    char path[LOCAL_PATH_BYTES];
    struct candor_error error;
    json_t *state = state_json(cluster);
    ASSERT(state != NULL && cluster->lock_fd >= 0);
    char *text = memory_given(json_dumps(state, JSON_INDENT(2)));
    json_decref(state);
    enum candor_code code = disk_replace_shared(inside(cluster, STATE_FILE, path),
                                                slice_of(text, strlen(text)), &error);
    free(text);
    if (code != CANDOR_OK)
        *status = report_usage(ctx, NULL, "%s", error.message);
    return code == CANDOR_OK;
}

void local_remove(const struct local_cluster *cluster)
{
    char path[LOCAL_PATH_BYTES];
    if (cluster->with_proxy) {
        for (uint32_t i = 0; i < cluster->node_count; i++)
            unlink(local_topology_path(cluster, cluster->nodes[i].id, path));
        rmdir(inside(cluster, "seen-by", path));
        unlink(inside(cluster, "fault.sock", path)); /* of a proxy that was killed */
    }
    unlink(inside(cluster, STATE_FILE, path));
    if (cluster->usual)
        run_forget_topology(cluster->topology);
}

/* ---- Directories ---- */

static bool make_dir(struct command_context *ctx, const char *path, int *status)
{
    struct stat st;
    struct candor_error error;
    if (disk_make_dir(path, 0700, &error) != CANDOR_OK) {
        *status = report_usage(ctx, NULL, "%s", error.message);
        return false;
    }
    if (stat(path, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    *status = report_usage(ctx, "name another one by --run-dir", "%s may be changed by other users",
                           path);
    return false;
}

static bool lock_dir(struct command_context *ctx, struct local_cluster *cluster, int *status)
{
    char path[LOCAL_PATH_BYTES];
    struct candor_error error;
    inside(cluster, "lock", path);
    if (disk_open(path, O_RDWR | O_CREAT, &cluster->lock_fd, &error) != CANDOR_OK) {
        *status = report_usage(ctx, NULL, "%s", error.message);
        return false;
    }
    int failed = disk_try_lock(cluster->lock_fd);
    if (failed == EWOULDBLOCK) {
        output_note(ctx, "waiting for another command that holds %s", path);
        failed = disk_wait_lock(cluster->lock_fd, interrupt_seen);
    }
    if (failed != 0)
        *status = report_usage(ctx, NULL, "%s: %s", path, strerror(failed));
    return failed == 0;
}

void local_close(struct local_cluster *cluster)
{
    if (cluster->lock_fd >= 0)
        close(cluster->lock_fd);
    cluster->lock_fd = -1;
}

/* ---- Which cluster ---- */

/* A cluster of this user that is up in its usual directory. */
struct known {
    char dir[RUN_PATH_BYTES];
    char cluster[LIMIT_NODE_ID_BYTES];
    char topology[RUN_PATH_BYTES];
};

static bool read_known(const char *base, const char *name, struct known *out)
{
    char file[LOCAL_PATH_BYTES];
    int length = snprintf(out->dir, sizeof out->dir, "%s/%s", base, name);
    if (name[0] == '.' || length >= (int)sizeof out->dir)
        return false;
    snprintf(file, sizeof file, "%s/" STATE_FILE, out->dir);
    json_t *state = json_load_file(file, 0, NULL);
    bool good = copy_text(state, "cluster", out->cluster, sizeof out->cluster) &&
                copy_text(state, "topology", out->topology, sizeof out->topology);
    json_decref(state);
    return good;
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
    return true;
}

void local_names(void (*take)(void *closure, const char *name), void *closure)
{
    size_t count;
    struct candor_error ignored;
    struct known *list = calloc(CLUSTERS_MAX, sizeof *list);
    ASSERT(list != NULL);
    list_known(list, &count, &ignored);
    for (size_t i = 0; i < count; i++)
        take(closure, list[i].cluster);
    free(list);
}

/* "three, g1". */
static void known_names(const struct known *list, size_t count, char *out, size_t room)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && length + sizeof list[i].cluster + 2 < room; i++)
        length += (size_t)snprintf(out + length, room - length, "%s%s", i > 0 ? ", " : "",
                                   list[i].cluster);
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

static int report_none(struct command_context *ctx, const struct known *list, size_t count,
                       const struct wanted *wanted)
{
    char names[512];
    char mend[640] = "`kvctl up FILE` starts one";
    struct candor_error error;
    known_names(list, count, names, sizeof names);
    if (count > 0 && !wanted->said) {
        snprintf(mend, sizeof mend, "up: %s; name one by --cluster NAME or --topology FILE", names);
        return report_usage(ctx, mend, "which cluster?");
    }
    if (count > 0)
        snprintf(mend, sizeof mend, "up: %s; one that has a --run-dir is named by it", names);
    if (!wanted->said)
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no cluster is up here");
    else
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no cluster %s%s is up",
                         wanted->name != NULL ? "" : "of ",
                         wanted->name != NULL ? wanted->name : wanted->topology);
    return report_error(ctx, &error, mend);
}

/* `ends`: what nobody has named is ended only where it is the only one. */
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
    } else if (ends && !wanted.said && count > 1) {
        char names[512];
        char mend[640];
        known_names(list, count, names, sizeof names);
        snprintf(mend, sizeof mend, "up: %s; name one, as in `kvctl %s %s`", names,
                 context_command(ctx)->name, found->cluster);
        *status = report_usage(ctx, mend, "%zu clusters are up", count);
    } else {
        memcpy(out, found->dir, RUN_PATH_BYTES);
        good = true;
    }
cleanup:
    free(list);
    return good;
}

/* Absolute, so that what is started with it may change its directory. */
static bool given_dir(struct command_context *ctx, char out[RUN_PATH_BYTES], int *status)
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

static bool find_dir(struct command_context *ctx, const char *name, bool ends,
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
                      : given_dir(ctx, out->dir, status);
}

static bool open_found(struct command_context *ctx, bool lock, struct local_cluster *out,
                       int *status)
{
    char path[LOCAL_PATH_BYTES];
    bool there = access(inside(out, STATE_FILE, path), F_OK) == 0;
    if (there && lock && !lock_dir(ctx, out, status))
        return false;
    if (there && load_state(ctx, out, status) && out->node_count > 0)
        return true;
    local_close(out);
    if (*status == EXIT_DONE) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no cluster is up in %s",
                         out->dir);
        *status = report_error(ctx, &error, "`kvctl up FILE` starts one");
    }
    return false;
}

bool local_open(struct command_context *ctx, bool lock, struct local_cluster *out, int *status)
{
    return find_dir(ctx, NULL, false, out, status) && open_found(ctx, lock, out, status);
}

bool local_open_to_end(struct command_context *ctx, const char *name, struct local_cluster *out,
                       int *status)
{
    return find_dir(ctx, name, true, out, status) && open_found(ctx, true, out, status);
}

static bool create_dir(struct command_context *ctx, const struct topology *topology,
                       struct local_cluster *out, int *status)
{
    struct candor_error error;
    char base[RUN_PATH_BYTES];
    char logs[LOCAL_PATH_BYTES];
    if (!out->usual) {
        if (!given_dir(ctx, out->dir, status))
            return false;
    } else if (!run_base(base, &error)) {
        *status = report_error(ctx, &error, NULL);
        return false;
    } else {
        /* A cluster may be called "..": a name that begins with a dot gets a letter before it. */
        snprintf(out->dir, sizeof out->dir, "%.900s/%s%s", base,
                 topology->cluster[0] == '.' ? "_" : "", topology->cluster);
    }
    return make_dir(ctx, out->dir, status) && make_dir(ctx, inside(out, "logs", logs), status);
}

bool local_create(struct command_context *ctx, const struct topology *topology,
                  struct local_cluster *out, int *status)
{
    memset(out, 0, sizeof *out);
    out->lock_fd = -1;
    out->usual = option_text(ctx, "run-dir") == NULL;
    *status = EXIT_DONE;
    if (create_dir(ctx, topology, out, status) && lock_dir(ctx, out, status) &&
        load_state(ctx, out, status))
        return true;
    local_close(out);
    return false;
}

struct local_node *local_find_node(struct command_context *ctx, struct local_cluster *cluster,
                                   const char *id, int *status)
{
    const char *words[LIMIT_NODES + 1] = {NULL};
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        words[i] = cluster->nodes[i].id;
        if (strcmp(words[i], id) == 0)
            return &cluster->nodes[i];
    }
    char mend[128];
    const char *near = nearest_word(id, words);
    if (near != NULL)
        snprintf(mend, sizeof mend, "did you mean '%s'?", near);
    else
        snprintf(mend, sizeof mend, "`kvctl node ls` lists the nodes");
    *status = report_usage(ctx, mend, "no node '%s' in cluster %s", id, cluster->cluster);
    return NULL;
}
