/* JSON to protobuf bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/nearest.h"
#include "cli/dynamic/dynamic.h"
#include "cli/dynamic/dynamic_scalar.h"
#include "cli/dynamic/dynamic_wire.h"

static bool encode_message(struct encoder *encoder, const struct dynamic_message *message,
                           json_t *json, struct buffer *out);

static bool put_bytes(struct buffer *out, uint32_t number, const void *bytes, size_t length)
{
    dynamic_wire_put_key(out, number, WIRE_BYTES);
    dynamic_wire_put_varint(out, length);
    buffer_put(out, bytes, length);
    return true;
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
        return dynamic_refuse_value(
            encoder, field, field->type == DYNAMIC_BYTES ? "a string of base64" : "a string");
    if (field->type == DYNAMIC_STRING) {
        length = json_string_length(json);
        return (length == 0 && !always) ||
               put_bytes(out, field->number, json_string_value(json), length);
    }
    uint8_t *bytes = dynamic_base64(json, &length);
    if (bytes == NULL)
        return dynamic_refuse_value(encoder, field, "a string of base64");
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
    if (!dynamic_scalar(encoder, field, json, &bits))
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
        return dynamic_refuse(encoder, "null is no element");
    if (dynamic_wire_type(field->type) == WIRE_BYTES)
        return encode_one(encoder, field, json, true, out);
    if (!dynamic_scalar(encoder, field, json, &bits))
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
        return dynamic_refuse(encoder, "it is repeated: it takes an array");
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
        return dynamic_refuse(encoder, "%s has no field '%.64s'; did you mean '%s'?", message->name,
                              name, near);
    return dynamic_refuse(encoder, "%s has no field '%.64s'", message->name, name);
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
        return dynamic_refuse(encoder, "'%s' and '%s' are the same field", field->name, name);
    for (size_t i = 0; field->oneof >= 0 && i < message->field_count; i++) {
        const struct dynamic_field *other = &message->fields[i];
        if (other != field && other->oneof == field->oneof &&
            (is_set(json_object_get(json, other->name)) ||
             is_set(json_object_get(json, other->json_name))))
            return dynamic_refuse(encoder, "only one of '%s' and '%s' may be set", field->name,
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
        return dynamic_refuse(encoder, "%s takes an object", message->name);
    if (++encoder->depth > LIMIT_DYNAMIC_DEPTH)
        return dynamic_refuse(encoder, "messages nest deeper than %d", LIMIT_DYNAMIC_DEPTH);
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
