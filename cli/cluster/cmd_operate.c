/* kvctl promote, accept-history. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/cluster/forecast.h"
#include "cli/frame/message.h"
#include "cli/frame/node_call.h"

#define PROMOTE_DEADLINE_MS 10000
#define KEYS_SHOWN 10

static const struct option_spec promote_options[] = {
    {"force", 0, NULL, false,
     "Without votes: acknowledged writes of the other side will be archived"},
    {"dry-run", 0, NULL, false, "Show what would be at risk, and do nothing"},
    {"yes", 'y', NULL, false, "Do not ask"},
    {0},
};

/* False after a report: --node would be dropped. */
static bool asks_only_named(struct command_context *ctx, const char *node)
{
    if (!option_given(ctx, "node"))
        return true;
    report_usage(ctx, "leave it out", "--node does not go with %s: %s itself is asked",
                 context_command(ctx)->name, node);
    return false;
}

static int show_forecast(struct command_context *ctx, const char *node)
{
    int status = EXIT_OTHER;
    struct forecast forecast;
    if (!forecast_make(ctx, node, context_json(ctx) ? 0 : KEYS_SHOWN, &forecast, &status))
        return status;
    if (context_json(ctx))
        output_json(ctx, forecast_json(&forecast, node));
    else
        forecast_print(&forecast, node, stdout);
    bool safe = forecast.target != NULL && forecast.primary == forecast.target;
    bool known = forecast.target != NULL && (safe || forecast.at_risk != NULL);
    forecast_free(&forecast);
    return known ? EXIT_DONE : EXIT_UNAVAILABLE;
}

static bool confirm_force(struct command_context *ctx, const char *node, int *status)
{
    struct forecast forecast;
    char question[160];
    *status = EXIT_OTHER;
    if (!forecast_make(ctx, node, KEYS_SHOWN, &forecast, status))
        return false;
    if (!context_json(ctx) && !context_quiet(ctx))
        forecast_print(&forecast, node, stderr);
    forecast_free(&forecast);
    snprintf(question, sizeof question,
             "Make %s the primary of a new generation, although nobody voted for it?", node);
    return command_confirm(ctx, option_given(ctx, "yes"), question, status);
}

static int report_refused(struct command_context *ctx, const char *node,
                          const struct candor_result *result)
{
    char hint[160];
    snprintf(
        hint, sizeof hint,
        "`kvctl transfer %s` hands over from a primary that answers; `kvctl help promote` says "
        "what --force costs",
        node);
    bool votes = result->error.reason == CANDOR_REASON_NO_MAJORITY;
    return report_result(ctx, &result->error, result, votes ? hint : NULL);
}

static int send_promote(struct command_context *ctx, const struct node_target *target, bool force)
{
    struct candor_result result;
    Candor__V1__PromoteRequest request = CANDOR__V1__PROMOTE_REQUEST__INIT;
    request.force = force;
    ProtobufCMessage *message =
        node_call(target->address, "/candor.v1.Cluster/Promote", &request.base,
                  &candor__v1__promote_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, PROMOTE_DEADLINE_MS), &result);
    if (message == NULL)
        return report_refused(ctx, target->id, &result);
    struct candor_epoch epoch;
    message_epoch(((Candor__V1__PromoteResponse *)message)->epoch, &epoch);
    protobuf_c_message_free_unpacked(message, NULL);
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "node", json_string(target->id));
        json_object_set_new(out, "epoch", json_u64(epoch.term));
        json_object_set_new(out, "generation", json_u64(epoch.generation));
        json_object_set_new(out, "owner", json_string(epoch.owner.text));
        output_json(ctx, out);
    } else {
        printf("%s is the primary of epoch %" PRIu64 " (generation %" PRIu64 ")\n", target->id,
               epoch.term, epoch.generation);
    }
    return EXIT_DONE;
}

static int run_promote(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct node_target target;
    bool force = option_given(ctx, "force");
    if (!asks_only_named(ctx, argv[0]))
        return EXIT_USAGE;
    if (!node_target_named(ctx, argv[0], &target, &status))
        return status;
    if (option_given(ctx, "dry-run"))
        return show_forecast(ctx, argv[0]);
    if (force && !confirm_force(ctx, argv[0], &status))
        return status;
    return send_promote(ctx, &target, force);
}

const struct command command_promote = {
    .name = "promote",
    .group = GROUP_OPERATE,
    .args = "NODE",
    .summary = "Make a node the primary",
    .description =
        "Opens a new epoch with NODE as its primary, by a vote: it needs a majority of the "
        "voters, and no committed write is lost. Voters that hear a primary do not vote: while "
        "one leads, `kvctl transfer NODE` is the way.\n\n--force needs no votes, for when the "
        "majority is gone, and can discard committed writes. What the other side "
        "acknowledged and NODE does not hold is archived when that side comes back (`kvctl "
        "rollback ls`). Nodes that hold other committed records become FORKED until `kvctl "
        "accept-history`. kvctl first shows what is known to be at risk, and "
        "asks.\n\n--dry-run shows this and does nothing: how many acknowledged LOCAL writes "
        "NODE lacks, of how many clients, their keys and the age of the oldest, counted in "
        "the log of the primary. If the primary does not answer, they are counted in the "
        "newest log of the others; what the primary alone holds is not known then. Exit status "
        "5: NODE does not answer, or nobody that could count.",
    .examples = "kvctl promote b\n"
                "kvctl promote b --dry-run\twhat it would cost\n"
                "kvctl promote b --force --yes\tfrom a script\n",
    .options = promote_options,
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_promote,
};

/* ---- accept-history ---- */

static const struct option_spec accept_options[] = {{"yes", 'y', NULL, false, "Do not ask"}, {0}};

static int run_accept(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct node_target target;
    struct candor_result result;
    char question[160];
    if (!asks_only_named(ctx, argv[0]))
        return EXIT_USAGE;
    if (!node_target_named(ctx, argv[0], &target, &status))
        return status;
    snprintf(question, sizeof question,
             "Archive what %s holds beyond the common history, and join the one that won?",
             argv[0]);
    if (!command_confirm(ctx, option_given(ctx, "yes"), question, &status))
        return status;
    Candor__V1__AcceptHistoryRequest request = CANDOR__V1__ACCEPT_HISTORY_REQUEST__INIT;
    ProtobufCMessage *message =
        node_call(target.address, "/candor.v1.Cluster/AcceptHistory", &request.base,
                  &candor__v1__accept_history_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, PROMOTE_DEADLINE_MS), &result);
    if (message == NULL)
        return report_result(ctx, &result.error, &result, NULL);
    protobuf_c_message_free_unpacked(message, NULL);
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "node", json_string(argv[0]));
        json_object_set_new(out, "freshness",
                            result.has_freshness ? json_freshness(&result.freshness) : json_null());
        output_json(ctx, out);
    } else {
        printf("%s archives its branch and joins\n", argv[0]);
    }
    return EXIT_DONE;
}

const struct command command_accept_history = {
    .name = "accept-history",
    .group = GROUP_OPERATE,
    .args = "NODE",
    .summary = "Let a FORKED node join the history that won",
    .description =
        "A node is FORKED when it holds committed records of a history that a forced promotion "
        "overruled. It serves nothing until an operator has decided. This archives those records "
        "(`kvctl rollback ls --node NODE`), undoes them, and joins the primary.",
    .examples = "kvctl accept-history a\n",
    .options = accept_options,
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_accept,
};
