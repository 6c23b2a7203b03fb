/* Starting nodes and the fault proxy, and waiting for their `ready` lines. */
#include "cli/local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/frame/node_call.h"
#include "disk/disk.h"

#define TAIL_BYTES 4096
#define TAIL_LINES 12
#define LOOK_MS 10        /* how often logs are looked at for `ready` */
#define FRESH_ASK_MS 1000 /* a node that does not answer in it counts as not FRESH */
#define FRESH_LOOK_MS 20  /* between two questions */

/* ---- Programs ---- */

static bool own_path(char out[LOCAL_PATH_BYTES])
{
    ssize_t length = readlink("/proc/self/exe", out, LOCAL_PATH_BYTES - 1);
    out[length > 0 ? length : 0] = '\0';
    return length > 0;
}

bool local_find_kvd(struct command_context *ctx, char out[LOCAL_PATH_BYTES], int *status)
{
    static const char name[] = "kvd";
    char *slash = own_path(out) ? strrchr(out, '/') : NULL;
    if (slash != NULL && (size_t)(slash + 1 - out) + sizeof name <= LOCAL_PATH_BYTES) {
        memcpy(slash + 1, name, sizeof name);
        if (access(out, X_OK) == 0)
            return true;
    }
    *status = report_usage(ctx, "install kvd beside kvctl", "%s: %s", out, strerror(errno));
    return false;
}

/* ---- Logs ---- */

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Bytes of a file from `offset` on, `room` at most; terminated. */
static size_t read_at(const char *path, off_t offset, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    if (fd >= 0) {
        (void)disk_read(fd, out, room - 1, (uint64_t)offset, &got);
        close(fd);
    }
    out[got] = '\0';
    return got;
}

static void print_tail(const char *path, off_t since)
{
    char text[TAIL_BYTES];
    off_t end = size_of(path);
    off_t from = end - since > TAIL_BYTES - 1 ? end - (TAIL_BYTES - 1) : since;
    size_t length = read_at(path, from, text, sizeof text);
    char *begin = text;
    int lines = 0;
    for (char *p = text + length; p > text && lines <= TAIL_LINES; p--) {
        if (p[-1] == '\n' && p != text + length && ++lines > TAIL_LINES - 1)
            begin = p;
    }
    for (char *line = strtok(begin, "\n"); line != NULL; line = strtok(NULL, "\n"))
        fprintf(stderr, "  | %s\n", line);
}

/* ---- Waiting ---- */

/* A process on its way up. */
struct starting {
    const char *name; /* for people */
    struct process *process;
    char log[LOCAL_PATH_BYTES];
    off_t began;   /* where this run's log begins */
    off_t scanned; /* lines before it are not the ready line */
    bool ready;
    bool ended;
    uint64_t took_ms;
};

/* `ready ...` as a whole line, of what was logged since the last look. */
static bool look_for_ready(struct starting *one)
{
    char text[65536];
    size_t length;
    while ((length = read_at(one->log, one->scanned, text, sizeof text)) > 0) {
        char *line = text;
        for (char *end; (end = memchr(line, '\n', length - (size_t)(line - text))) != NULL;
             line = end + 1) {
            if (strncmp(line, "ready ", 6) == 0)
                return true;
        }
        size_t whole = (size_t)(line - text);
        /* the rest of the line comes later */
        if (whole == 0 && length < sizeof text - 1)
            return false;
        one->scanned += (off_t)(whole > 0 ? whole : length);
    }
    return false;
}

static bool settle(struct command_context *ctx, struct starting *one, uint64_t began_ns)
{
    /* looked at first: its last words count */
    bool ended = process_look(one->process) == PROCESS_ENDED;
    one->ready = look_for_ready(one) && !ended;
    one->ended = ended;
    if (!one->ready && !one->ended)
        return false;
    one->took_ms = (clock_boot_ns() - began_ns) / NS_PER_MS;
    char age[AGE_TEXT_BYTES];
    if (one->ready)
        output_note(ctx, "%s is ready (pid %d, %s)", one->name, (int)one->process->pid,
                    age_text(one->took_ms, age));
    return true;
}

static void wait_ready(struct command_context *ctx, struct starting *list, size_t count,
                       uint64_t wait_ms)
{
    uint64_t began_ns = clock_boot_ns();
    uint64_t until_ns = began_ns + wait_ms * NS_PER_MS;
    size_t left = count;
    while (left > 0 && !interrupt_seen()) {
        for (size_t i = 0; i < count; i++) {
            if (!list[i].ready && !list[i].ended)
                left -= settle(ctx, &list[i], began_ns);
        }
        if (clock_boot_ns() >= until_ns)
            return;
        if (left > 0)
            poll(NULL, 0, LOOK_MS);
    }
}

