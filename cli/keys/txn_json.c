/* A transaction, read from JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/keys/txn_given.h"

static bool wrong(const struct txn_given *given, const char *where, const char *what)
{
    report_usage(given->ctx, NULL, "%s: %s", where, what);
    return false;
}

/* Members that nobody would look at are mistakes. */
static bool only_members(const struct txn_given *given, const char *where, json_t *object,
                         const char *const *names)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return wrong(given, where, "it is not an object");
    json_object_foreach(object, key, value)
    {
        const char *const *name = names;
        while (*name != NULL && strcmp(*name, key) != 0)
            name++;
        if (*name == NULL) {
            report_usage(given->ctx, NULL, "%s: unknown member \"%s\"", where, key);
            return false;
        }
    }
    return true;
}

/* Of value_file. */
static bool read_file_of(struct txn_given *given, const char *where, json_t *path,
                         struct candor_bytes *out)
{
    int status;
    if (!json_is_string(path))
        return wrong(given, where, "value_file is the name of a file");
    uint8_t *bytes = read_whole_file(given->ctx, json_string_value(path), LIMIT_VALUE_BYTES_MAX,
                                     &out->length, &status);
    if (bytes == NULL)
        return false;
    txn_own(given, bytes);
    out->data = bytes;
    return true;
}

/* `name` as text, `name`_b64, or the file `name`_file. `*there` false: none is there. */
static bool read_bytes_of(struct txn_given *given, const char *where, json_t *object,
                          const char *name, struct candor_bytes *out, bool *there)
{
    char encoded[32];
    snprintf(encoded, sizeof encoded, "%s_b64", name);
    json_t *plain = json_object_get(object, name);
    json_t *base64 = json_object_get(object, encoded);
    snprintf(encoded, sizeof encoded, "%s_file", name);
    json_t *file = json_object_get(object, encoded);
    *there = plain != NULL || base64 != NULL || file != NULL;
    if (plain != NULL && base64 != NULL)
        return wrong(given, where, "a member is given both as text and as base64");
    if (file != NULL && (plain != NULL || base64 != NULL))
        return wrong(given, where, "a value is given both there and in a file");
    if (file != NULL)
        return read_file_of(given, where, file, out);
    if ((plain != NULL && !json_is_string(plain)) || (base64 != NULL && !json_is_string(base64)))
        return wrong(given, where, "keys and values are strings");
    if (plain != NULL)
        *out = (struct candor_bytes){json_string_value(plain), json_string_length(plain)};
    if (base64 == NULL)
        return true;
    size_t length;
    uint8_t *bytes = base64_decode(json_string_value(base64), &length);
    if (bytes == NULL)
        return wrong(given, where, "a member that ends in _b64 is not base64");
    txn_own(given, bytes);
    *out = (struct candor_bytes){bytes, length};
    return true;
}

static bool read_key_of(struct txn_given *given, const char *where, json_t *object,
                        struct candor_bytes *out)
{
    bool there;
    if (!read_bytes_of(given, where, object, "key", out, &there))
        return false;
    if (!there)
        return wrong(given, where, "no \"key\"");
    if (out->length == 0 || out->length > CANDOR_KEY_BYTES_MAX)
        return wrong(given, where, "a key has 1 to 511 bytes");
    return true;
}

static bool read_relation(const struct txn_given *given, const char *where, json_t *object,
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
    return wrong(given, where, "\"op\" is one of ==, !=, <, >");
}

