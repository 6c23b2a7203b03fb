/* Messages by description: JSON to protobuf bytes and back, for any method that a node describes
 * (`kvctl rpc`).
 *
 * The schema comes from a node's reflection service, so it is as hostile as any bytes: names are
 * checked, depth and size are bounded. JSON follows the proto3 mapping: bytes as base64, enums by
 * name (numbers are taken too), field names as in the .proto file (lowerCamelCase is taken too).
 * Integers are numbers, as in all of kvctl's JSON; those of 64 bits may be strings in the input, as
 * proto3 writes them, and are strings in the output where a JSON integer cannot hold them or they
 * are bit patterns (fixed64). Output holds every field, unset ones with their defaults, except
 * members of oneofs and messages that are absent. Maps, groups and extensions are not served:
 * protoc-c has none.
 *
 * Ownership: all that a schema's structs point to lives as long as the schema. Threads: read-only
 * after opening. */
#ifndef CLI_DYNAMIC_H
#define CLI_DYNAMIC_H

#include <jansson.h>

#include <candor/status.h>

#include "base/buffer.h"

struct dynamic_schema;

/* The numbers are those of google.protobuf.FieldDescriptorProto.Type. */
enum dynamic_type {
    DYNAMIC_DOUBLE = 1,
    DYNAMIC_FLOAT = 2,
    DYNAMIC_INT64 = 3,
    DYNAMIC_UINT64 = 4,
    DYNAMIC_INT32 = 5,
    DYNAMIC_FIXED64 = 6,
    DYNAMIC_FIXED32 = 7,
    DYNAMIC_BOOL = 8,
    DYNAMIC_STRING = 9,
    DYNAMIC_MESSAGE = 11,
    DYNAMIC_BYTES = 12,
    DYNAMIC_UINT32 = 13,
    DYNAMIC_ENUM = 14,
    DYNAMIC_SFIXED32 = 15,
    DYNAMIC_SFIXED64 = 16,
    DYNAMIC_SINT32 = 17,
    DYNAMIC_SINT64 = 18,
};

struct dynamic_enum_value {
    const char *name;
    int32_t number;
    const char *comment; /* "" when there is none; likewise below */
};

struct dynamic_enum {
    const char *name; /* "candor.v1.Role" */
    const char *comment;
    size_t value_count;
    struct dynamic_enum_value *values; /* in the order of the .proto file */
};

struct dynamic_field {
    const char *name;
    const char *json_name; /* lowerCamelCase */
    const char *comment;
    uint32_t number;
    enum dynamic_type type;
    bool repeated;
    int32_t oneof;                          /* number of its oneof in the message; -1: none */
    const char *type_name;                  /* of a message or an enum: with a dot in front */
    const struct dynamic_message *message;  /* DYNAMIC_MESSAGE */
    const struct dynamic_enum *enumeration; /* DYNAMIC_ENUM */
};

struct dynamic_message {
    const char *name; /* "candor.v1.GetRequest" */
    const char *comment;
    size_t field_count;
    struct dynamic_field *fields;           /* in the order of the .proto file */
    const struct dynamic_field **by_number; /* ascending */
    size_t oneof_count;
    const char **oneofs; /* names */
};

struct dynamic_method {
    const char *path; /* "/candor.v1.KV/Get" */
    const char *comment;
    const char *service_comment;
    bool streaming; /* cannot be called over REQ/REP */
    const struct dynamic_message *input;
    const struct dynamic_message *output;
};

/* From a serialized google.protobuf.FileDescriptorSet. INTERNAL / MALFORMED, or RESOURCE_EXHAUSTED
 * / TOO_LARGE over LIMIT_DYNAMIC_SCHEMA_BYTES or what that may unfold to. */
enum candor_code dynamic_schema_open(struct slice descriptors, struct dynamic_schema **out,
                                     struct candor_error *err);
void dynamic_schema_close(struct dynamic_schema *schema);

/* Methods in the order of the .proto files. */
size_t dynamic_method_count(const struct dynamic_schema *schema);
const struct dynamic_method *dynamic_method_at(const struct dynamic_schema *schema, size_t n);
/* By path, or by an end of it that only one method has: "KV/Get", "KV.Get", "Get". NULL: none, or
 * several. */
const struct dynamic_method *dynamic_method_find(const struct dynamic_schema *schema,
                                                 const char *name);
/* By full name without a dot in front; NULL: none. */
const struct dynamic_message *dynamic_message_find(const struct dynamic_schema *schema,
                                                   const char *name);

/* Appends the message that `json` describes to `out`. INVALID_ARGUMENT names the member at fault
 * ("ops[2].put.key: ...") and, for an unknown one, the nearest that is known; `out` then holds what
 * was written before. */
enum candor_code dynamic_encode(const struct dynamic_message *message, json_t *json,
                                struct buffer *out, struct candor_error *err);
/* The caller drops *out. INTERNAL / MALFORMED for bytes that are not such a message; TOO_LARGE over
 * LIMIT_DYNAMIC_DEPTH or LIMIT_DYNAMIC_VALUES. Fields that the schema does not know are left
 * out. */
enum candor_code dynamic_decode(const struct dynamic_message *message, struct slice bytes,
                                json_t **out, struct candor_error *err);

/* "uint64", "bytes", "candor.v1.Epoch" ... */
const char *dynamic_type_name(const struct dynamic_field *field);

#endif
