/* Protobuf bytes to JSON. The bytes are hostile. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "cli/dynamic/dynamic.h"
#include "cli/dynamic/dynamic_wire.h"

struct decoder {
    struct candor_error *err;
    size_t depth;
    size_t values; /* made so far */
};

static bool decode_into(struct decoder *decoder, const struct dynamic_message *message,
                        struct slice bytes, json_t *into);

static bool malformed(struct decoder *decoder, const char *where)
{
    candor_error_set(decoder->err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                     "%s: the bytes do not decode", where);
    return false;
}

static bool count_values(struct decoder *decoder, size_t more)
{
    decoder->values += more;
    if (decoder->values <= LIMIT_DYNAMIC_VALUES)
        return true;
    candor_error_set(decoder->err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                     "the message unfolds to more than %d values", LIMIT_DYNAMIC_VALUES);
    return false;
}

/* ---- Values ---- */

/* Counts, positions and times are numbers, as everywhere in kvctl: one beyond those of JSON as
 * jansson has them is text, as all of 64 bits are in proto3's own JSON. What is a bit pattern, and
 * not counted (fixed64: ids and digests), is text always. */
static json_t *unsigned_text(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return json_string(text);
}

static json_t *signed_text(int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return json_string(text);
}

static json_t *real(double value)
{
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value < 0 ? "-Infinity" : "Infinity");
    return json_real(value);
}

static json_t *real_of(enum dynamic_type type, uint64_t bits)
{
    double wide;
    float narrow;
    uint32_t half = (uint32_t)bits;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &half, sizeof narrow);
    return real(type == DYNAMIC_FLOAT ? (double)narrow : wide);
}

static int64_t unzigzag(uint64_t bits)
{
    return (int64_t)(bits >> 1 ^ (0 - (bits & 1)));
}

static json_t *enum_of(const struct dynamic_enum *known, int32_t number)
{
    for (size_t i = 0; i < known->value_count; i++) {
        if (known->values[i].number == number)
            return json_string(known->values[i].name);
    }
    return json_integer(number); /* of a newer version */
}

static json_t *number_of(const struct dynamic_field *field, uint64_t bits)
{
    switch (field->type) {
    case DYNAMIC_DOUBLE:
    case DYNAMIC_FLOAT:
        return real_of(field->type, bits);
    case DYNAMIC_INT64:
        return json_integer((int64_t)bits);
    case DYNAMIC_SINT64:
        return json_integer(unzigzag(bits));
    case DYNAMIC_UINT64:
        return bits <= INT64_MAX ? json_integer((int64_t)bits) : unsigned_text(bits);
    case DYNAMIC_SFIXED64:
        return signed_text((int64_t)bits);
    case DYNAMIC_FIXED64:
        return unsigned_text(bits);
    case DYNAMIC_INT32:
    case DYNAMIC_SFIXED32:
        return json_integer((int32_t)(uint32_t)bits);
    case DYNAMIC_SINT32:
        return json_integer((int32_t)unzigzag(bits & UINT32_MAX));
    case DYNAMIC_BOOL:
        return json_boolean(bits != 0);
    case DYNAMIC_ENUM:
        return enum_of(field->enumeration, (int32_t)(uint32_t)bits);
    default:
        return json_integer((uint32_t)bits);
    }
}

static json_t *bytes_of(struct decoder *decoder, const struct dynamic_field *field,
                        struct slice bytes)
{
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.length > 0 ? bytes.bytes : nothing;
    if (field->type == DYNAMIC_STRING) {
        json_t *text = json_stringn((const char *)at, bytes.length);
        /* not UTF-8 */
        if (text == NULL)
            malformed(decoder, field->name);
        return text;
    }
    char *encoded = base64_encode(at, bytes.length);
    json_t *text = json_string(encoded);
    free(encoded);
    return text;
}

/* ---- Fields ---- */

static json_t *array_of(json_t *into, const char *name)
{
    json_t *array = json_object_get(into, name);
    if (array == NULL) {
        array = json_array();
        json_object_set_new(into, name, array);
    }
    return array;
}

/* The last member of a oneof that came is the one that is set. */
static void clear_oneof(const struct dynamic_message *message, const struct dynamic_field *field,
                        json_t *into)
{
    for (size_t i = 0; field->oneof >= 0 && i < message->field_count; i++) {
        const struct dynamic_field *other = &message->fields[i];
        if (other != field && other->oneof == field->oneof)
            json_object_del(into, other->name);
    }
}

static void set_value(const struct dynamic_message *message, const struct dynamic_field *field,
                      json_t *into, json_t *value)
{
    if (field->repeated) {
        json_array_append_new(array_of(into, field->name), value);
    } else {
        clear_oneof(message, field, into);
        json_object_set_new(into, field->name, value);
    }
}

/* A message that comes twice is merged, as protobuf has it. */
static bool decode_nested(struct decoder *decoder, const struct dynamic_message *message,
                          const struct dynamic_field *field, struct slice bytes, json_t *into)
{
    json_t *inner = field->repeated ? NULL : json_object_get(into, field->name);
    if (inner == NULL) {
        inner = json_object();
        set_value(message, field, into, inner);
    }
    return decode_into(decoder, field->message, bytes, inner);
}

