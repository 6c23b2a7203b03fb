/* kvctl get: a key, or a range of keys. */
#include <stdlib.h>

#include "cli/keys/list_range.h"

static const struct option_spec get_options[] = {
    LIST_OPTIONS,
    READ_OPTIONS,
    KEY_OPTION,
    {"raw", 0, NULL, false, "Print the value's bytes alone, without a newline behind them"},
    {0},
};

static void print_value(struct command_context *ctx, const struct candor_result *result)
{
    const struct candor_item *item = &result->items[0];
    if (context_json(ctx)) {
        json_t *out = json_item(item, false);
        json_set_answer(out, result);
        ladder_json(ctx, out, result);
        output_json(ctx, out);
        return;
    }
    if (!item->found) {
        output_note(ctx, "get: no such key");
    } else {
        if (item->value.length > 0) /* an empty value has no data */
            fwrite(item->value.data, 1, item->value.length, stdout);
        if (!option_given(ctx, "raw"))
            putchar('\n');
    }
    note_freshness(ctx, result);
}

static int get_key(struct command_context *ctx, const char *operand)
{
    int status;
    struct candor_bytes key;
    uint8_t *owned = NULL;
    struct candor_read_options options;
    struct ladder_given ladder;
    struct session session;
    if (!read_options(ctx, &options, &ladder, &status) ||
        !key_operand(ctx, operand, &key, &owned, &status))
        return status;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        goto cleanup;

    struct candor_result result;
    if (candor_get(client, key, &options, &result) == CANDOR_OK) {
        print_value(ctx, &result);
        status = result.items[0].found ? EXIT_DONE : EXIT_NOT_FOUND;
    } else {
        status = report_read(ctx, &result);
    }
    candor_result_free(&result);
    status = session_end(ctx, client, &session, status);
cleanup:
    free(owned);
    return status;
}

/* Those of LIST_OPTIONS say how a range is listed. */
static int refuse_of_a_key(struct command_context *ctx)
{
    static const char *const names[] = {"limit", "reverse", "keys-only", "count-only"};
    uint64_t limit;
    if (!option_number(ctx, "limit", 1, UINT64_MAX - 1, &limit))
        return EXIT_USAGE;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (option_given(ctx, names[i]))
            return report_usage(ctx, "name a range by --prefix, or --start and --end",
                                "--%s goes with a range of keys", names[i]);
    }
    return EXIT_DONE;
}

static int run_get(struct command_context *ctx, int argc, char **argv)
{
    bool range = range_is_given(ctx);
    if (range && argc > 0)
        return report_usage(ctx,
                            "--prefix PREFIX alone names keys, as --start KEY and --end KEY do",
                            "'%s' is one too many beside a range", argv[0]);
    if (range && option_given(ctx, "raw"))
        return report_usage(ctx, "`kvctl export` gives exact bytes", "--raw goes with one KEY");
    if (range)
        return list_range(ctx);
    if (argc == 0)
        return report_usage(ctx,
                            "usage: kvctl get KEY, or of a range kvctl get --prefix PREFIX or "
                            "--start KEY --end KEY",
                            "missing KEY");
    if (argc > 1)
        return report_usage(ctx,
                            "`kvctl mget` reads several keys, and --start KEY --end KEY a range",
                            "'%s' is one too many (a key with spaces needs quotes)", argv[1]);
    int status = refuse_of_a_key(ctx);
    return status != EXIT_DONE ? status : get_key(ctx, argv[0]);
}

const struct command command_get = {
    .name = "get",
    .group = GROUP_KEYS,
    .args = "[KEY]",
    .summary = "Read a key, and learn how old the answer may be",
    .description =
        "Prints the value on stdout and, on stderr, who answered and how old the answer may "
        "be. Without options, the first node that answers returns its own data, flagged when "
        "it cannot prove that they are recent. Exit status 1: there is no such key.\n\n"
        "With --prefix, or --start and --end, instead of KEY: what `kvctl scan` prints of that "
        "range; "
        "a range without keys is no failure.",
    .examples = "kvctl get greeting\twhatever the first node holds\n"
                "kvctl get greeting --node b --no-redirect\tfrom b, or not at all\n"
                "kvctl get greeting --max-staleness 500ms\tprovably no older than that\n"
                "kvctl get greeting --ladder linearizable:5ms,bounded:500ms,eventual\tthe best of "
                "these that can be had\n"
                "kvctl get greeting --session s.token\tsees all that this session wrote and read\n"
                "kvctl get image --raw > image.png\tthe exact bytes\n"
                "kvctl get --prefix cart: --count-only\thow many there are\n",
    .options = get_options,
    .min_args = 0,
    .max_args = -1,
    .run = run_get,
};
