/* A cluster of this machine: its directory opened, locked, and saved. */
#include "cli/local/local.h"

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

/* ---- Paths ---- */

static char *inside(const struct local_cluster *cluster, const char *name,
                    char out[LOCAL_PATH_BYTES])
{
    snprintf(out, LOCAL_PATH_BYTES, "%s/%s", cluster->dir, name);
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
    *status = report_usage(ctx, topology_hint(code), "%s",
                           error.message[0] != '\0' ? error.message : path);
    return false;
}

/* ---- The state file ---- */

static json_t *process_json(const struct process *process)
{
    return json_pack("{s:I,s:I}", "pid", (json_int_t)process->pid, "start_ticks",
                     (json_int_t)process->start_ticks);
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

/* False after a report; a file that is missing leaves node_count 0. */
static bool load_state(struct command_context *ctx, struct local_cluster *cluster, int *status)
{
    char path[LOCAL_PATH_BYTES];
    size_t length = 0;
    if (access(inside(cluster, LOCAL_STATE_FILE, path), F_OK) != 0 && errno == ENOENT)
        return true;
    uint8_t *bytes = read_whole_file(ctx, path, LIMIT_RUN_STATE_BYTES, &length, status);
    if (bytes == NULL)
        return false;
    json_t *state = json_loadb((const char *)bytes, length, 0, NULL);
    bool good = local_read_state(state, cluster);
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
    enum candor_code code = disk_replace_shared(inside(cluster, LOCAL_STATE_FILE, path),
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
    unlink(inside(cluster, LOCAL_STATE_FILE, path));
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

/* ---- Opening ---- */

static bool open_found(struct command_context *ctx, bool lock, struct local_cluster *out,
                       int *status)
{
    char path[LOCAL_PATH_BYTES];
    bool there = access(inside(out, LOCAL_STATE_FILE, path), F_OK) == 0;
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
    return local_find_dir(ctx, NULL, false, out, status) && open_found(ctx, lock, out, status);
}

bool local_open_to_end(struct command_context *ctx, const char *name, struct local_cluster *out,
                       int *status)
{
    return local_find_dir(ctx, name, true, out, status) && open_found(ctx, true, out, status);
}

static bool create_dir(struct command_context *ctx, const struct topology *topology,
                       struct local_cluster *out, int *status)
{
    struct candor_error error;
    char base[RUN_PATH_BYTES];
    char logs[LOCAL_PATH_BYTES];
    if (!out->usual) {
        if (!local_given_dir(ctx, out->dir, status))
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
    char hint[128];
    const char *near = nearest_word(id, words);
    if (near != NULL)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    else
        snprintf(hint, sizeof hint, "`kvctl node ls` lists the nodes");
    *status = report_usage(ctx, hint, "no node '%s' in cluster %s", id, cluster->cluster);
    return NULL;
}

bool local_choose_nodes(struct command_context *ctx, struct local_cluster *cluster,
                        struct local_node *chosen[LIMIT_NODES], size_t *count, int *status)
{
    size_t given = option_count(ctx, "node");
    *count = 0;
    for (uint32_t i = 0; given == 0 && i < cluster->node_count; i++)
        chosen[(*count)++] = &cluster->nodes[i];
    for (size_t i = 0; i < given; i++) {
        struct local_node *node = local_find_node(ctx, cluster, option_nth(ctx, "node", i), status);
        if (node == NULL)
            return false;
        bool twice = false;
        for (size_t j = 0; j < *count; j++)
            twice = twice || chosen[j] == node;
        if (!twice)
            chosen[(*count)++] = node;
    }
    return true;
}
