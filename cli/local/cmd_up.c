/* kvctl up, down, logs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/local/local.h"
#include "disk/disk.h"

#define UP_WAIT_MS 30000
#define DOWN_WAIT_MS 15000
#define KILL_WAIT_MS 5000

/* ---- up ---- */

static const struct option_spec up_options[] = {
    {"with-fault-proxy", 0, NULL, false,
     "Put a proxy between the nodes, so that `kvctl fault` can cut their network"},
    {"node", 'n', "NODE", true, "Start only this node; may be repeated"},
    {"wait-for", 0, "ready|fresh", false,
     "ready: until each node serves; fresh: until each is FRESH, too. Default: fresh, and with "
     "--node ready"},
    {"wait", 'w', "DURATION", false, "How long that may take; default 30s"},
    RUN_DIR_OPTION,
    {0},
};

/* What runs already does not allow it. */
__attribute__((format(printf, 3, 4))) static int
report_in_the_way(struct command_context *ctx, const char *hint, const char *format, ...)
{
    struct candor_error error = {.code = CANDOR_FAILED_PRECONDITION};
    va_list list;
    va_start(list, format);
    vsnprintf(error.message, sizeof error.message, format, list);
    va_end(list);
    return report_error(ctx, &error, hint);
}

/* The nodes of the topology, with the processes that are known of an earlier `up`. */
static bool take_nodes(struct command_context *ctx, struct local_cluster *cluster,
                       const struct topology *topology, int *status)
{
    struct local_cluster former = *cluster;
    cluster->node_count = topology->node_count;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        struct local_node *node = &cluster->nodes[i];
        *node = (struct local_node){0};
        memcpy(node->id, topology->nodes[i].id.text, sizeof node->id);
    }
    for (uint32_t i = 0; i < former.node_count; i++) {
        bool kept = false;
        for (uint32_t j = 0; j < cluster->node_count; j++) {
            if (strcmp(cluster->nodes[j].id, former.nodes[i].id) != 0)
                continue;
            cluster->nodes[j].process = former.nodes[i].process;
            kept = true;
        }
        if (!kept && process_look(&former.nodes[i].process) != PROCESS_ENDED) {
            *status = report_in_the_way(ctx, "`kvctl down` ends it",
                                        "node %s runs (pid %d) and is not in the topology any more",
                                        former.nodes[i].id, (int)former.nodes[i].process.pid);
            return false;
        }
    }
    return true;
}

static bool any_runs(const struct local_cluster *cluster)
{
    bool runs = cluster->with_proxy && process_look(&cluster->proxy) != PROCESS_ENDED;
    for (uint32_t i = 0; i < cluster->node_count && !runs; i++)
        runs = process_look(&cluster->nodes[i].process) != PROCESS_ENDED;
    return runs;
}

/* What runs already must be of the same topology, and see the network in the same way. */
static bool take_cluster(struct command_context *ctx, struct local_cluster *cluster,
                         const struct topology *topology, const char *path, int *status)
{
    bool with_proxy = option_given(ctx, "with-fault-proxy");
    char *absolute = realpath(path, NULL);
    ASSERT(absolute != NULL); /* it was loaded */
    bool runs = any_runs(cluster);
    bool good = false;
    if (runs && strcmp(cluster->topology, absolute) != 0)
        *status = report_in_the_way(ctx, "`kvctl down` ends it, or name another --run-dir",
                                    "the cluster of %s is up here", cluster->topology);
    else if (runs && cluster->with_proxy != with_proxy)
        *status =
            report_in_the_way(ctx, "`kvctl down` ends it", "this cluster is up %s fault proxy",
                              cluster->with_proxy ? "with a" : "without");
    else if (strlen(absolute) >= sizeof cluster->topology)
        *status = report_usage(ctx, NULL, "%s: the path is too long", absolute);
    else
        good = true;
    if (good) {
        cluster->with_proxy = with_proxy;
        snprintf(cluster->topology, sizeof cluster->topology, "%s", absolute);
        snprintf(cluster->cluster, sizeof cluster->cluster, "%s", topology->cluster);
        good = take_nodes(ctx, cluster, topology, status);
    }
    free(absolute);
    return good;
}

