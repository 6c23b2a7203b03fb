/* A schema and what builds it from descriptors: memory, errors, names. */
#ifndef CLI_SCHEMA_BUILDER_H
#define CLI_SCHEMA_BUILDER_H

#include "base/arena.h"
#include "base/limits.h"
#include "cli/dynamic/dynamic.h"
#include "google/protobuf/descriptor.pb-c.h"

typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__SourceCodeInfo__Location Location;

#define PATH_NUMBERS (2 * LIMIT_DYNAMIC_DEPTH + 8)
#define POINTER_BYTES sizeof(void *) /* of an element of a list of pointers */

/* Field numbers of descriptor.proto, as they stand in the paths of source locations. */
enum {
    FILE_MESSAGES = 4,
    FILE_ENUMS = 5,
    FILE_SERVICES = 6,
    MESSAGE_FIELDS = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUMS = 4,
    ENUM_VALUES = 2,
    SERVICE_METHODS = 2
};

struct dynamic_schema {
    struct arena arena; /* of the descriptors and of all below */
    size_t message_count;
    size_t message_room;
    const struct dynamic_message **messages; /* by name, once all are known */
    size_t enum_count;
    size_t enum_room;
    const struct dynamic_enum **enums;
    size_t method_count;
    size_t method_room;
    struct dynamic_method *methods;
};

/* While it is built. */
struct schema_builder {
    struct dynamic_schema *schema;
    struct candor_error *err;
    const File *file;
    size_t location_count;
    const Location **locations; /* of the file, by path */
    size_t path_length;
    int32_t path[PATH_NUMBERS];
};

/* Sets the error; false. */
bool schema_malformed(struct schema_builder *builder, const char *what);
/* Zeroed, of the schema's arena. NULL after an error. */
void *schema_take(struct schema_builder *builder, size_t count, size_t size);

/* Names are printed and looked up: nothing but what protoc lets through. */
bool schema_is_name(const char *text);
bool schema_is_full_name(const char *text);
/* "scope.name"; NULL after an error. */
const char *schema_join(struct schema_builder *builder, const char *scope, const char *name);

#endif
