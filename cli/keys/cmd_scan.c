/* kvctl scan, export: pages of one range, one after the other. */
#include "base/types.h"
#include "cli/keys/list_range.h"

static const struct option_spec scan_options[] = {LIST_OPTIONS, READ_OPTIONS, KEY_OPTION, {0}};

static int run_scan(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return list_range(ctx);
}

const struct command command_scan = {
    .name = "scan",
    .group = GROUP_KEYS,
    .args = "",
    .summary = "List keys in order",
    .description =
        "Prints a line `key<TAB>value` for each key, ascending. Control bytes, backslashes and "
        "bytes "
        "that are not UTF-8 are printed as \\t, \\n, \\\\ or \\xNN, which `kvctl import --format "
        "tsv` "
        "reads back; -o json gives them exactly. A "
        "long range is read page by page; the note on stderr says when pages were read at "
        "different "
        "positions.",
    .examples = "kvctl scan --prefix cart:\n"
                "kvctl scan --start a --end c --limit 10\n"
                "kvctl scan --reverse --limit 1\tthe greatest key\n"
                "kvctl scan --count-only\thow many there are\n",
    .options = scan_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_scan,
};

/* ---- export ---- */

static const struct option_spec export_options[] = {
    {"prefix", 'p', "PREFIX", false, "Only keys with this prefix"},
    READ_OPTIONS,
    {0},
};

static void take_export(struct walk *walk, const struct candor_item *item)
{
    (void)walk;
    json_t *line = json_object();
    json_set_bytes(line, "key", item->key.data, item->key.length);
    json_set_bytes(line, "value", item->value.data, item->value.length);
    if (item->has_ttl)
        json_object_set_new(line, "ttl_ms", json_u64(max_u64(item->ttl_ms, 1)));
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static int run_export(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct walk walk = {.ctx = ctx, .limit = UINT64_MAX, .take = take_export};
    const char *prefix = option_text(ctx, "prefix");
    if (prefix != NULL)
        walk.range.prefix = candor_text(prefix);
    int status = walk_run(&walk);
    if (status == EXIT_DONE)
        walk_note(&walk);
    candor_result_free(&walk.result);
    return status;
}

const struct command command_export = {
    .name = "export",
    .group = GROUP_KEYS,
    .args = "",
    .summary = "Write all keys as lines of JSON",
    .description =
        "Prints a line {\"key\",\"value\"} for each key, in order; key_b64 and value_b64 instead "
        "where the bytes are not UTF-8. `kvctl import --format jsonl` reads it back. Two nodes "
        "hold "
        "the same data when their exports are equal.",
    .examples = "kvctl export > all.jsonl\n"
                "kvctl export --node b --no-redirect | sha256sum\twhat b holds\n"
                "kvctl export --prefix cart: | jq .value\n",
    .options = export_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_export,
};
