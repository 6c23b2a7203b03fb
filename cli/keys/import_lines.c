/* Lines of the formats that `kvctl import` reads. */
#include "cli/keys/import_lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/limits.h"

/* The largest key and value fit when JSON takes six bytes (\u0001) for each of theirs. */
#define LINE_BYTES_MAX ((size_t)6 * (LIMIT_VALUE_BYTES_MAX + LIMIT_KEY_BYTES) + 1024)

enum line_end import_read_line(FILE *file, struct buffer *line)
{
    buffer_clear(line);
    int c;
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (line->length == LINE_BYTES_MAX)
            return LINE_TOO_LONG;
        buffer_put_u8(line, (uint8_t)c);
    }
    return c == '\n' ? LINE_WHOLE : line->length > 0 ? LINE_CUT : LINE_NONE;
}

void import_skip_byte_order_mark(struct buffer *line)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if (line->length < sizeof mark || memcmp(line->bytes, mark, sizeof mark) != 0)
        return;
    line->length -= sizeof mark;
    memmove(line->bytes, line->bytes + sizeof mark, line->length);
}

/* The value may be as long as it is allowed to be; the key gets its prefix. */
static const char *take_pair(const struct import_form *form, struct candor_bytes key,
                             struct candor_bytes value, struct import_pair *out)
{
    size_t prefix = strlen(form->key_prefix);
    if (prefix + key.length == 0)
        return "the key is empty";
    if (prefix + key.length > sizeof out->joined)
        return "the key is longer than 511 bytes";
    if (value.length > LIMIT_VALUE_BYTES_MAX)
        return "the value is longer than 16 MiB";
    memcpy(out->joined, form->key_prefix, prefix);
    memcpy(out->joined + prefix, key.data, key.length);
    out->key = (struct candor_bytes){out->joined, prefix + key.length};
    out->value = value;
    return NULL;
}

/* ---- jsonl ---- */

/* A member as bytes: `name`, or `name`_b64 decoded (then *owned). False: neither, or both. */
static bool json_bytes(json_t *object, const char *name, struct candor_bytes *out, uint8_t **owned)
{
    char encoded[32];
    snprintf(encoded, sizeof encoded, "%s_b64", name);
    json_t *text = json_object_get(object, name);
    json_t *b64 = json_object_get(object, encoded);
    *owned = NULL;
    if (json_is_string(text) && b64 == NULL) {
        *out = (struct candor_bytes){json_string_value(text), json_string_length(text)};
        return true;
    }
    if (!json_is_string(b64) || text != NULL)
        return false;
    *owned = base64_decode(json_string_value(b64), &out->length);
    out->data = *owned;
    return *owned != NULL;
}

/* As `kvctl export` writes it; absent or null: none. */
static bool json_ttl(json_t *object, uint64_t *out)
{
    json_t *ttl = json_object_get(object, "ttl_ms");
    *out = 0;
    if (ttl == NULL || json_is_null(ttl))
        return true;
    json_int_t ms = json_is_integer(ttl) ? json_integer_value(ttl) : 0;
    *out = ms > 0 ? (uint64_t)ms : 0;
    return ms > 0 && *out <= LIMIT_TTL_MS;
}

static const char *not_an_object(const struct buffer *line, bool first)
{
    return memchr(line->bytes, '\t', line->length) != NULL
               ? "not a JSON object; --format tsv reads what `kvctl scan` prints"
           : first ? "not a JSON object; --separator TEXT reads lines of fields, as in a .csv"
                   : "not a JSON object";
}

static const char *take_json(const struct import_form *form, const struct buffer *line, bool first,
                             struct import_pair *out)
{
    struct candor_bytes key;
    struct candor_bytes value;
    uint8_t *key_owned = NULL;
    const char *problem = NULL;
    out->object = json_loadb((const char *)line->bytes, line->length, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(out->object))
        problem = not_an_object(line, first);
    else if (!json_bytes(out->object, "key", &key, &key_owned))
        problem = "it needs a string \"key\" or base64 \"key_b64\"";
    else if (!json_bytes(out->object, "value", &value, &out->owned))
        problem = "it needs a string \"value\" or base64 \"value_b64\"";
    else if (!json_ttl(out->object, &out->ttl_ms))
        problem = "\"ttl_ms\" is milliseconds, from 1 to a hundred years";
    else
        problem = take_pair(form, key, value, out);
    free(key_owned);
    return problem;
}