static bool read_number_of(const struct txn_given *given, const char *where, json_t *value,
                           uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(given, where, "mod_seq and version are whole numbers from 0 on");
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_target(struct txn_given *given, const char *where, json_t *object,
                        struct candor_compare *out)
{
    bool has_value;
    json_t *exists = json_object_get(object, "exists");
    json_t *mod_seq = json_object_get(object, "mod_seq");
    json_t *version = json_object_get(object, "version");
    if (!read_bytes_of(given, where, object, "value", &out->value, &has_value))
        return false;
    if ((exists != NULL) + (mod_seq != NULL) + (version != NULL) + has_value != 1)
        return wrong(given, where, "give exactly one of exists, value, mod_seq and version");
    if (has_value) {
        out->target = CANDOR_COMPARE_VALUE;
        return true;
    }
    if (exists == NULL) {
        out->target = mod_seq != NULL ? CANDOR_COMPARE_MOD_SEQ : CANDOR_COMPARE_VERSION;
        return read_number_of(given, where, mod_seq != NULL ? mod_seq : version, &out->number);
    }
    if (!json_is_boolean(exists) || json_object_get(object, "op") != NULL)
        return wrong(given, where, "exists is true or false, without an \"op\"");
    out->target = CANDOR_COMPARE_EXISTS;
    out->exists = json_is_true(exists);
    return true;
}

static bool read_compare(struct txn_given *given, const char *where, json_t *object,
                         struct candor_compare *out)
{
    static const char *const members[] = {"key",        "key_b64", "exists",  "value", "value_b64",
                                          "value_file", "mod_seq", "version", "op",    NULL};
    return only_members(given, where, object, members) &&
           read_key_of(given, where, object, &out->key) && read_target(given, where, object, out) &&
           read_relation(given, where, object, &out->relation);
}

static bool read_op(struct txn_given *given, const char *where, json_t *object,
                    struct candor_txn_op *out)
{
    static const char *const kinds[] = {"put", "delete", "get", NULL};
    static const char *const put_members[] = {"key",       "key_b64",    "value",
                                              "value_b64", "value_file", NULL};
    static const char *const key_members[] = {"key", "key_b64", NULL};
    if (!only_members(given, where, object, kinds))
        return false;
    if (json_object_size(object) != 1)
        return wrong(given, where, "give exactly one of put, delete and get");
    int kind = 0;
    while (json_object_get(object, kinds[kind]) == NULL)
        kind++;
    out->kind = (enum candor_txn_op_kind)(CANDOR_TXN_PUT + kind);
    json_t *inner = json_object_get(object, kinds[kind]);
    bool puts = out->kind == CANDOR_TXN_PUT;
    if (!only_members(given, where, inner, puts ? put_members : key_members) ||
        !read_key_of(given, where, inner, &out->key))
        return false;
    bool there = true;
    if (puts && !read_bytes_of(given, where, inner, "value", &out->value, &there))
        return false;
    return there || wrong(given, where, "no \"value\"");
}

/* A list that may be missing. */
static bool read_list(const struct txn_given *given, const char *name, json_t **list, size_t *count)
{
    *list = json_object_get(given->root, name);
    *count = json_array_size(*list);
    if (*list != NULL && !json_is_array(*list))
        return wrong(given, name, "it is not a list");
    if (*count > CANDOR_BATCH_OPS_MAX)
        return wrong(given, name, "more than 4096");
    return true;
}

static bool read_compares(struct txn_given *given)
{
    json_t *list;
    size_t count;
    if (!read_list(given, "compare", &list, &count))
        return false;
    given->compares = calloc(count + 1, sizeof *given->compares);
    ASSERT(given->compares != NULL);
    for (size_t i = 0; i < count; i++) {
        char where[48];
        snprintf(where, sizeof where, "compare[%zu]", i);
        if (!read_compare(given, where, json_array_get(list, i), &given->compares[i]))
            return false;
    }
    given->txn.compares = given->compares;
    given->txn.compare_count = count;
    return true;
}

static bool read_ops(struct txn_given *given, const char *name, int which, size_t *count)
{
    json_t *list;
    if (!read_list(given, name, &list, count))
        return false;
    given->ops[which] = calloc(*count + 1, sizeof *given->ops[which]);
    ASSERT(given->ops[which] != NULL);
    for (size_t i = 0; i < *count; i++) {
        char where[48];
        snprintf(where, sizeof where, "%s[%zu]", name, i);
        if (!read_op(given, where, json_array_get(list, i), &given->ops[which][i]))
            return false;
    }
    return true;
}

bool txn_read_json(struct txn_given *given, const uint8_t *bytes, size_t length)
{
    static const char *const members[] = {"compare", "then", "else", NULL};
    json_error_t error;
    given->root =
        json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (given->root == NULL) {
        report_usage(given->ctx, NULL, "line %d: %s", error.line, error.text);
        return false;
    }
    struct candor_txn *txn = &given->txn;
    bool good = only_members(given, "the txn", given->root, members) && read_compares(given) &&
                read_ops(given, "then", 0, &txn->then_count) &&
                read_ops(given, "else", 1, &txn->else_count);
    txn->then_ops = given->ops[0];
    txn->else_ops = given->ops[1];
    if (good && txn->then_count + txn->else_count == 0)
        return wrong(given, "then, else", "there is nothing to do");
    return good;
}
