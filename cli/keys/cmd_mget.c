/* kvctl mget. */
#include <stdlib.h>

#include "cli/keys/reading.h"

static const struct option_spec mget_options[] = {READ_OPTIONS, KEY_OPTION, {0}};

static void print_items(struct command_context *ctx, const struct candor_result *result)
{
    if (context_json(ctx)) {
        json_t *items = json_array();
        for (size_t i = 0; i < result->item_count; i++)
            json_array_append_new(items, json_item(&result->items[i], false));
        json_t *out = json_object();
        json_object_set_new(out, "items", items);
        json_set_answer(out, result);
        ladder_json(ctx, out, result);
        output_json(ctx, out);
        return;
    }
    for (size_t i = 0; i < result->item_count; i++) {
        const struct candor_item *item = &result->items[i];
        if (!item->found)
            continue;
        print_escaped(item->key, stdout);
        putchar('\t');
        print_escaped(item->value, stdout);
        putchar('\n');
    }
    note_freshness(ctx, result);
}

static size_t missing_count(const struct candor_result *result)
{
    size_t missing = 0;
    for (size_t i = 0; i < result->item_count; i++)
        missing += !result->items[i].found;
    return missing;
}

static int read_keys(struct command_context *ctx, const struct candor_bytes *keys, size_t count)
{
    int status;
    struct candor_read_options options;
    struct ladder_given ladder;
    struct session session;
    if (!read_options(ctx, &options, &ladder, &status))
        return status;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        return status;
    struct candor_result result;
    if (candor_mget(client, keys, count, &options, &result) == CANDOR_OK) {
        size_t missing = missing_count(&result);
        print_items(ctx, &result);
        if (missing > 0)
            output_note(ctx, "mget: %zu of %zu keys are not there", missing, count);
        status = missing > 0 ? EXIT_NOT_FOUND : EXIT_DONE;
    } else {
        status = report_read(ctx, &result);
    }
    candor_result_free(&result);
    return session_end(ctx, client, &session, status);
}

static int run_mget(struct command_context *ctx, int argc, char **argv)
{
    int status = EXIT_DONE;
    if (argc > CANDOR_BATCH_OPS_MAX)
        return report_usage(ctx, NULL, "%d keys are more than the limit of %d", argc,
                            CANDOR_BATCH_OPS_MAX);
    struct candor_bytes *keys = calloc((size_t)argc, sizeof *keys);
    uint8_t **owned = calloc((size_t)argc, sizeof *owned);
    bool good = keys != NULL && owned != NULL;
    for (int i = 0; good && i < argc; i++)
        good = key_operand(ctx, argv[i], &keys[i], &owned[i], &status);
    if (good)
        status = read_keys(ctx, keys, (size_t)argc);
    for (int i = 0; owned != NULL && i < argc; i++)
        free(owned[i]);
    free(owned);
    free(keys);
    return status;
}

const struct command command_mget = {
    .name = "mget",
    .group = GROUP_KEYS,
    .args = "KEY...",
    .summary = "Read many keys from one state",
    .description =
        "Prints a line `key<TAB>value` for each key that is there, all read at the same position. "
        "Control bytes, backslashes and bytes that are not UTF-8 are printed as \\t, \\n, \\\\ or "
        "\\xNN; -o json gives them exactly. Exit status 1: a key is not there.",
    .examples = "kvctl mget cart:1 cart:2\nkvctl mget cart:1 cart:2 -o json\n",
    .options = mget_options,
    .min_args = 1,
    .max_args = -1,
    .run = run_mget,
};
