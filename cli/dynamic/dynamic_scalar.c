/* One value of JSON, as the bits of a field that is no message. */
#include "cli/dynamic/dynamic_scalar.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/nearest.h"
#include "cli/dynamic/json_number.h"

bool dynamic_refuse(const struct encoder *encoder, const char *format, ...)
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

bool dynamic_refuse_value(const struct encoder *encoder, const struct dynamic_field *field,
                          const char *wanted)
{
    return dynamic_refuse(encoder, "%s takes %s", dynamic_type_name(field), wanted);
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
    if (!json_signed_number(json, small ? INT32_MIN : INT64_MIN, small ? INT32_MAX : INT64_MAX,
                            &value))
        return dynamic_refuse_value(encoder, field,
                                    small
                                        ? "a whole number from -2147483648 to 2147483647"
                                        : "a whole number of 64 bits; write large ones as strings");
    *bits = zigzagged ? zigzag(value) : (uint64_t)value;
    return true;
}

static bool encode_unsigned(struct encoder *encoder, const struct dynamic_field *field,
                            json_t *json, uint64_t *bits)
{
    bool small = field->type == DYNAMIC_UINT32 || field->type == DYNAMIC_FIXED32;
    if (json_unsigned_number(json, small ? UINT32_MAX : UINT64_MAX, bits))
        return true;
    return dynamic_refuse_value(
        encoder, field,
        small ? "a whole number from 0 to 4294967295"
              : "a whole number of 64 bits from 0 on; write large ones as strings");
}

static bool encode_real(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                        uint64_t *bits)
{
    double value;
    if (!json_real_number(json, &value) ||
        (field->type == DYNAMIC_FLOAT && isfinite(value) && fabs(value) > (double)FLT_MAX))
        return dynamic_refuse_value(encoder, field,
                                    "a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
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
        if (!json_signed_number(json, INT32_MIN, INT32_MAX, &number))
            return dynamic_refuse_value(encoder, field, "a name or a number");
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
    return dynamic_refuse(encoder, "%s has no value '%.64s'%s%s%s", known->name, text,
                          near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                          near != NULL ? "'?" : "");
}

bool dynamic_scalar(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
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
        return json_is_boolean(json) || dynamic_refuse_value(encoder, field, "true or false");
    default:
        return encode_unsigned(encoder, field, json, bits);
    }
}

/* ---- Bytes ---- */

uint8_t *dynamic_base64(json_t *json, size_t *out_length)
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
