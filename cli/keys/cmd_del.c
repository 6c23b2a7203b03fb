/* kvctl del: a key, several, or a range of them. */
#include <stdlib.h>

#include "base/assert.h"
#include "cli/keys/delete_range.h"
#include "cli/keys/several.h"
#include "cli/keys/walk.h"
#include "cli/keys/writing.h"

static const struct option_spec del_options[] = {
    RANGE_OPTIONS,
    COUNT_OPTION("Print how many keys the range has, and delete none"),
    {"yes", 'y', NULL, false, "Delete a range without asking"},
    WRITE_OPTIONS,
    KEY_OPTION,
    {0},
};

/* ---- One key ---- */

static enum candor_code call_delete(struct candor_client *client,
                                    const struct candor_write_options *options,
                                    struct candor_result *result, void *closure)
{
    return candor_delete(client, *(struct candor_bytes *)closure, options, result);
}

static int tell_deleted(struct command_context *ctx, const struct candor_result *result,
                        void *closure)
{
    const struct candor_bytes *key = closure;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", key->data, key->length);
        json_object_set_new(out, "found", json_boolean(result->found[0]));
        json_object_set_new(out, "mod_seq", json_u64(result->last.seq));
        json_set_written(out, result);
        output_json(ctx, out);
        return EXIT_DONE;
    }
    print_position(result);
    printf("%s\n", result->found[0] ? "" : "; there was no such key");
    note_lost(ctx, result);
    return EXIT_DONE;
}

static int delete_one(struct command_context *ctx, const char *operand)
{
    int status;
    uint8_t *owned = NULL;
    struct candor_bytes key;
    if (!key_operand(ctx, operand, &key, &owned, &status))
        return status;
    status = write_run(ctx, &(struct writing){call_delete, tell_deleted, &key, .key = operand});
    free(owned);
    return status;
}

/* ---- Several ---- */

static int delete_several(struct command_context *ctx, size_t count, char **argv)
{
    int status = EXIT_DONE;
    bool good = true;
    struct candor_txn_op *ops = calloc(count, sizeof *ops);
    uint8_t **owned = calloc(count, sizeof *owned);
    ASSERT(ops != NULL && owned != NULL);
    for (size_t i = 0; good && i < count; i++) {
        ops[i].kind = CANDOR_TXN_DELETE;
        good = key_operand(ctx, argv[i], &ops[i].key, &owned[i], &status);
    }
    if (good)
        status = several_write(ctx, ops, count);
    for (size_t i = 0; i < count; i++)
        free(owned[i]);
    free(owned);
    free(ops);
    return status;
}

static int run_del(struct command_context *ctx, int argc, char **argv)
{
    bool range = range_is_given(ctx);
    if (range && argc > 0)
        return report_usage(ctx, "delete keys, or a range", "'%s' is one too many beside a range",
                            argv[0]);
    if (range)
        return delete_range(ctx);
    if (argc == 0)
        return report_usage(ctx,
                            "usage: kvctl del KEY..., or of a range kvctl del --prefix PREFIX or "
                            "--start KEY --end KEY",
                            "missing KEY");
    if (option_given(ctx, "count-only"))
        return report_usage(ctx, "name a range by --prefix, or --start and --end",
                            "--count-only goes with a range of keys");
    if (argc > CANDOR_BATCH_OPS_MAX)
        return report_usage(ctx, NULL, "%d keys are more than the limit of %d", argc,
                            CANDOR_BATCH_OPS_MAX);
    return argc == 1 ? delete_one(ctx, argv[0]) : delete_several(ctx, (size_t)argc, argv);
}

const struct command command_del = {
    .name = "del",
    .group = GROUP_KEYS,
    .args = "[KEY]...",
    .summary = "Delete keys, or a range of them",
    .description =
        "Deletes at the primary and prints the position of the deletion. Deleting what is "
        "not there is no failure; the answer says so. Several keys are deleted as one transaction, "
        "with a line `key<TAB>what became of it` for each.\n\n"
        "With --prefix, or --start and --end, instead of KEY: every key of that range, in batches, "
        "not as one. kvctl counts them and asks first; without a terminal it needs --yes. What is "
        "written into the range meanwhile may stay. After ^C it says how many are deleted; the "
        "same command goes on with the others.",
    .examples = "kvctl del greeting\n"
                "kvctl del cart:1 cart:2\n"
                "kvctl del --prefix cart: --count-only\thow many it would be\n"
                "kvctl del --prefix cart: --yes\tfrom a script\n"
                "kvctl del --start log:2024 --end log:2025\n",
    .options = del_options,
    .careful = true,
    .min_args = 0,
    .max_args = -1,
    .run = run_del,
};
