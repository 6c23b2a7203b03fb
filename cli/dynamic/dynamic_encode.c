/* JSON to protobuf bytes. */
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/nearest.h"
#include "cli/dynamic/dynamic.h"
#include "cli/dynamic/dynamic_wire.h"

#define PATH_BYTES 256
#define EXACT_DOUBLE 9007199254740992.0 /* 2^53: whole numbers up to here are exact */

struct encoder {
    struct candor_error *err;
    size_t depth;
    char path[PATH_BYTES]; /* of the member at hand, for errors: "ops[2].put.key" */
};

static bool encode_message(struct encoder *encoder, const struct dynamic_message *message,
                           json_t *json, struct buffer *out);

__attribute__((format(printf, 2, 3))) static bool refuse(const struct encoder *encoder,
                                                         const char *format, ...)
{
    char what[256];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    candor_error_set(encoder->err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s%s%s",
                     encoder->path, encoder->path[0] != '\0' ? ": " : "", what);
    return false;
}

static bool refuse_value(const struct encoder *encoder, const struct dynamic_field *field,
                         const char *wanted)
{
    return refuse(encoder, "%s takes %s", dynamic_type_name(field), wanted);
}

/* ---- Numbers ---- */

/* A whole number of JSON or of a string, as sign and magnitude. */
static bool whole_number(json_t *json, bool *negative, uint64_t *magnitude)
{
    double real = json_real_value(json);
    const char *text = json_string_value(json);
    if (json_is_integer(json)) {
        json_int_t value = json_integer_value(json);
        *negative = value < 0;
        *magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        return true;
    }
    if (json_is_real(json)) {
        *negative = real < 0;
        *magnitude = fabs(real) <= EXACT_DOUBLE ? (uint64_t)fabs(real) : 0;
        return fabs(real) <= EXACT_DOUBLE && floor(real) == real;
    }
    if (text == NULL)
        return false;
    *negative = text[0] == '-';
    text += *negative;
    if (text[0] == '\0' || strspn(text, "0123456789") != json_string_length(json) - *negative)
        return false;
    errno = 0;
    *magnitude = strtoull(text, NULL, 10);
    return errno == 0;
}