/* Those of --node, or all. */
static bool choose_nodes(struct command_context *ctx, struct local_cluster *cluster,
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

static bool none_runs(struct command_context *ctx, struct local_node *const *nodes, size_t count,
                      int *status)
{
    char list[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length + 64 < sizeof list; i++) {
        if (process_look(&nodes[i]->process) != PROCESS_ENDED)
            length +=
                (size_t)snprintf(list + length, sizeof list - length, "%s%s (pid %d)",
                                 length > 0 ? ", " : "", nodes[i]->id, (int)nodes[i]->process.pid);
    }
    if (length == 0)
        return true;
    struct candor_error error;
    candor_error_set(&error, CANDOR_ALREADY_EXISTS, CANDOR_REASON_NONE, "already up: %s", list);
    *status = report_error(ctx, &error, "`kvctl down` ends it; `kvctl node ls` shows what runs");
    return false;
}

/* The former run's log is kept beside the new one. */
static void turn_logs(const struct local_cluster *cluster, struct local_node *const *nodes,
                      size_t count)
{
    char path[LOCAL_PATH_BYTES];
    char former[LOCAL_PATH_BYTES + 2];
    for (size_t i = 0; i < count; i++) {
        local_log_path(cluster, nodes[i]->id, path);
        snprintf(former, sizeof former, "%s.1", path);
        rename(path, former);
    }
}

static void print_up(struct command_context *ctx, const struct local_cluster *cluster,
                     json_t *results, bool fresh, int status)
{
    if (context_json(ctx)) {
        json_t *proxy = cluster->with_proxy
                            ? json_pack("{s:I}", "pid", (json_int_t)cluster->proxy.pid)
                            : json_null();
        output_json(ctx, json_pack("{s:s,s:s,s:s,s:o,s:O,s:b}", "cluster", cluster->cluster,
                                   "topology", cluster->topology, "run_dir", cluster->dir,
                                   "fault_proxy", proxy, "nodes", results, "waited_until_fresh",
                                   fresh && status == EXIT_DONE));
    } else if (status == EXIT_DONE) {
        printf("%s is up: %zu node%s%s, logs in %s/logs\n", cluster->cluster,
               json_array_size(results), json_array_size(results) == 1 ? "" : "s",
               cluster->with_proxy ? " and a fault proxy" : "", cluster->dir);
    }
}

static bool waits_for_fresh(const struct command_context *ctx)
{
    const char *given = option_text(ctx, "wait-for");
    return given != NULL ? strcmp(given, "fresh") == 0 : !option_given(ctx, "node");
}

static int up(struct command_context *ctx, struct local_cluster *cluster,
              const struct topology *topology, uint64_t wait_ms)
{
    bool fresh = waits_for_fresh(ctx);
    uint64_t until_ns = clock_boot_ns() + wait_ms * NS_PER_MS;
    struct local_node *chosen[LIMIT_NODES];
    size_t count;
    int status = EXIT_DONE;
    if (!choose_nodes(ctx, cluster, chosen, &count, &status) ||
        !none_runs(ctx, chosen, count, &status))
        return status;
    json_t *results = json_array();
    turn_logs(cluster, chosen, count);
    if (cluster->with_proxy && process_look(&cluster->proxy) == PROCESS_ENDED)
        status = local_start_proxy(ctx, cluster, wait_ms);
    if (status == EXIT_DONE)
        status = local_start(ctx, cluster, chosen, count, wait_ms, results);
    if (status == EXIT_DONE && fresh)
        status = local_wait_fresh(ctx, topology, chosen, count, until_ns);
    /* nothing is up */
    if (status != EXIT_DONE && !any_runs(cluster))
        local_remove(cluster);
    print_up(ctx, cluster, results, fresh, status);
    json_decref(results);
    return status;
}

static int run_up(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    uint64_t wait_ms = UP_WAIT_MS;
    struct candor_error error;
    struct topology *topology = calloc(1, sizeof *topology);
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(topology != NULL && cluster != NULL);
    cluster->lock_fd = -1;
    interrupt_begin();
    if (!option_duration_ms(ctx, "wait", &wait_ms)) {
        status = EXIT_USAGE;
        goto cleanup;
    }
    if (!local_load_topology(ctx, argv[0], topology, &status) ||
        !local_create(ctx, topology, cluster, &status) ||
        !take_cluster(ctx, cluster, topology, argv[0], &status))
        goto cleanup;
    status = up(ctx, cluster, topology, wait_ms);
    bool started = status != EXIT_USAGE && status != EXIT_CONFLICT && any_runs(cluster);
    if (started && cluster->usual && !run_remember_topology(cluster->topology, &error))
        status = report_error(ctx, &error, NULL);
cleanup:
    interrupt_end();
    local_close(cluster);
    free(cluster);
    free(topology);
    return status;
}

const struct command command_up = {
    .name = "up",
    .group = GROUP_LOCAL,
    .args = "FILE",
    .summary = "Start all nodes of a topology on this machine",
    .description =
        "For development: starts a kvd for each node, detached, and waits until there is a primary "
        "and every node is FRESH: a read at any of them then is. Logs and processes are kept in "
        "the run directory; other commands then find the topology by themselves, unless --run-dir "
        "is given. Exit status 5: they were started, and are not FRESH in time.\n\n"
        "With --with-fault-proxy the nodes reach each other through a proxy that `kvctl fault` "
        "can order to lose packets; clients still reach every node directly. A node that does not "
        "start is reported with the end of its log; the others stay up.",
    .examples = "kvctl up examples/topologies/three.yaml\n"
                "kvctl up three.yaml --with-fault-proxy\tthen: kvctl fault cut a b\n"
                "kvctl up three.yaml --node a --node b\tc stays away\n",
    .options = up_options,
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_up,
};

/* ---- down ---- */

static const struct option_spec down_options[] = {
    {"node", 'n', "NODE", true, "End only this node; may be repeated"},
    {"kill", 0, NULL, false, "Kill at once, as a crash would, instead of a clean shutdown"},
    {"wait", 'w', "DURATION", false, "How long a node may take to end; default 15s"},
    CLUSTER_OPTIONS,
    {0},
};

/* How one process ended. */
struct ending {
    const char *name;
    struct process *process;
    bool was_there;
    bool ended;
    int pid;
};

/* SIGCONT follows: a paused process could not end. */
static void tell(struct command_context *ctx, struct ending *one, bool kill_it, int *status)
{
    struct candor_error error;
    one->pid = (int)one->process->pid;
    one->was_there = process_signal(one->process, kill_it ? SIGKILL : SIGTERM, &error);
    if (error.code != CANDOR_OK)
        *status = report_error(ctx, &error, NULL);
    else if (one->was_there && !kill_it)
        process_signal(one->process, SIGCONT, &error);
}

static json_t *ending_json(const struct ending *one)
{
    char exit[PROCESS_EXIT_TEXT_BYTES];
    process_exit_text(one->process, exit);
    return json_pack("{s:s,s:i,s:b,s:b,s:o}", "node", one->name, "pid", one->pid, "was_running",
                     one->was_there, "ended", one->ended, "exit",
                     exit[0] != '\0' ? json_string(exit) : json_null());
}

static int finish(struct command_context *ctx, struct ending *one, uint64_t until_ns,
                  json_t *results)
{
    int status = EXIT_DONE;
    char exit[PROCESS_EXIT_TEXT_BYTES];
    one->ended = process_wait_end(one->process, until_ns);
    process_exit_text(one->process, exit);
    json_array_append_new(results, ending_json(one));
    if (!one->ended) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                         "%s (pid %d) has not ended yet", one->name, one->pid);
        return report_error(ctx, &error, "wait for it, or end it by --kill");
    }
    if (!context_json(ctx) && one->pid != 0)
        printf("%s %s%s%s\n", one->name, one->was_there ? "has ended" : "had ended before",
               exit[0] != '\0' ? ": " : "", exit);
    *one->process = (struct process){0};
    return status;
}