/* ---- tsv ---- */

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One escape of print_escaped(), without its backslash. Returns how many bytes it takes; 0: it is
 * none. */
static size_t read_escape(const uint8_t *at, size_t left, uint8_t *out)
{
    if (left == 0)
        return 0;
    if (at[0] == 't' || at[0] == 'n' || at[0] == '\\') {
        *out = at[0] == 't' ? '\t' : at[0] == 'n' ? '\n' : '\\';
        return 1;
    }
    if (at[0] != 'x' || left < 3 || hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
        return 0;
    *out = (uint8_t)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
    return 3;
}

/* In place: what print_escaped() wrote. False: a backslash that begins no escape. */
static bool unescape(uint8_t *bytes, size_t length, struct candor_bytes *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < length;) {
        uint8_t byte = bytes[i++];
        if (byte == '\\') {
            size_t taken = read_escape(bytes + i, length - i, &byte);
            if (taken == 0)
                return false;
            i += taken;
        }
        bytes[kept++] = byte;
    }
    *out = (struct candor_bytes){bytes, kept};
    return true;
}

static const char *take_tsv(const struct import_form *form, struct buffer *line,
                            struct import_pair *out)
{
    struct candor_bytes key;
    struct candor_bytes value;
    uint8_t *end = line->bytes + line->length;
    uint8_t *tab = memchr(line->bytes, '\t', line->length);
    if (tab == NULL)
        return "no tab between key and value";
    if (memchr(tab + 1, '\t', (size_t)(end - tab - 1)) != NULL)
        return "a second tab: a value has it as \\t, and --format lines reads more fields";
    if (!unescape(line->bytes, (size_t)(tab - line->bytes), &key) ||
        !unescape(tab + 1, (size_t)(end - tab - 1), &value))
        return "a backslash begins none of \\t, \\n, \\\\ and \\xNN";
    return take_pair(form, key, value, out);
}

/* ---- lines ---- */

/* The n-th field of a line, counted from 1. */
static bool field_of(const struct import_form *form, const struct buffer *line,
                     struct candor_bytes *out)
{
    const uint8_t *at = line->bytes;
    const uint8_t *end = line->bytes + line->length;
    size_t width = strlen(form->separator);
    for (uint64_t n = 1;; n++) {
        const uint8_t *stop = memmem(at, (size_t)(end - at), form->separator, width);
        if (n == form->key_field) {
            *out = (struct candor_bytes){at, (size_t)((stop != NULL ? stop : end) - at)};
            return true;
        }
        if (stop == NULL)
            return false;
        at = stop + width;
    }
}

static const char *take_fields(const struct import_form *form, const struct buffer *line,
                               struct import_pair *out)
{
    struct candor_bytes key;
    if (!field_of(form, line, &key))
        return "it has no such field (--key-field)";
    return take_pair(form, key, (struct candor_bytes){line->bytes, line->length}, out);
}

/* ---- Any ---- */

const char *import_read_pair(const struct import_form *form, struct buffer *line, enum line_end end,
                             bool first, struct import_pair *out)
{
    *out = (struct import_pair){0};
    if (end == LINE_TOO_LONG)
        return "it is longer than the largest key and value";
    /* Of JSON a part is no object; of text it would be a key with half a value. */
    if (end == LINE_CUT && form->format != IMPORT_JSONL)
        return "no newline ends it, so it may be cut";
    if (form->format == IMPORT_JSONL)
        return take_json(form, line, first, out);
    return form->format == IMPORT_TSV ? take_tsv(form, line, out) : take_fields(form, line, out);
}

void import_pair_free(struct import_pair *pair)
{
    free(pair->owned);
    json_decref(pair->object);
}
