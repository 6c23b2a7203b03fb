/* kvctl transfer, voter add, voter remove: what the primary is asked to do with its cluster. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/frame/command.h"
#include "cli/frame/node_call.h"

enum { OPERATE_DEADLINE_MS = 5000, ASK_AGAIN_MS = 50, LOOK_MS = 5 };

/* The primary as the nodes tell; the newest epoch's when two claim it. */
static bool ask_primary(const struct node_target *targets, size_t count, uint32_t deadline_ms,
                        struct node_target *out)
{
    struct node_row rows[LIMIT_NODES];
    uint64_t newest = 0;
    node_rows(targets, count, deadline_ms, rows);
    for (size_t i = 0; i < count; i++) {
        const struct candor_freshness *fresh = &rows[i].result.freshness;
        if (rows[i].result.error.code != CANDOR_OK || fresh->role != CANDOR_ROLE_PRIMARY ||
            fresh->epoch.term < newest)
            continue;
        newest = fresh->epoch.term;
        *out = rows[i].target;
    }
    return newest > 0;
}

/* Waits for one to be elected, up to the deadline. False after a report. */
static bool find_primary(struct command_context *ctx, struct node_target *out, int *status)
{
    struct node_target targets[LIMIT_NODES];
    size_t count = node_targets(ctx, targets, status);
    if (count == 0)
        return false;
    uint32_t deadline_ms = (uint32_t)context_deadline_ms(ctx, OPERATE_DEADLINE_MS);
    uint64_t until_ns = clock_boot_ns() + deadline_ms * NS_PER_MS;
    do {
        if (ask_primary(targets, count, deadline_ms, out))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_MS * (long)NS_PER_MS}, NULL);
    } while (clock_boot_ns() < until_ns);
    struct candor_error error;
    candor_error_set(&error, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_PRIMARY,
                     "no node says that it is the primary");
    *status = report_error(ctx, &error, "see `kvctl status`; promote one");
    return false;
}

/* ---- transfer ---- */

/* It has won its election, and is the primary once its first record is stored: the next command
 * shall find it so. Whatever comes between, the transfer is done. */
static void wait_until_it_leads(const struct node_target *to, uint64_t until_ns)
{
    struct node_target leads;
    for (uint64_t now_ns; (now_ns = clock_boot_ns()) < until_ns;) {
        if (ask_primary(to, 1, (uint32_t)((until_ns - now_ns) / NS_PER_MS + 1), &leads))
            return;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * (long)NS_PER_MS}, NULL);
    }
}

static int run_transfer(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct node_target primary;
    struct node_target to;
    if (!node_target_named(ctx, argv[0], &to, &status) || !find_primary(ctx, &primary, &status))
        return status;
    uint64_t deadline_ms = context_deadline_ms(ctx, OPERATE_DEADLINE_MS);
    uint64_t until_ns = clock_boot_ns() + deadline_ms * NS_PER_MS;
    struct candor_result result;
    Candor__V1__TransferRequest request = CANDOR__V1__TRANSFER_REQUEST__INIT;
    request.to = to.id;
    ProtobufCMessage *message =
        node_call(primary.address, "/candor.v1.Cluster/Transfer", &request.base,
                  &candor__v1__transfer_response__descriptor, (uint32_t)deadline_ms, &result);
    if (message == NULL)
        return report_result(ctx, &result.error, &result, NULL);
    wait_until_it_leads(&to, until_ns);
    const Candor__V1__Epoch *epoch = ((Candor__V1__TransferResponse *)message)->epoch;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "from", json_string(primary.id));
        json_object_set_new(out, "to", json_string(to.id));
        json_object_set_new(out, "epoch", json_u64(epoch->term));
        output_json(ctx, out);
    } else if (strcmp(primary.id, to.id) == 0) {
        printf("%s is the primary already, in epoch %" PRIu64 "\n", to.id, epoch->term);
    } else {
        printf("%s has handed over to %s, in epoch %" PRIu64 "\n", primary.id, to.id, epoch->term);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return EXIT_DONE;
}

const struct command command_transfer = {
    .name = "transfer",
    .group = GROUP_OPERATE,
    .args = "NODE",
    .summary = "Hand leadership to a voter, gracefully",
    .description =
        "The primary stops taking writes, waits until NODE holds all it has, and lets it "
        "start an election at once. No MAJORITY write fails; there is a short pause. If NODE "
        "does not take over before the deadline, the old primary goes on.",
    .examples = "kvctl transfer b\n",
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_transfer,
};

/* ---- voter add, voter remove ---- */

static int set_voter(struct command_context *ctx, const char *id, bool voter)
{
    int status;
    struct node_target primary;
    struct node_target node;
    if (!node_target_named(ctx, id, &node, &status) || !find_primary(ctx, &primary, &status))
        return status;
    struct candor_result result;
    Candor__V1__SetVoterRequest request = CANDOR__V1__SET_VOTER_REQUEST__INIT;
    request.node = node.id;
    request.voter = voter;
    ProtobufCMessage *message =
        node_call(primary.address, "/candor.v1.Cluster/SetVoter", &request.base,
                  &candor__v1__set_voter_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, OPERATE_DEADLINE_MS), &result);
    if (message == NULL)
        return report_result(ctx, &result.error, &result, NULL);
    uint64_t seq = ((Candor__V1__SetVoterResponse *)message)->pos->seq;
    protobuf_c_message_free_unpacked(message, NULL);
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "node", json_string(node.id));
        json_object_set_new(out, "voter", json_boolean(voter));
        json_object_set_new(out, "seq", json_u64(seq));
        output_json(ctx, out);
    } else {
        printf("%s %s, committed at seq %" PRIu64 "\n", node.id,
               voter ? "votes" : "no longer votes", seq);
    }
    return EXIT_DONE;
}

static int run_voter_add(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return set_voter(ctx, argv[0], true);
}

static int run_voter_remove(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return set_voter(ctx, argv[0], false);
}

const struct command command_voter_add = {
    .name = "voter add",
    .group = GROUP_OPERATE,
    .args = "NODE",
    .summary = "Let a reader vote and count for majorities",
    .description =
        "By a committed record, one change at a time. NODE must be in the topology of all "
        "nodes, run, and have caught up. Change its `role` in the topology file as well, so "
        "that the file stays true.",
    .examples = "kvctl voter add d\n",
    .min_args = 1,
    .max_args = 1,
    .run = run_voter_add,
};

const struct command command_voter_remove = {
    .name = "voter remove",
    .group = GROUP_OPERATE,
    .args = "NODE",
    .summary = "Make a voter a reader",
    .description =
        "By a committed record, one change at a time. If a voter is gone for good, remove it "
        "first and then add another, so that a majority can always be reached. The primary "
        "cannot remove itself: `kvctl transfer` first.",
    .examples = "kvctl voter remove c\n",
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_voter_remove,
};