static int end_all(struct command_context *ctx, struct ending *list, size_t count, uint64_t wait_ms,
                   json_t *results)
{
    int status = EXIT_DONE;
    bool kill_it = option_given(ctx, "kill");
    for (size_t i = 0; i < count; i++)
        tell(ctx, &list[i], kill_it, &status);
    uint64_t until_ns = clock_boot_ns() + wait_ms * NS_PER_MS;
    for (size_t i = 0; i < count; i++) {
        int one = finish(ctx, &list[i], until_ns, results);
        status = status == EXIT_DONE ? one : status;
    }
    return status;
}

static int down(struct command_context *ctx, struct local_cluster *cluster, uint64_t wait_ms)
{
    struct local_node *chosen[LIMIT_NODES];
    struct ending list[LIMIT_NODES] = {{0}};
    size_t count;
    int status = EXIT_DONE;
    int saved = EXIT_DONE;
    if (!choose_nodes(ctx, cluster, chosen, &count, &status))
        return status;
    for (size_t i = 0; i < count; i++)
        list[i] = (struct ending){.name = chosen[i]->id, .process = &chosen[i]->process};
    json_t *results = json_array();
    status = end_all(ctx, list, count, wait_ms, results);
    bool all = option_count(ctx, "node") == 0 && status == EXIT_DONE;
    if (all && cluster->with_proxy) {
        struct ending proxy = {.name = "the fault proxy", .process = &cluster->proxy};
        json_t *unlisted = json_array();
        status = end_all(ctx, &proxy, 1, wait_ms, unlisted);
        json_decref(unlisted);
    }
    if (all && status == EXIT_DONE)
        local_remove(cluster);
    else if (!local_save(ctx, cluster, &saved))
        status = saved;
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s,s:s,s:O}", "cluster", cluster->cluster, "run_dir",
                                   cluster->dir, "nodes", results));
    json_decref(results);
    return status;
}

