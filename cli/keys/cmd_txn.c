/* kvctl txn. */
#include "base/limits.h"
#include "cli/keys/txn_lines.h"
#include "cli/keys/value.h"
#include "cli/keys/writing.h"

static const struct option_spec txn_options[] = {WRITE_OPTIONS, VALUE_OPTION, {0}};

static enum candor_code call_txn(struct candor_client *client,
                                 const struct candor_write_options *options,
                                 struct candor_result *result, void *closure)
{
    const struct txn_given *given = closure;
    return candor_txn(client, &given->txn, options, result);
}

static void print_json(struct command_context *ctx, const struct candor_txn_op *ops,
                       const struct candor_result *result)
{
    json_t *results = json_array();
    for (size_t i = 0; i < result->item_count; i++) {
        const struct candor_item *item = &result->items[i];
        json_t *one = json_object();
        if (ops[i].kind == CANDOR_TXN_GET) {
            json_decref(one);
            one = json_item(item, false);
        } else {
            json_set_bytes(one, "key", item->key.data, item->key.length);
            json_object_set_new(one, "found", json_boolean(item->found));
        }
        json_array_append_new(results, one);
    }
    json_t *out = json_object();
    json_object_set_new(out, "succeeded", json_boolean(result->succeeded));
    json_object_set_new(out, "results", results);
    json_set_written(out, result);
    output_json(ctx, out);
}

static int tell_txn(struct command_context *ctx, const struct candor_result *result, void *closure)
{
    const struct txn_given *given = closure;
    const struct candor_txn_op *ops = result->succeeded ? given->txn.then_ops : given->txn.else_ops;
    if (context_json(ctx)) {
        print_json(ctx, ops, result);
    } else {
        printf("%s: ", result->succeeded ? "then" : "else");
        print_position(result);
        putchar('\n');
        for (size_t i = 0; i < result->item_count; i++) {
            if (ops[i].kind != CANDOR_TXN_GET || !result->items[i].found)
                continue;
            print_escaped(result->items[i].key, stdout);
            putchar('\t');
            print_escaped(result->items[i].value, stdout);
            putchar('\n');
        }
    }
    if (!result->succeeded)
        output_note(ctx, "txn: a comparison did not hold");
    note_lost(ctx, result);
    return result->succeeded ? EXIT_DONE : EXIT_CONFLICT;
}

static int run_given(struct txn_given *given, bool good, int status)
{
    if (good)
        status = write_run(given->ctx, &(struct writing){call_txn, tell_txn, .closure = given});
    txn_given_free(given);
    return status;
}

static int run_json(struct command_context *ctx, const char *path)
{
    int status;
    size_t length;
    struct txn_given given = {.ctx = ctx};
    uint8_t *bytes = read_whole_file(ctx, path, LIMIT_MESSAGE_BYTES_MAX, &length, &status);
    if (bytes == NULL)
        return status;
    txn_own(&given, bytes);
    return run_given(&given, txn_read_json(&given, bytes, length), EXIT_USAGE);
}

static int run_txn(struct command_context *ctx, int argc, char **argv)
{
    int status = EXIT_USAGE;
    struct txn_given given = {.ctx = ctx};
    if (argc > 0)
        return run_json(ctx, argv[0]);
    if (!txn_lines_are_there(ctx))
        return report_usage(ctx,
                            "usage: kvctl txn FILE; on a terminal, or with its lines piped in, "
                            "without FILE",
                            "missing FILE");
    bool good = txn_read_lines(&given, &status);
    return run_given(&given, good, status);
}

const struct command command_txn = {
    .name = "txn",
    .group = GROUP_KEYS,
    .args = "[FILE]",
    .summary = "Compare, then do one list of operations or another, as one",
    .description =
        "FILE (- is standard input) holds a JSON object:\n\n  {\"compare\": [{\"key\": "
        "\"stock\", \"value\": \"0\", \"op\": \"!=\"},\n               {\"key\": "
        "\"order:7\", \"exists\": false}],\n   \"then\": [{\"put\": {\"key\": \"order:7\", "
        "\"value\": \"1 chair\"}},\n            {\"get\": {\"key\": \"stock\"}}],\n   "
        "\"else\": [{\"delete\": {\"key\": \"cart:7\"}}]}\n\nEach comparison has a key and "
        "one of \"exists\", \"value\", \"mod_seq\" and \"version\". \"op\" is \"==\" (the "
        "default), \"!=\", \"<\" or \">\", between what is stored and what is given. Bytes "
        "that are not text are given as \"key_b64\" and \"value_b64\"; \"value_file\" names a file "
        "that "
        "holds the value.\n\nIf all comparisons "
        "hold, the operations of \"then\" are done, otherwise those of \"else\": atomically, "
        "at the primary, in order. A get sees the operations before it. Prints which list it "
        "was, its position, and a line `key<TAB>value` for each get that found something. "
        "Exit status 6: a comparison did not hold.\n\nWithout FILE, on a terminal, kvctl asks for "
        "the "
        "comparisons, for the operations of then, and for those of else, a line each, with an "
        "empty "
        "line behind each list. Piped in, the same lines are read without being asked for:\n\n  "
        "value(stock) != 0\n  absent(order:7)\n\n  put order:7 \"1 chair\"\n  get stock\n\n  "
        "del cart:7\n\nA comparison is value(KEY), mod_seq(KEY) or version(KEY), then =, !=, < or "
        ">, "
        "then what it is compared with; or exists(KEY), or absent(KEY). Words are quoted as in "
        "sh. " VALUE_HELP,
    .examples = "kvctl txn transfer.json\n"
                "kvctl txn\tasks line by line\n"
                "echo '{\"compare\": [{\"key\": \"a\", \"exists\": false}], \"then\": [{\"put\": "
                "{\"key\": \"a\", \"value\": \"1\"}}]}' | kvctl txn -\n",
    .options = txn_options,
    .min_args = 0,
    .max_args = 1,
    .run = run_txn,
};
