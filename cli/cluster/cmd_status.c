/* kvctl status, member ls, watch-status. */
#include <stdlib.h>

#include "cli/cluster/status_repeat.h"

static int run_status(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status;
    struct node_target targets[LIMIT_NODES];
    size_t count = node_targets(ctx, targets, &status);
    if (count == 0)
        return status;
    struct status_look *look =
        status_look(targets, count, (uint32_t)context_deadline_ms(ctx, STATUS_DEADLINE_MS));
    if (context_json(ctx))
        output_json(ctx, status_json(look));
    else
        status_print(look, NULL, stdout);
    status = status_outcome(look);
    free(look);
    return status;
}

const struct command command_status = {
    .name = "status",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "Who is primary, who lags, who is cut off",
    .description =
        "Asks every node of the topology at the same time, for at most --deadline (1s), and "
        "prints a row for each, unreachable ones too.\n\n" STATUS_COLUMNS
        "\n\nExit status 5: no node answered.",
    .examples = "kvctl status\n"
                "kvctl status --node b\n"
                "kvctl status -o json | jq '.nodes[] | select(.stale)'\n",
    .min_args = 0,
    .max_args = 0,
    .run = run_status,
};

const struct command command_member_ls = {
    .name = "member ls",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "The same as `kvctl status`, by another name",
    .description = "For those who know `etcdctl member list`. `kvctl help voter` says how voters "
                   "are changed.\n\n" STATUS_COLUMNS "\n\nExit status 5: no node answered.",
    .examples = "kvctl member ls\n",
    .min_args = 0,
    .max_args = 0,
    .run = run_status,
};

/* ---- watch-status ---- */

static const struct option_spec watch_options[] = {STATUS_REPEAT_OPTIONS, {0}};

static int run_watch(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return status_repeat(ctx, NULL);
}

const struct command command_watch_status = {
    .name = "watch-status",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "The status, again and again",
    .description = "Prints what `kvctl status` prints, every --interval until ^C; on a terminal it "
                   "is drawn in place, and `kvctl top` sorts it, too. With -o json each look is "
                   "one line.",
    .examples = "kvctl watch-status\n"
                "kvctl watch-status --interval 200ms --count 50 -o json > outage.jsonl\n",
    .options = watch_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_watch,
};