static int run_down(struct command_context *ctx, int argc, char **argv)
{
    int status;
    uint64_t wait_ms = option_given(ctx, "kill") ? KILL_WAIT_MS : DOWN_WAIT_MS;
    if (!option_duration_ms(ctx, "wait", &wait_ms))
        return EXIT_USAGE;
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL);
    interrupt_begin();
    if (local_open_to_end(ctx, argc > 0 ? argv[0] : NULL, cluster, &status)) {
        status = down(ctx, cluster, wait_ms);
        local_close(cluster);
    }
    interrupt_end();
    free(cluster);
    return status;
}

const struct command command_down = {
    .name = "down",
    .group = GROUP_LOCAL,
    .args = "[CLUSTER]",
    .summary = "End what `kvctl up` started",
    .description =
        "Asks each node to shut down cleanly, and waits. Only processes that `kvctl up` or `kvctl "
        "node start` started are ended: a pid that the system has given to another process since "
        "is left alone. Data directories and logs stay.\n\n"
        "Without CLUSTER and without options that name one, it ends the cluster that was started "
        "last, and only when no other is up.",
    .examples = "kvctl down\nkvctl down shop\tthe cluster of this name, of several\n"
                "kvctl down --topology shop.yaml\n"
                "kvctl down --node c\tthe others stay up\n"
                "kvctl down --kill\tas a power failure of the processes would\n",
    .options = down_options,
    .local = true,
    .careful = true,
    .min_args = 0,
    .max_args = 1,
    .run = run_down,
};

/* ---- logs ---- */

static const struct option_spec logs_options[] = {
    {"follow", 'f', NULL, false, "Go on printing what is logged, until ^C"},
    {"lines", 0, "NUMBER", false, "Only this many of the last lines"},
    {"fault-proxy", 0, NULL, false, "The log of the fault proxy instead of a node's"},
    CLUSTER_OPTIONS,
    {0},
};

/* Where the last `lines` lines begin. */
static off_t find_tail(int fd, uint64_t lines)
{
    char block[4096];
    off_t at = lseek(fd, 0, SEEK_END);
    off_t end = at;
    while (at > 0) {
        off_t from = at > (off_t)sizeof block ? at - (off_t)sizeof block : 0;
        size_t got = 0;
        (void)disk_read(fd, block, (size_t)(at - from), (uint64_t)from, &got);
        for (off_t i = (off_t)got - 1; i >= 0; i--) {
            if (block[i] == '\n' && from + i + 1 < end && lines-- == 1)
                return from + i + 1;
        }
        at = got > 0 ? from : 0;
    }
    return 0;
}

static bool copy_rest(int fd)
{
    char block[65536];
    ssize_t got;
    while ((got = read(fd, block, sizeof block)) > 0) {
        if (fwrite(block, 1, (size_t)got, stdout) != (size_t)got)
            return false;
    }
    return fflush(stdout) == 0 && got == 0;
}