static bool signed_number(json_t *json, int64_t min, int64_t max, int64_t *out)
{
    bool negative;
    uint64_t magnitude;
    if (!whole_number(json, &negative, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return *out >= min && *out <= max;
}

static bool unsigned_number(json_t *json, uint64_t max, uint64_t *out)
{
    bool negative;
    return whole_number(json, &negative, out) && (!negative || *out == 0) && *out <= max;
}

static bool real_number(json_t *json, double *out)
{
    const char *text = json_string_value(json);
    char *end = NULL;
    if (json_is_number(json)) {
        *out = json_number_value(json);
        return true;
    }
    if (text == NULL || text[0] == '\0' ||
        strspn(text, "0123456789+-.eE") != json_string_length(json)) {
        bool known = text != NULL && (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
                                      strcmp(text, "-Infinity") == 0);
        *out = !known ? 0 : text[0] == 'N' ? NAN : text[0] == '-' ? -INFINITY : INFINITY;
        return known;
    }
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static bool encode_signed(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                          uint64_t *bits)
{
    bool small = field->type == DYNAMIC_INT32 || field->type == DYNAMIC_SINT32 ||
                 field->type == DYNAMIC_SFIXED32;
    bool zigzagged = field->type == DYNAMIC_SINT32 || field->type == DYNAMIC_SINT64;
    int64_t value;
    if (!signed_number(json, small ? INT32_MIN : INT64_MIN, small ? INT32_MAX : INT64_MAX, &value))
        return refuse_value(encoder, field,
                            small ? "a whole number from -2147483648 to 2147483647"
                                  : "a whole number of 64 bits; write large ones as strings");
    *bits = zigzagged ? zigzag(value) : (uint64_t)value;
    return true;
}

static bool encode_unsigned(struct encoder *encoder, const struct dynamic_field *field,
                            json_t *json, uint64_t *bits)
{
    bool small = field->type == DYNAMIC_UINT32 || field->type == DYNAMIC_FIXED32;
    if (unsigned_number(json, small ? UINT32_MAX : UINT64_MAX, bits))
        return true;
    return refuse_value(encoder, field,
                        small ? "a whole number from 0 to 4294967295"
                              : "a whole number of 64 bits from 0 on; write large ones as strings");
}

static bool encode_real(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                        uint64_t *bits)
{
    double value;
    if (!real_number(json, &value) ||
        (field->type == DYNAMIC_FLOAT && isfinite(value) && fabs(value) > (double)FLT_MAX))
        return refuse_value(encoder, field, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
    *bits = 0;
    if (field->type == DYNAMIC_FLOAT) {
        float narrow = (float)value;
        uint32_t half;
        memcpy(&half, &narrow, sizeof half);
        *bits = half;
    } else {
        memcpy(bits, &value, sizeof *bits);
    }
    return true;
}

static bool encode_enum(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                        uint64_t *bits)
{
    const struct dynamic_enum *known = field->enumeration;
    const char *text = json_string_value(json);
    int64_t number;
    if (text == NULL) {
        if (!signed_number(json, INT32_MIN, INT32_MAX, &number))
            return refuse_value(encoder, field, "a name or a number");
        *bits = (uint64_t)number;
        return true;
    }
    const char **words = calloc(known->value_count + 1, sizeof *words);
    ASSERT(words != NULL);
    bool found = false;
    for (size_t i = 0; i < known->value_count && !found; i++) {
        words[i] = known->values[i].name;
        found = strcmp(words[i], text) == 0;
        *bits = (uint64_t)(int64_t)known->values[i].number;
    }
    const char *near = found ? NULL : nearest_word(text, words);
    free(words);
    if (found)
        return true;
    return refuse(encoder, "%s has no value '%.64s'%s%s%s", known->name, text,
                  near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                  near != NULL ? "'?" : "");
}

/* ---- Bytes ---- */

/* Both alphabets are taken, with padding and without. */
static uint8_t *decode_base64(json_t *json, size_t *out_length)
{
    size_t length = json_string_length(json);
    const char *text = json_string_value(json);
    char *plain = malloc(length + 4);
    ASSERT(plain != NULL);
    for (size_t i = 0; i < length; i++)
        plain[i] = text[i];
    for (char *p = plain; p < plain + length; p++) {
        if (*p == '-')
            *p = '+';
        else if (*p == '_')
            *p = '/';
    }
    /* where it is there already, the decoder refuses */
    for (size_t begun = length; begun % 4 != 0; begun++)
        plain[length++] = '=';
    plain[length] = '\0';
    uint8_t *bytes = strlen(plain) == length && strpbrk(plain, " \r\n") == NULL
                         ? base64_decode(plain, out_length)
                         : NULL;
    free(plain);
    return bytes;
}

static bool put_bytes(struct buffer *out, uint32_t number, const void *bytes, size_t length)
{
    dynamic_wire_put_key(out, number, WIRE_BYTES);
    dynamic_wire_put_varint(out, length);
    buffer_put(out, bytes, length);
    return true;
}

/* ---- Fields ---- */

/* The bits of a number, a bool or an enum. */
static bool encode_bits(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                        uint64_t *bits)
{
    switch (field->type) {
    case DYNAMIC_DOUBLE:
    case DYNAMIC_FLOAT:
        return encode_real(encoder, field, json, bits);
    case DYNAMIC_INT64:
    case DYNAMIC_INT32:
    case DYNAMIC_SFIXED32:
    case DYNAMIC_SFIXED64:
    case DYNAMIC_SINT32:
    case DYNAMIC_SINT64:
        return encode_signed(encoder, field, json, bits);
    case DYNAMIC_ENUM:
        return encode_enum(encoder, field, json, bits);
    case DYNAMIC_BOOL:
        *bits = json_is_true(json);
        return json_is_boolean(json) || refuse_value(encoder, field, "true or false");
    default:
        return encode_unsigned(encoder, field, json, bits);
    }
}

static void put_bits(struct buffer *out, enum wire_type type, uint64_t bits)
{
    if (type == WIRE_64)
        buffer_put_u64(out, bits);
    else if (type == WIRE_32)
        buffer_put_u32(out, (uint32_t)bits);
    else
        dynamic_wire_put_varint(out, bits);
}

static bool encode_string(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                          bool always, struct buffer *out)
{
    size_t length = 0;
    if (!json_is_string(json))
        return refuse_value(encoder, field,
                            field->type == DYNAMIC_BYTES ? "a string of base64" : "a string");
    if (field->type == DYNAMIC_STRING) {
        length = json_string_length(json);
        return (length == 0 && !always) ||
               put_bytes(out, field->number, json_string_value(json), length);
    }
    uint8_t *bytes = decode_base64(json, &length);
    if (bytes == NULL)
        return refuse_value(encoder, field, "a string of base64");
    if (length > 0 || always)
        put_bytes(out, field->number, bytes, length);
    free(bytes);
    return true;
}

static bool encode_nested(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                          struct buffer *out)
{
    struct buffer inner = {0};
    bool good = encode_message(encoder, field->message, json, &inner);
    if (good)
        put_bytes(out, field->number, inner.bytes, inner.length);
    buffer_free(&inner);
    return good;
}

/* `always`: a default is written too, since its presence means something. */
static bool encode_one(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                       bool always, struct buffer *out)
{
    uint64_t bits;
    if (field->type == DYNAMIC_MESSAGE)
        return encode_nested(encoder, field, json, out);
    if (field->type == DYNAMIC_STRING || field->type == DYNAMIC_BYTES)
        return encode_string(encoder, field, json, always, out);
    if (!encode_bits(encoder, field, json, &bits))
        return false;
    if (bits == 0 && !always)
        return true;
    dynamic_wire_put_key(out, field->number, dynamic_wire_type(field->type));
    put_bits(out, dynamic_wire_type(field->type), bits);
    return true;
}

static bool encode_element(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                           struct buffer *packed, struct buffer *out)
{
    uint64_t bits;
    if (json_is_null(json))
        return refuse(encoder, "null is no element");
    if (dynamic_wire_type(field->type) == WIRE_BYTES)
        return encode_one(encoder, field, json, true, out);
    if (!encode_bits(encoder, field, json, &bits))
        return false;
    put_bits(packed, dynamic_wire_type(field->type), bits);
    return true;
}

/* Numbers are packed, as proto3 has it. */
static bool encode_repeated(struct encoder *encoder, const struct dynamic_field *field,
                            json_t *json, struct buffer *out)
{
    struct buffer packed = {0};
    size_t length = strlen(encoder->path);
    size_t i;
    json_t *element;
    bool good = true;
    if (!json_is_array(json))
        return refuse(encoder, "it is repeated: it takes an array");
    json_array_foreach(json, i, element)
    {
        snprintf(encoder->path + length, PATH_BYTES - length, "[%zu]", i);
        good = encode_element(encoder, field, element, &packed, out);
        if (!good)
            break;
        encoder->path[length] = '\0';
    }
    if (good && packed.length > 0)
        put_bytes(out, field->number, packed.bytes, packed.length);
    buffer_free(&packed);
    return good;
}

/* ---- Messages ---- */

static const struct dynamic_field *find_field(const struct dynamic_message *message,
                                              const char *name)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (strcmp(message->fields[i].name, name) == 0 ||
            strcmp(message->fields[i].json_name, name) == 0)
            return &message->fields[i];
    }
    return NULL;
}

static bool refuse_unknown(const struct encoder *encoder, const struct dynamic_message *message,
                           const char *name)
{
    const char **words = calloc(message->field_count + 1, sizeof *words);
    ASSERT(words != NULL);
    for (size_t i = 0; i < message->field_count; i++)
        words[i] = message->fields[i].name;
    const char *near = nearest_word(name, words);
    free(words);
    if (near != NULL)
        return refuse(encoder, "%s has no field '%.64s'; did you mean '%s'?", message->name, name,
                      near);
    return refuse(encoder, "%s has no field '%.64s'", message->name, name);
}

static bool is_set(json_t *json)
{
    return json != NULL && !json_is_null(json);
}

/* A field by both its names, or two members of a oneof: only one of them could arrive. */
static bool check_once(const struct encoder *encoder, const struct dynamic_message *message,
                       json_t *json, const struct dynamic_field *field, const char *name)
{
    bool camel = strcmp(field->name, name) != 0;
    if (camel && is_set(json_object_get(json, field->name)))
        return refuse(encoder, "'%s' and '%s' are the same field", field->name, name);
    for (size_t i = 0; field->oneof >= 0 && i < message->field_count; i++) {
        const struct dynamic_field *other = &message->fields[i];
        if (other != field && other->oneof == field->oneof &&
            (is_set(json_object_get(json, other->name)) ||
             is_set(json_object_get(json, other->json_name))))
            return refuse(encoder, "only one of '%s' and '%s' may be set", field->name,
                          other->name);
    }
    return true;
}

static bool encode_member(struct encoder *encoder, const struct dynamic_message *message,
                          json_t *json, const char *name, json_t *value, struct buffer *out)
{
    const struct dynamic_field *field = find_field(message, name);
    if (field == NULL)
        return refuse_unknown(encoder, message, name);
    /* as if it were not there */
    if (json_is_null(value))
        return true;
    if (!check_once(encoder, message, json, field, name))
        return false;
    size_t length = strlen(encoder->path);
    snprintf(encoder->path + length, PATH_BYTES - length, "%s%s", length > 0 ? "." : "", name);
    bool good = field->repeated ? encode_repeated(encoder, field, value, out)
                                : encode_one(encoder, field, value, field->oneof >= 0, out);
    if (good)
        encoder->path[length] = '\0';
    return good;
}

static bool encode_message(struct encoder *encoder, const struct dynamic_message *message,
                           json_t *json, struct buffer *out)
{
    if (!json_is_object(json))
        return refuse(encoder, "%s takes an object", message->name);
    if (++encoder->depth > LIMIT_DYNAMIC_DEPTH)
        return refuse(encoder, "messages nest deeper than %d", LIMIT_DYNAMIC_DEPTH);
    bool good = true;
    for (void *at = json_object_iter(json); at != NULL && good;
         at = json_object_iter_next(json, at))
        good = encode_member(encoder, message, json, json_object_iter_key(at),
                             json_object_iter_value(at), out);
    encoder->depth--;
    return good;
}

enum candor_code dynamic_encode(const struct dynamic_message *message, json_t *json,
                                struct buffer *out, struct candor_error *err)
{
    struct candor_error own;
    struct encoder encoder = {.err = err != NULL ? err : &own};
    return encode_message(&encoder, message, json, out) ? CANDOR_OK : encoder.err->code;
}
