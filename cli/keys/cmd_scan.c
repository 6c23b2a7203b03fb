/* kvctl scan, export: pages of one range, one after the other. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/keys/reading.h"

/* A walk over the pages of a range. */
struct walk {
    struct command_context *ctx;
    struct candor_client *client;
    struct candor_read_options options;
    struct candor_range range;
    uint64_t limit; /* items wanted; UINT64_MAX: all */
    uint64_t items;
    uint64_t pages;
    uint64_t applied_first; /* positions that the pages were read at */
    uint64_t applied_last;
    struct candor_result result; /* of the newest page */
    uint8_t last_key[CANDOR_KEY_BYTES_MAX];
    void (*take)(struct walk *walk, const struct candor_item *item);
    json_t *list; /* of take */
};

/* Remembers where the page ended: its memory goes. */
static bool next_page(struct walk *walk)
{
    const struct candor_result *result = &walk->result;
    if (!result->more || walk->items >= walk->limit)
        return false;
    struct candor_bytes key = result->items[result->item_count - 1].key;
    size_t length = key.length < sizeof walk->last_key ? key.length : sizeof walk->last_key;
    memcpy(walk->last_key, key.data, length);
    walk->range.after = (struct candor_bytes){walk->last_key, length};
    return true;
}

static int walk_pages(struct walk *walk)
{
    for (;;) {
        uint64_t left = walk->limit - walk->items;
        walk->range.limit = left < LIMIT_SCAN_ITEMS ? (uint32_t)left : 0;
        candor_result_free(&walk->result);
        if (candor_scan(walk->client, &walk->range, &walk->options, &walk->result) != CANDOR_OK)
            return report_result(walk->ctx, &walk->result.error, &walk->result, NULL);
        walk->pages++;
        walk->applied_last = walk->result.freshness.applied_seq;
        if (walk->pages == 1)
            walk->applied_first = walk->applied_last;
        for (size_t i = 0; i < walk->result.item_count && walk->items < walk->limit; i++) {
            walk->take(walk, &walk->result.items[i]);
            walk->items++;
        }
        if (!next_page(walk))
            return EXIT_DONE;
    }
}

static int run_walk(struct walk *walk)
{
    int status;
    struct session session;
    if (!read_options(walk->ctx, &walk->options, &status))
        return status;
    walk->client = context_client(walk->ctx, &status);
    if (walk->client == NULL || !session_begin(walk->ctx, walk->client, &session, &status))
        return status;
    status = walk_pages(walk);
    return session_end(walk->ctx, walk->client, &session, status);
}

static void note_pages(const struct walk *walk)
{
    note_freshness(walk->ctx, &walk->result);
    if (walk->applied_first != walk->applied_last)
        output_note(walk->ctx,
                    "%" PRIu64 " pages, read at positions %" PRIu64 " to %" PRIu64
                    ": writes in between are seen in part",
                    walk->pages, walk->applied_first, walk->applied_last);
}

/* ---- scan ---- */

static const struct option_spec scan_options[] = {
    {"prefix", 'p', "PREFIX", false, "Only keys with this prefix"},
    {"start", 0, "KEY", false, "The first key wanted"},
    {"end", 0, "KEY", false, "The first key not wanted"},
    {"limit", 'L', "COUNT", false, "At most this many keys"},
    {"reverse", 'r', NULL, false, "Descending keys; --start is then the greatest"},
    {"keys-only", 'k', NULL, false, "Leave values out"},
    READ_OPTIONS,
    {0},
};

static void take_line(struct walk *walk, const struct candor_item *item)
{
    print_escaped(item->key, stdout);
    if (!walk->range.keys_only) {
        putchar('\t');
        print_escaped(item->value, stdout);
    }
    putchar('\n');
}

static void take_json(struct walk *walk, const struct candor_item *item)
{
    json_array_append_new(walk->list, json_item(item, walk->range.keys_only));
}

static struct candor_bytes option_bytes(const struct command_context *ctx, const char *name)
{
    const char *text = option_text(ctx, name);
    return text == NULL ? (struct candor_bytes){0} : candor_text(text);
}

static int run_scan(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct walk walk = {.ctx = ctx, .limit = UINT64_MAX, .take = take_line};
    if (!option_number(ctx, "limit", 1, UINT64_MAX - 1, &walk.limit))
        return EXIT_USAGE;
    walk.range = (struct candor_range){.prefix = option_bytes(ctx, "prefix"),
                                       .start = option_bytes(ctx, "start"),
                                       .end = option_bytes(ctx, "end"),
                                       .reverse = option_given(ctx, "reverse"),
                                       .keys_only = option_given(ctx, "keys-only")};
    if (walk.range.prefix.length > 0 && walk.range.start.length + walk.range.end.length > 0)
        return report_usage(ctx, NULL, "--prefix excludes --start and --end");
    if (context_json(ctx)) {
        walk.list = json_array();
        walk.take = take_json;
    }
    int status = run_walk(&walk);
    if (status == EXIT_DONE && walk.list != NULL) {
        json_t *out = json_object();
        json_object_set(out, "items", walk.list);
        json_object_set_new(out, "more", json_boolean(walk.result.more));
        json_set_answer(out, &walk.result);
        output_json(ctx, out);
    } else if (status == EXIT_DONE) {
        note_pages(&walk);
    }
    json_decref(walk.list);
    candor_result_free(&walk.result);
    return status;
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
                "kvctl scan --keys-only | wc -l\thow many there are\n",
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
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static int run_export(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct walk walk = {.ctx = ctx, .limit = UINT64_MAX, .take = take_export};
    walk.range.prefix = option_bytes(ctx, "prefix");
    int status = run_walk(&walk);
    if (status == EXIT_DONE)
        note_pages(&walk);
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
