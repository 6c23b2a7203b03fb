/* kvctl txn. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/keys/writing.h"

static const struct option_spec txn_options[] = {WRITE_OPTIONS, {0}};

/* A Txn read from JSON. Everything that `txn` points to is in the JSON, or in `owned`. */
struct txn_text {
    struct command_context *ctx;
    json_t *root;
    struct candor_txn txn;
    struct candor_compare *compares;
    struct candor_txn_op *ops[2];
    uint8_t **owned; /* decoded base64 */
    size_t owned_count;
};

/* ---- Reading ---- */

static bool wrong(const struct txn_text *text, const char *where, const char *what)
{
    report_usage(text->ctx, NULL, "%s: %s", where, what);
    return false;
}

/* Members that nobody would look at are mistakes. */
static bool only_members(const struct txn_text *text, const char *where, json_t *object,
                         const char *const *names)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return wrong(text, where, "it is not an object");
    json_object_foreach(object, key, value)
    {
        const char *const *name = names;
        while (*name != NULL && strcmp(*name, key) != 0)
            name++;
        if (*name == NULL) {
            report_usage(text->ctx, NULL, "%s: unknown member \"%s\"", where, key);
            return false;
        }
    }
    return true;
}

static void own(struct txn_text *text, uint8_t *bytes)
{
    text->owned = memory_resize(text->owned, text->owned_count + 1, sizeof *text->owned);
    text->owned[text->owned_count++] = bytes;
}

/* Of value_file. */
static bool read_file_of(struct txn_text *text, const char *where, json_t *path,
                         struct candor_bytes *out)
{
    int status;
    if (!json_is_string(path))
        return wrong(text, where, "value_file is the name of a file");
    uint8_t *bytes = read_whole_file(text->ctx, json_string_value(path), LIMIT_VALUE_BYTES_MAX,
                                     &out->length, &status);
    if (bytes == NULL)
        return false;
    own(text, bytes);
    out->data = bytes;
    return true;
}

/* `name` as text, `name`_b64, or the file `name`_file. `*given` false: none is there. */
static bool read_bytes_of(struct txn_text *text, const char *where, json_t *object,
                          const char *name, struct candor_bytes *out, bool *given)
{
    char encoded[32];
    snprintf(encoded, sizeof encoded, "%s_b64", name);
    json_t *plain = json_object_get(object, name);
    json_t *base64 = json_object_get(object, encoded);
    snprintf(encoded, sizeof encoded, "%s_file", name);
    json_t *file = json_object_get(object, encoded);
    *given = plain != NULL || base64 != NULL || file != NULL;
    if (plain != NULL && base64 != NULL)
        return wrong(text, where, "a member is given both as text and as base64");
    if (file != NULL && (plain != NULL || base64 != NULL))
        return wrong(text, where, "a value is given both there and in a file");
    if (file != NULL)
        return read_file_of(text, where, file, out);
    if ((plain != NULL && !json_is_string(plain)) || (base64 != NULL && !json_is_string(base64)))
        return wrong(text, where, "keys and values are strings");
    if (plain != NULL)
        *out = (struct candor_bytes){json_string_value(plain), json_string_length(plain)};
    if (base64 == NULL)
        return true;
    size_t length;
    uint8_t *bytes = base64_decode(json_string_value(base64), &length);
    if (bytes == NULL)
        return wrong(text, where, "a member that ends in _b64 is not base64");
    own(text, bytes);
    *out = (struct candor_bytes){bytes, length};
    return true;
}

static bool read_key_of(struct txn_text *text, const char *where, json_t *object,
                        struct candor_bytes *out)
{
    bool given;
    if (!read_bytes_of(text, where, object, "key", out, &given))
        return false;
    if (!given)
        return wrong(text, where, "no \"key\"");
    if (out->length == 0 || out->length > CANDOR_KEY_BYTES_MAX)
        return wrong(text, where, "a key has 1 to 511 bytes");
    return true;
}

static bool read_relation(const struct txn_text *text, const char *where, json_t *object,
                          enum candor_relation *out)
{
    static const char *const signs[] = {"==", "!=", "<", ">"};
    json_t *op = json_object_get(object, "op");
    *out = CANDOR_EQUAL;
    if (op == NULL)
        return true;
    for (int i = 0; json_is_string(op) && i < 4; i++)
        if (strcmp(json_string_value(op), signs[i]) == 0) {
            *out = (enum candor_relation)i;
            return true;
        }
    return wrong(text, where, "\"op\" is one of ==, !=, <, >");
}