static int report_failure(struct command_context *ctx, const struct starting *one, uint64_t wait_ms)
{
    struct candor_error error;
    char exit[PROCESS_EXIT_TEXT_BYTES];
    char age[AGE_TEXT_BYTES];
    char hint[LOCAL_PATH_BYTES + 32];
    int status;
    snprintf(hint, sizeof hint, "its log is %s", one->log);
    process_exit_text(one->process, exit);
    if (one->ended)
        candor_error_set(&error, CANDOR_UNKNOWN, CANDOR_REASON_NONE, "%s did not start%s%s%s",
                         one->name, exit[0] != '\0' ? " (" : "", exit, exit[0] != '\0' ? ")" : "");
    else if (interrupt_seen())
        candor_error_set(&error, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                         "interrupted; %s is not ready yet", one->name);
    else
        candor_error_set(&error, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                         "%s is not ready after %s", one->name, age_text(wait_ms, age));
    status = report_error(ctx, &error, hint);
    if (!context_json(ctx))
        print_tail(one->log, one->began);
    return status;
}

static int report_failures(struct command_context *ctx, const struct starting *list, size_t count,
                           uint64_t wait_ms)
{
    int status = EXIT_DONE;
    for (size_t i = 0; i < count; i++) {
        if (list[i].ready)
            continue;
        int one = report_failure(ctx, &list[i], wait_ms);
        status = status == EXIT_DONE ? one : status;
    }
    return status;
}

/* ---- Nodes ---- */

static bool start_node(struct command_context *ctx, struct local_cluster *cluster, char *kvd,
                       struct local_node *node, struct starting *out, int *status)
{
    char topology[LOCAL_PATH_BYTES];
    struct candor_error error;
    char flag_topology[] = "--topology";
    char flag_node[] = "--node";
    char *argv[] = {kvd,       flag_topology, local_topology_path(cluster, node->id, topology),
                    flag_node, node->id,      NULL};
    *out = (struct starting){.name = node->id, .process = &node->process};
    local_log_path(cluster, node->id, out->log);
    out->began = out->scanned = size_of(out->log);
    if (process_start(argv, out->log, &node->process, &error) != CANDOR_OK) {
        *status = report_error(ctx, &error, NULL);
        return false;
    }
    return local_save(ctx, cluster, status); /* at once: whatever happens, `kvctl down` finds it */
}

static void add_result(json_t *results, const struct starting *one)
{
    char exit[PROCESS_EXIT_TEXT_BYTES];
    process_exit_text(one->process, exit);
    json_t *out = json_pack("{s:s,s:I,s:s,s:s}", "node", one->name, "pid",
                            (json_int_t)one->process->pid, "state",
                            one->ready   ? "ready"
                            : one->ended ? "ended"
                                         : "starting",
                            "log", one->log);
    json_object_set_new(out, "exit", exit[0] != '\0' ? json_string(exit) : json_null());
    json_object_set_new(out, "took_ms", json_u64(one->took_ms));
    json_array_append_new(results, out);
}

int local_start(struct command_context *ctx, struct local_cluster *cluster,
                struct local_node **nodes, size_t count, uint64_t wait_ms, json_t *results)
{
    char kvd[LOCAL_PATH_BYTES];
    int status = EXIT_DONE;
    struct starting *list = calloc(LIMIT_NODES, sizeof *list);
    ASSERT(list != NULL && count <= LIMIT_NODES);
    size_t started = 0;
    if (!local_find_kvd(ctx, kvd, &status))
        goto cleanup;
    while (started < count &&
           start_node(ctx, cluster, kvd, nodes[started], &list[started], &status))
        started++;
    wait_ready(ctx, list, started, wait_ms);
    int failed = report_failures(ctx, list, started, wait_ms);
    status = status == EXIT_DONE ? failed : status;
    for (size_t i = 0; i < started; i++)
        add_result(results, &list[i]);
cleanup:
    free(list);
    return status;
}

/* ---- Being FRESH ---- */

static const char *rpc_of(const struct topology *topology, const char *id)
{
    for (uint32_t i = 0; i < topology->node_count; i++)
        if (strcmp(topology->nodes[i].id.text, id) == 0)
            return topology->nodes[i].rpc;
    return NULL;
}