static bool decode_packed(struct decoder *decoder, const struct dynamic_field *field,
                          struct slice bytes, json_t *into)
{
    struct reader reader = reader_of(bytes);
    enum wire_type type = dynamic_wire_type(field->type);
    json_t *array = array_of(into, field->name);
    while (reader_left(&reader) > 0) {
        uint64_t bits = type == WIRE_64   ? read_u64(&reader)
                        : type == WIRE_32 ? read_u32(&reader)
                                          : dynamic_wire_read_varint(&reader);
        if (!reader.ok)
            return malformed(decoder, field->name);
        if (!count_values(decoder, 1))
            return false;
        json_array_append_new(array, number_of(field, bits));
    }
    return true;
}

static bool decode_field(struct decoder *decoder, const struct dynamic_message *message,
                         const struct dynamic_field *field, const struct wire_field *wire,
                         json_t *into)
{
    enum wire_type type = dynamic_wire_type(field->type);
    if (wire->type == WIRE_BYTES && type != WIRE_BYTES && field->repeated)
        return decode_packed(decoder, field, wire->bytes, into);
    /* as an unknown field */
    if (wire->type != type)
        return true;
    if (!count_values(decoder, 1))
        return false;
    if (field->type == DYNAMIC_MESSAGE)
        return decode_nested(decoder, message, field, wire->bytes, into);
    json_t *value =
        type == WIRE_BYTES ? bytes_of(decoder, field, wire->bytes) : number_of(field, wire->value);
    if (value == NULL)
        return false;
    set_value(message, field, into, value);
    return true;
}

static const struct dynamic_field *find_number(const struct dynamic_message *message,
                                               uint32_t number)
{
    size_t low = 0;
    size_t high = message->field_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (message->by_number[middle]->number == number)
            return message->by_number[middle];
        if (message->by_number[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool decode_into(struct decoder *decoder, const struct dynamic_message *message,
                        struct slice bytes, json_t *into)
{
    struct reader reader = reader_of(bytes);
    if (++decoder->depth > LIMIT_DYNAMIC_DEPTH) {
        candor_error_set(decoder->err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "messages nest deeper than %d", LIMIT_DYNAMIC_DEPTH);
        return false;
    }
    while (reader_left(&reader) > 0) {
        struct wire_field wire = dynamic_wire_read(&reader);
        if (!reader.ok)
            return malformed(decoder, message->name);
        const struct dynamic_field *field = find_number(message, wire.number);
        if (field != NULL && !decode_field(decoder, message, field, &wire, into))
            return false;
    }
    decoder->depth--;
    return true;
}

/* ---- Defaults and order ---- */

static json_t *default_of(const struct dynamic_field *field)
{
    if (field->repeated)
        return json_array();
    if (field->oneof >= 0 || field->type == DYNAMIC_MESSAGE)
        return NULL;
    if (field->type == DYNAMIC_STRING || field->type == DYNAMIC_BYTES)
        return json_string("");
    return number_of(field, 0);
}

static bool complete(struct decoder *decoder, const struct dynamic_message *message,
                     const json_t *from, json_t **out);

/* What *out holds is the caller's, after a failure as well. */
static bool complete_value(struct decoder *decoder, const struct dynamic_field *field,
                           json_t *value, json_t **out)
{
    size_t i;
    json_t *element;
    if (field->type != DYNAMIC_MESSAGE || !field->repeated) {
        if (field->type == DYNAMIC_MESSAGE)
            return complete(decoder, field->message, value, out);
        *out = json_incref(value);
        return true;
    }
    *out = json_array();
    json_array_foreach(value, i, element)
    {
        json_t *whole = NULL;
        if (!complete(decoder, field->message, element, &whole))
            return false;
        json_array_append_new(*out, whole);
    }
    return true;
}

/* The same with defaults, fields in the order of the .proto file. */
static bool complete(struct decoder *decoder, const struct dynamic_message *message,
                     const json_t *from, json_t **out)
{
    json_t *whole = json_object();
    bool good = true;
    for (size_t i = 0; i < message->field_count && good; i++) {
        const struct dynamic_field *field = &message->fields[i];
        json_t *value = json_object_get(from, field->name);
        json_t *set = NULL;
        if (value != NULL)
            good = complete_value(decoder, field, value, &set);
        else if ((set = default_of(field)) != NULL)
            good = count_values(decoder, 1);
        if (good && set != NULL)
            json_object_set_new(whole, field->name, set);
        else
            json_decref(set);
    }
    if (!good) {
        json_decref(whole);
        return false;
    }
    *out = whole;
    return true;
}

enum candor_code dynamic_decode(const struct dynamic_message *message, struct slice bytes,
                                json_t **out, struct candor_error *err)
{
    struct candor_error own;
    struct decoder decoder = {.err = err != NULL ? err : &own};
    json_t *set = json_object();
    ASSERT(set != NULL);
    bool good = decode_into(&decoder, message, bytes, set) && complete(&decoder, message, set, out);
    json_decref(set);
    return good ? CANDOR_OK : decoder.err->code;
}
