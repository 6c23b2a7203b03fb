/* What the run directory of a cluster holds, and where. */
#include "cli/local/local_cluster.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* ---- Paths ---- */

char *local_log_path(const struct local_cluster *cluster, const char *id,
                     char out[LOCAL_PATH_BYTES])
{
    snprintf(out, LOCAL_PATH_BYTES, "%s/logs/%s.log", cluster->dir, id);
    return out;
}

char *local_proxy_log_path(const struct local_cluster *cluster, char out[LOCAL_PATH_BYTES])
{
    snprintf(out, LOCAL_PATH_BYTES, "%s/fault-proxy.log", cluster->dir);
    return out;
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

/* ---- The state file ---- */

static bool read_process(const json_t *value, struct process *out)
{
    json_int_t pid = json_integer_value(json_object_get(value, "pid"));
    json_int_t ticks = json_integer_value(json_object_get(value, "start_ticks"));
    if (pid < 0 || pid > INT32_MAX || ticks < 0)
        return false;
    *out = (struct process){.pid = (pid_t)pid, .start_ticks = (uint64_t)ticks};
    return true;
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

bool local_read_state(const json_t *state, struct local_cluster *out)
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

bool local_is_live(const struct local_cluster *cluster)
{
    bool live = cluster->with_proxy && process_look(&cluster->proxy) != PROCESS_ENDED;
    for (uint32_t i = 0; i < cluster->node_count; i++)
        live = live || process_look(&cluster->nodes[i].process) != PROCESS_ENDED;
    return live;
}
