/* kvctl verify: do all nodes hold the same? (R60) Each reads its own bytes; ranges whose digests
 * differ are split until the keys are known. The nodes go on meanwhile, each at its own position: a
 * key counts as different only when its entries cannot be those of one history. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/cluster/verify.h"

/* Of all keys together: a node that is cut off may lack a million. */
#define SETTLE_TRIES_ALL 300
#define DEFAULT_MAX_KEYS 100

static void print_json(struct verify *verify)
{
    json_t *out = json_object();
    json_t *nodes = json_array();
    for (size_t i = 0; i < verify->count; i++)
        json_array_append_new(nodes, json_string(verify->targets[i].id));
    json_object_set_new(out, "nodes", nodes);
    json_object_set(out, "failed", verify->failed);
    json_object_set_new(out, "entries", json_u64(verify->entries));
    json_object_set_new(out, "differing", json_u64(verify->differing));
    json_object_set_new(out, "unsettled", json_u64(verify->unsettled));
    json_object_set(out, "keys", verify->keys);
    output_json(verify->ctx, out);
}

static void print_text(struct verify *verify)
{
    if (verify->shown_ns != 0)
        fprintf(stderr, "\r\033[K");
    if (verify->differing > 0)
        table_print(verify->table, stdout);
    printf("%" PRIu64 " entries compared at", verify->entries);
    for (size_t i = 0; i < verify->count; i++)
        printf("%s %s", i > 0 ? "," : "", verify->targets[i].id);
    printf(": %" PRIu64 " keys differ", verify->differing);
    if (verify->unsettled > 0)
        printf(", %" PRIu64 " could not be compared", verify->unsettled);
    putchar('\n');
    if (verify->differing > verify->max_keys)
        output_note(verify->ctx,
                    "verify: %" PRIu64 " of %" PRIu64 " keys are shown; --max-keys shows more",
                    verify->max_keys, verify->differing);
    if (verify->unsettled > 0)
        output_note(verify->ctx,
                    "verify: %" PRIu64
                    " keys changed all the time, or a node lags: they were not compared",
                    verify->unsettled);
    if (verify->differing > 0)
        output_note(verify->ctx, "verify: which node is right? `kvctl status` says which one its "
                                 "primary doubts; a DOUBTFUL one takes the others' data");
}

static struct table *key_table(void)
{
    struct table *table = table_new();
    table_column(table, "KEY", TABLE_LEFT);
    table_column(table, "NODE", TABLE_LEFT);
    table_column(table, "CHECK", TABLE_LEFT);
    table_column(table, "CHANGED AT", TABLE_RIGHT);
    table_column(table, "APPLIED", TABLE_RIGHT);
    return table;
}

static int run_verify(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct verify verify = {.ctx = ctx,
                            .max_keys = DEFAULT_MAX_KEYS,
                            .tries_left = SETTLE_TRIES_ALL,
                            .status = EXIT_DONE};
    if (!option_number(ctx, "max-keys", 1, 100000, &verify.max_keys))
        return EXIT_USAGE;
    int status = EXIT_DONE;
    verify.count = node_targets(ctx, verify.targets, &status);
    if (verify.count == 0)
        return status;
    if (verify.count == 1)
        return report_usage(ctx,
                            "leave --node and --endpoint out, and use a topology of several nodes",
                            "there is nothing to compare: one node alone");
    verify.keys = json_array();
    verify.failed = json_array();
    verify.table = key_table();
    verify_everything(&verify);
    bool nothing = verify.count < 2 && verify.entries == 0 && verify.status != EXIT_INTEGRITY;
    if (!nothing && context_json(ctx))
        print_json(&verify);
    else if (!nothing)
        print_text(&verify);
    table_free(verify.table);
    json_decref(verify.keys);
    json_decref(verify.failed);
    if (verify.differing > 0)
        return EXIT_INTEGRITY;
    return verify.status == EXIT_DONE && verify.unsettled > 0 ? EXIT_UNAVAILABLE : verify.status;
}

static const struct option_spec verify_options[] = {
    {"max-keys", 0, "COUNT", false, "Name at most so many keys; default: 100"},
    {0},
};

const struct command command_verify = {
    .name = "verify",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "Compare what all nodes hold, key by key where they differ",
    .description =
        "Each node reads what it has stored, from its own bytes, and compares every value with its "
        "checksum. The digests of ranges of keys are compared; where they differ the ranges are "
        "split until the keys are known. The cluster goes on meanwhile: a key that is just being "
        "written is looked at again, and counts as different only when no history leads to "
        "both.\n\n"
        "CHECK is a hash of key, value and version: the values themselves are not shown. A node "
        "whose bytes are damaged says so, and makes its state anew. Nodes compare a digest of "
        "their "
        "states with every heartbeat anyway; this command reads the bytes.\n\n"
        "Exit status 3: keys differ, or a node holds damaged bytes; 5: a node did not answer, or "
        "keys could not be compared, because a node lags or they change all the time: all else was "
        "compared. With fewer than two nodes that answer nothing is.",
    .examples = "kvctl verify\nkvctl verify -o json | jq .differing\n",
    .options = verify_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_verify,
};