static bool same_file(int fd, const char *path)
{
    struct stat open_one;
    struct stat named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev &&
           named.st_size >= lseek(fd, 0, SEEK_CUR);
}

/* A node that is started by another `up` writes a new file of the same name. */
static void follow(int *fd, const char *path, const char *dir)
{
    char events[4096];
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch >= 0)
        inotify_add_watch(watch, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    while (!interrupt_seen() && copy_rest(*fd)) {
        struct pollfd wait = {.fd = watch, .events = POLLIN};
        if (!same_file(*fd, path)) {
            int other = open(path, O_RDONLY | O_CLOEXEC);
            if (other >= 0) {
                close(*fd);
                *fd = other;
                continue;
            }
        }
        poll(&wait, 1, 1000);
        ssize_t ignored = read(watch, events, sizeof events);
        (void)ignored;
    }
    if (watch >= 0)
        close(watch);
}

/* A line; what is not UTF-8 has question marks in the place of its bytes. */
static json_t *line_json(char *line, size_t length)
{
    json_t *text = json_stringn(line, length);
    for (size_t i = 0; text == NULL && i < length; i++) {
        if ((unsigned char)line[i] >= 0x80)
            line[i] = '?';
    }
    return text != NULL ? text : json_stringn(line, length);
}

/* What is left of the file, as a list of lines. */
static json_t *rest_json(int fd)
{
    json_t *lines = json_array();
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *file = fdopen(dup(fd), "r");
    while (file != NULL && (length = getline(&line, &room, file)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            length--;
        json_array_append_new(lines, line_json(line, (size_t)length));
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return lines;
}

static int print_log(struct command_context *ctx, const char *path, uint64_t lines)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "%s: %s", path,
                         strerror(errno));
        return report_error(ctx, &error, "`kvctl node ls` lists the nodes");
    }
    lseek(fd, lines > 0 ? find_tail(fd, lines) : 0, SEEK_SET);
    if (context_json(ctx)) {
        output_json(ctx, json_pack("{s:s,s:o}", "log", path, "lines", rest_json(fd)));
    } else if (option_given(ctx, "follow")) {
        char dir[LOCAL_PATH_BYTES];
        snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
        interrupt_begin();
        follow(&fd, path, dir);
        interrupt_end();
    } else {
        copy_rest(fd);
    }
    close(fd);
    return EXIT_DONE;
}

static int run_logs(struct command_context *ctx, int argc, char **argv)
{
    int status = EXIT_DONE;
    uint64_t lines = 0;
    char path[LOCAL_PATH_BYTES];
    bool proxy = option_given(ctx, "fault-proxy");
    if (!option_number(ctx, "lines", 1, UINT32_MAX, &lines))
        return EXIT_USAGE;
    if (proxy && argc == 1)
        return report_usage(ctx, "give one of them", "both a NODE and --fault-proxy are given");
    if (!proxy && argc == 0)
        return report_usage(ctx, "usage: kvctl logs NODE, as in `kvctl logs b`", "missing NODE");
    if (option_given(ctx, "follow") && context_json(ctx))
        return report_usage(ctx, "leave one of them out",
                            "--follow prints text, and -o json one document");
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL);
    if (local_open(ctx, false, cluster, &status)) {
        if (proxy) {
            status = print_log(ctx, local_proxy_log_path(cluster, path), lines);
        } else {
            const struct local_node *node = local_find_node(ctx, cluster, argv[0], &status);
            if (node != NULL)
                status = print_log(ctx, local_log_path(cluster, node->id, path), lines);
        }
        local_close(cluster);
    }
    free(cluster);
    return status;
}

const struct command command_logs = {
    .name = "logs",
    .group = GROUP_LOCAL,
    .args = "[NODE]",
    .summary = "Print the log of a node that `kvctl up` started",
    .description = "Prints what the node has logged since it was last brought up; the log of the "
                   "run before is beside it, as NODE.log.1.",
    .examples = "kvctl logs b --lines 20\nkvctl logs b -f\tand whatever is logged from now on\n",
    .options = logs_options,
    .local = true,
    .min_args = 0,
    .max_args = 1,
    .run = run_logs,
};
