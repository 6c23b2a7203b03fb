/* kvctl down. */
#include <signal.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/local/local.h"

#define DOWN_WAIT_MS 15000
#define KILL_WAIT_MS 5000

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
    if (!local_choose_nodes(ctx, cluster, chosen, &count, &status))
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