static bool is_fresh(const struct node_row *row)
{
    return row->result.error.code == CANDOR_OK && row->result.has_freshness &&
           row->result.freshness.state == CANDOR_STATE_FRESH;
}

/* Time alone does not help: an operator must decide, or the process is gone. */
static bool is_stuck(const struct node_row *row, const struct local_node *node)
{
    enum candor_state state = row->result.freshness.state;
    return process_look(&node->process) == PROCESS_ENDED ||
           (row->result.has_freshness &&
            (state == CANDOR_STATE_FORKED || state == CANDOR_STATE_DOUBTFUL));
}

static int report_not_fresh(struct command_context *ctx, const struct node_row *row,
                            const struct local_node *node)
{
    struct candor_error error;
    bool ended = process_look(&node->process) == PROCESS_ENDED;
    const char *state = ended                       ? "not running any more"
                        : row->result.has_freshness ? candor_state_name(row->result.freshness.state)
                                                    : "silent";
    bool primary = row->status.primary[0] != '\0';
    candor_error_set(&error, interrupt_seen() ? CANDOR_CANCELLED : CANDOR_DEADLINE_EXCEEDED,
                     CANDOR_REASON_NONE, "%s%s is up and not FRESH: it is %s%s",
                     interrupt_seen() ? "interrupted; " : "", node->id, state,
                     ended || primary || !row->result.has_freshness ? "" : " and knows no primary");
    return report_error(ctx, &error,
                        "`kvctl status` and `kvctl logs` say why; --wait-for ready waits for less");
}

/* Asks all of them. `*odd`: one that is not FRESH, a stuck one first; count: all are. */
static bool look_if_fresh(const struct node_target *targets, struct local_node *const *nodes,
                          size_t count, struct node_row *rows, size_t *odd)
{
    node_rows(targets, count, FRESH_ASK_MS, rows);
    *odd = count;
    for (size_t i = 0; i < count; i++) {
        if (is_fresh(&rows[i]))
            continue;
        *odd = *odd == count ? i : *odd;
        if (is_stuck(&rows[i], nodes[i])) {
            *odd = i;
            return true;
        }
    }
    return false;
}

int local_wait_fresh(struct command_context *ctx, const struct topology *topology,
                     struct local_node *const *nodes, size_t count, uint64_t until_ns)
{
    struct node_target targets[LIMIT_NODES];
    memset(targets, 0, sizeof targets);
    size_t odd = 0;
    struct node_row *rows = calloc(LIMIT_NODES, sizeof *rows);
    ASSERT(rows != NULL && count <= LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        snprintf(targets[i].id, sizeof targets[i].id, "%s", nodes[i]->id);
        snprintf(targets[i].address, sizeof targets[i].address, "%s",
                 rpc_of(topology, nodes[i]->id));
    }
    while (!look_if_fresh(targets, nodes, count, rows, &odd) && odd < count && !interrupt_seen() &&
           clock_boot_ns() < until_ns)
        poll(NULL, 0, FRESH_LOOK_MS);
    int status = odd < count ? report_not_fresh(ctx, &rows[odd], nodes[odd]) : EXIT_DONE;
    free(rows);
    return status;
}

/* ---- The fault proxy ---- */

int local_start_proxy(struct command_context *ctx, struct local_cluster *cluster, uint64_t wait_ms)
{
    char own[LOCAL_PATH_BYTES];
    char fault[] = "fault";
    char proxy[] = "proxy";
    char flag[] = "--run-dir";
    char *argv[] = {own, fault, proxy, cluster->topology, flag, cluster->dir, NULL};
    struct candor_error error;
    int status = EXIT_DONE;
    struct starting *one = calloc(1, sizeof *one);
    ASSERT(one != NULL);
    one->name = "the fault proxy";
    one->process = &cluster->proxy;
    local_proxy_log_path(cluster, one->log);
    unlink(one->log);
    if (!own_path(own))
        status = report_usage(ctx, NULL, "/proc/self/exe: %s", strerror(errno));
    else if (process_start(argv, one->log, &cluster->proxy, &error) != CANDOR_OK)
        status = report_error(ctx, &error, NULL);
    else if (local_save(ctx, cluster, &status)) {
        wait_ready(ctx, one, 1, wait_ms);
        status = report_failures(ctx, one, 1, wait_ms);
    }
    free(one);
    return status;
}
