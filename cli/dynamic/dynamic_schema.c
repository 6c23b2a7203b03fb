/* Descriptors, as a node hands them out, into a schema. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/unpack.h"
#include "cli/dynamic/dynamic_wire.h"
#include "cli/dynamic/schema_services.h"
#include "cli/dynamic/schema_types.h"

typedef Google__Protobuf__FileDescriptorSet FileSet;

/* the index may take so many times the descriptors' bytes, beside what they unfold to */
#define INDEX_FACTOR 16

/* Messages nest in DescriptorProto alone, and protobuf-c unpacks by recursion: depth is bounded
 * before it sees them. */
static bool check_depth(struct slice bytes, int level)
{
    struct reader reader = reader_of(bytes);
    uint32_t deeper = level == 0 ? 1 : level == 1 ? FILE_MESSAGES : MESSAGE_NESTED;
    if (level > LIMIT_DYNAMIC_DEPTH)
        return false;
    while (reader.ok && reader_left(&reader) > 0) {
        struct wire_field field = dynamic_wire_read(&reader);
        if (reader.ok && field.number == deeper && field.type == WIRE_BYTES &&
            !check_depth(field.bytes, level + 1))
            return false;
    }
    return true; /* bytes that are no message: the unpacker says so */
}

static bool make_room(struct schema_builder *builder, const FileSet *set)
{
    struct dynamic_schema *schema = builder->schema;
    for (size_t f = 0; f < set->n_file; f++) {
        schema_count_types(schema, set->file[f]);
        schema_count_methods(schema, set->file[f]);
    }
    schema->messages = schema_take(builder, schema->message_room, POINTER_BYTES);
    schema->enums = schema_take(builder, schema->enum_room, POINTER_BYTES);
    schema->methods = schema_take(builder, schema->method_room, sizeof *schema->methods);
    return schema->messages != NULL && schema->enums != NULL && schema->methods != NULL;
}

static bool build(struct schema_builder *builder, const FileSet *set)
{
    bool good = make_room(builder, set);
    for (size_t i = 0; good && i < set->n_file; i++)
        good = schema_add_types(builder, set->file[i]);
    good = good && schema_resolve_types(builder);
    for (size_t i = 0; good && i < set->n_file; i++)
        good = schema_add_services(builder, set->file[i]);
    return good;
}

enum candor_code dynamic_schema_open(struct slice descriptors, struct dynamic_schema **out,
                                     struct candor_error *err)
{
    struct candor_error own = {0};
    struct dynamic_schema *schema = calloc(1, sizeof *schema);
    struct schema_builder builder = {.schema = schema, .err = err != NULL ? err : &own};
    ProtobufCMessage *set = NULL;
    bool good = false;
    ASSERT(schema != NULL);
    arena_init(&schema->arena, 0);
    unpack_limit(&schema->arena, descriptors.length);
    if (descriptors.length > LIMIT_DYNAMIC_SCHEMA_BYTES || !check_depth(descriptors, 0)) {
        candor_error_set(builder.err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "the node's descriptors are too large or nest too deep");
        goto cleanup;
    }
    switch (unpack_message(&google__protobuf__file_descriptor_set__descriptor, &schema->arena,
                           descriptors, &set)) {
    case UNPACK_OK:
        schema->arena.limit_bytes += INDEX_FACTOR * descriptors.length;
        good = build(&builder, (const FileSet *)set);
        break;
    case UNPACK_MALFORMED:
        schema_malformed(&builder, "they do not decode");
        break;
    case UNPACK_TOO_LARGE:
        candor_error_set(builder.err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "the node's descriptors unfold to too much");
        break;
    case UNPACK_NO_MEMORY:
        candor_error_set(builder.err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "there is no memory for the node's descriptors");
        break;
    }
cleanup:
    if (good) {
        *out = schema;
        return CANDOR_OK;
    }
    dynamic_schema_close(schema);
    return builder.err->code;
}

void dynamic_schema_close(struct dynamic_schema *schema)
{
    if (schema == NULL)
        return;
    arena_free(&schema->arena);
    free(schema);
}

const char *dynamic_type_name(const struct dynamic_field *field)
{
    static const char *const names[] = {
        [DYNAMIC_DOUBLE] = "double",     [DYNAMIC_FLOAT] = "float",
        [DYNAMIC_INT64] = "int64",       [DYNAMIC_UINT64] = "uint64",
        [DYNAMIC_INT32] = "int32",       [DYNAMIC_FIXED64] = "fixed64",
        [DYNAMIC_FIXED32] = "fixed32",   [DYNAMIC_BOOL] = "bool",
        [DYNAMIC_STRING] = "string",     [DYNAMIC_BYTES] = "bytes",
        [DYNAMIC_UINT32] = "uint32",     [DYNAMIC_SFIXED32] = "sfixed32",
        [DYNAMIC_SFIXED64] = "sfixed64", [DYNAMIC_SINT32] = "sint32",
        [DYNAMIC_SINT64] = "sint64",
    };
    return field->type_name != NULL ? field->type_name + 1 : names[field->type];
}
