/* kvctl mset: several keys as one. */
#include <stdlib.h>

#include "base/assert.h"
#include "cli/keys/several.h"
#include "cli/keys/value.h"
#include "cli/keys/writing.h"

static const struct option_spec mset_options[] = {WRITE_OPTIONS, KEY_OPTION, VALUE_OPTION, {0}};

/* The pairs of the command line, with what was made for them. */
struct pairs {
    size_t count;
    struct candor_txn_op *ops;
    uint8_t **keys;
    struct value *values;
};

static bool read_pairs(struct command_context *ctx, char **argv, size_t count, struct pairs *out,
                       int *status)
{
    out->ops = calloc(count, sizeof *out->ops);
    out->keys = calloc(count, sizeof *out->keys);
    out->values = calloc(count, sizeof *out->values);
    ASSERT(out->ops != NULL && out->keys != NULL && out->values != NULL);
    for (out->count = 0; out->count < count; out->count++) {
        size_t i = out->count;
        out->ops[i].kind = CANDOR_TXN_PUT;
        if (!key_operand(ctx, argv[2 * i], &out->ops[i].key, &out->keys[i], status) ||
            !value_take(ctx, argv[2 * i + 1], &out->values[i], status)) {
            out->count++; /* the key may be there */
            return false;
        }
        out->ops[i].value = out->values[i].bytes;
    }
    return true;
}

static void free_pairs(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->keys[i]);
        free(pairs->values[i].owned);
    }
    free(pairs->ops);
    free(pairs->keys);
    free(pairs->values);
}

static int run_mset(struct command_context *ctx, int argc, char **argv)
{
    int status = EXIT_USAGE;
    struct pairs pairs = {0};
    size_t count = (size_t)argc / 2;
    if (argc % 2 != 0)
        return report_usage(ctx, "keys and values take turns: kvctl mset KEY VALUE KEY VALUE ...",
                            "missing VALUE of '%s'", argv[argc - 1]);
    if (count > CANDOR_BATCH_OPS_MAX)
        return report_usage(ctx, "`kvctl import` writes any number, not as one",
                            "%zu keys are more than the limit of %d", count, CANDOR_BATCH_OPS_MAX);
    if (read_pairs(ctx, argv, count, &pairs, &status))
        status = several_write(ctx, pairs.ops, count);
    free_pairs(&pairs);
    return status;
}

const struct command command_mset = {
    .name = "mset",
    .group = GROUP_KEYS,
    .args = "KEY VALUE [KEY VALUE]...",
    .summary = "Write several keys as one",
    .description =
        "Writes all of them, or none: as one transaction at the primary, with one position. No "
        "reader sees some of them without the others. Of a key that is given twice the last value "
        "counts. `kvctl import` writes many keys, not as one.\n\n" VALUE_HELP,
    .examples = "kvctl mset stock 3 price 19.90\n"
                "kvctl mset page @page.html style @page.css --ack majority\n",
    .options = mset_options,
    .min_args = 2,
    .max_args = -1,
    .run = run_mset,
};