static bool read_number_of(const struct txn_text *text, const char *where, json_t *value,
                           uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(text, where, "mod_seq and version are whole numbers from 0 on");
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_target(struct txn_text *text, const char *where, json_t *object,
                        struct candor_compare *out)
{
    bool has_value;
    json_t *exists = json_object_get(object, "exists");
    json_t *mod_seq = json_object_get(object, "mod_seq");
    json_t *version = json_object_get(object, "version");
    if (!read_bytes_of(text, where, object, "value", &out->value, &has_value))
        return false;
    if ((exists != NULL) + (mod_seq != NULL) + (version != NULL) + has_value != 1)
        return wrong(text, where, "give exactly one of exists, value, mod_seq and version");
    if (has_value) {
        out->target = CANDOR_COMPARE_VALUE;
        return true;
    }
    if (exists == NULL) {
        out->target = mod_seq != NULL ? CANDOR_COMPARE_MOD_SEQ : CANDOR_COMPARE_VERSION;
        return read_number_of(text, where, mod_seq != NULL ? mod_seq : version, &out->number);
    }
    if (!json_is_boolean(exists) || json_object_get(object, "op") != NULL)
        return wrong(text, where, "exists is true or false, without an \"op\"");
    out->target = CANDOR_COMPARE_EXISTS;
    out->exists = json_is_true(exists);
    return true;
}

static bool read_compare(struct txn_text *text, const char *where, json_t *object,
                         struct candor_compare *out)
{
    static const char *const members[] = {"key",        "key_b64", "exists",  "value", "value_b64",
                                          "value_file", "mod_seq", "version", "op",    NULL};
    return only_members(text, where, object, members) &&
           read_key_of(text, where, object, &out->key) && read_target(text, where, object, out) &&
           read_relation(text, where, object, &out->relation);
}

static bool read_op(struct txn_text *text, const char *where, json_t *object,
                    struct candor_txn_op *out)
{
    static const char *const kinds[] = {"put", "delete", "get", NULL};
    static const char *const put_members[] = {"key",       "key_b64",    "value",
                                              "value_b64", "value_file", NULL};
    static const char *const key_members[] = {"key", "key_b64", NULL};
    if (!only_members(text, where, object, kinds))
        return false;
    if (json_object_size(object) != 1)
        return wrong(text, where, "give exactly one of put, delete and get");
    int kind = 0;
    while (json_object_get(object, kinds[kind]) == NULL)
        kind++;
    out->kind = (enum candor_txn_op_kind)(CANDOR_TXN_PUT + kind);
    json_t *inner = json_object_get(object, kinds[kind]);
    bool puts = out->kind == CANDOR_TXN_PUT;
    if (!only_members(text, where, inner, puts ? put_members : key_members) ||
        !read_key_of(text, where, inner, &out->key))
        return false;
    bool given = true;
    if (puts && !read_bytes_of(text, where, inner, "value", &out->value, &given))
        return false;
    return given || wrong(text, where, "no \"value\"");
}

/* A list that may be missing. */
static bool read_list(const struct txn_text *text, const char *name, json_t **list, size_t *count)
{
    *list = json_object_get(text->root, name);
    *count = json_array_size(*list);
    if (*list != NULL && !json_is_array(*list))
        return wrong(text, name, "it is not a list");
    if (*count > CANDOR_BATCH_OPS_MAX)
        return wrong(text, name, "more than 4096");
    return true;
}

static bool read_compares(struct txn_text *text)
{
    json_t *list;
    size_t count;
    if (!read_list(text, "compare", &list, &count))
        return false;
    text->compares = calloc(count + 1, sizeof *text->compares);
    ASSERT(text->compares != NULL);
    for (size_t i = 0; i < count; i++) {
        char where[48];
        snprintf(where, sizeof where, "compare[%zu]", i);
        if (!read_compare(text, where, json_array_get(list, i), &text->compares[i]))
            return false;
    }
    text->txn.compares = text->compares;
    text->txn.compare_count = count;
    return true;
}

static bool read_ops(struct txn_text *text, const char *name, int which, size_t *count)
{
    json_t *list;
    if (!read_list(text, name, &list, count))
        return false;
    text->ops[which] = calloc(*count + 1, sizeof *text->ops[which]);
    ASSERT(text->ops[which] != NULL);
    for (size_t i = 0; i < *count; i++) {
        char where[48];
        snprintf(where, sizeof where, "%s[%zu]", name, i);
        if (!read_op(text, where, json_array_get(list, i), &text->ops[which][i]))
            return false;
    }
    return true;
}

static bool read_txn(struct txn_text *text, const uint8_t *bytes, size_t length)
{
    static const char *const members[] = {"compare", "then", "else", NULL};
    json_error_t error;
    text->root =
        json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (text->root == NULL) {
        report_usage(text->ctx, NULL, "line %d: %s", error.line, error.text);
        return false;
    }
    struct candor_txn *txn = &text->txn;
    bool good = only_members(text, "the txn", text->root, members) && read_compares(text) &&
                read_ops(text, "then", 0, &txn->then_count) &&
                read_ops(text, "else", 1, &txn->else_count);
    txn->then_ops = text->ops[0];
    txn->else_ops = text->ops[1];
    if (good && txn->then_count + txn->else_count == 0)
        return wrong(text, "then, else", "there is nothing to do");
    return good;
}

static void txn_free(struct txn_text *text)
{
    for (size_t i = 0; i < text->owned_count; i++)
        free(text->owned[i]);
    free(text->owned);
    free(text->compares);
    free(text->ops[0]);
    free(text->ops[1]);
    json_decref(text->root);
}

/* ---- Running ---- */

static enum candor_code call_txn(struct candor_client *client,
                                 const struct candor_write_options *options,
                                 struct candor_result *result, void *closure)
{
    const struct txn_text *text = closure;
    return candor_txn(client, &text->txn, options, result);
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
    const struct txn_text *text = closure;
    const struct candor_txn_op *ops = result->succeeded ? text->txn.then_ops : text->txn.else_ops;
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

static int run_txn(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    size_t length;
    struct txn_text text = {.ctx = ctx};
    uint8_t *bytes = read_whole_file(ctx, argv[0], LIMIT_MESSAGE_BYTES_MAX, &length, &status);
    if (bytes == NULL)
        return status;
    status = EXIT_USAGE;
    if (read_txn(&text, bytes, length))
        status = write_run(ctx, &(struct writing){call_txn, tell_txn, .closure = &text});
    txn_free(&text);
    free(bytes);
    return status;
}

const struct command command_txn = {
    .name = "txn",
    .group = GROUP_KEYS,
    .args = "FILE",
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
        "Exit status 6: a comparison did not hold.",
    .examples = "kvctl txn transfer.json\n"
                "echo '{\"compare\": [{\"key\": \"a\", \"exists\": false}], \"then\": [{\"put\": "
                "{\"key\": \"a\", \"value\": \"1\"}}]}' | kvctl txn -\n",
    .options = txn_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_txn,
};
