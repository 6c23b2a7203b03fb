/* Descriptors, as a node hands them out, into a schema. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/unpack.h"
#include "cli/dynamic/dynamic.h"
#include "cli/dynamic/dynamic_wire.h"
#include "google/protobuf/descriptor.pb-c.h"

typedef Google__Protobuf__FileDescriptorSet FileSet;
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__DescriptorProto Message;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__ServiceDescriptorProto Service;
typedef Google__Protobuf__MethodDescriptorProto Method;
typedef Google__Protobuf__SourceCodeInfo__Location Location;

#define PATH_NUMBERS (2 * LIMIT_DYNAMIC_DEPTH + 8)
/* the index may take so many times the descriptors' bytes, beside what they unfold to */
#define INDEX_FACTOR 16
#define NAME_BYTES_MAX 256
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
struct builder {
    struct dynamic_schema *schema;
    struct candor_error *err;
    const File *file;
    size_t location_count;
    const Location **locations; /* of the file, by path */
    size_t path_length;
    int32_t path[PATH_NUMBERS];
};

static bool malformed(struct builder *builder, const char *what)
{
    candor_error_set(builder->err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                     "the node's descriptors cannot be used: %s", what);
    return false;
}

static void *take(struct builder *builder, size_t count, size_t size)
{
    size_t bytes;
    void *room = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes))
        room = arena_alloc(&builder->schema->arena, bytes > 0 ? bytes : 1);
    if (room != NULL)
        memset(room, 0, bytes);
    else
        candor_error_set(builder->err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "the node's descriptors unfold to too much");
    return room;
}

/* ---- Names ---- */

/* Names are printed and looked up: nothing but what protoc lets through. */
static bool is_name(const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;
    if (length == 0 || length >= NAME_BYTES_MAX || isdigit((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return false;
    }
    return true;
}

static bool is_full_name(const char *text)
{
    return text != NULL && strlen(text) < NAME_BYTES_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
               strlen(text);
}

/* "scope.name"; NULL after an error. */
static const char *join(struct builder *builder, const char *scope, const char *name)
{
    if (!is_full_name(scope) || !is_name(name)) {
        malformed(builder, "a name is missing or not a name");
        return NULL;
    }
    size_t room = strlen(scope) + strlen(name) + 2;
    if (room > NAME_BYTES_MAX) {
        malformed(builder, "a name is too long");
        return NULL;
    }
    char *out = take(builder, room, 1);
    if (out != NULL)
        snprintf(out, room, "%s%s%s", scope, scope[0] != '\0' ? "." : "", name);
    return out;
}

/* As protoc makes it: an underscore goes, the letter behind it becomes a capital. */
static const char *camel_case(struct builder *builder, const char *name)
{
    char *out = take(builder, strlen(name) + 1, 1);
    if (out == NULL)
        return NULL;
    size_t length = 0;
    bool capital = false;
    for (; *name != '\0'; name++) {
        char letter = *name;
        if (capital)
            letter = (char)toupper((unsigned char)letter);
        capital = letter == '_';
        if (!capital)
            out[length++] = letter;
    }
    return out;
}

/* ---- Comments ---- */

static int compare_path(const int32_t *a, size_t a_length, const int32_t *b, size_t b_length)
{
    for (size_t i = 0; i < a_length && i < b_length; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_length > b_length) - (a_length < b_length);
}

static int by_path(const void *left, const void *right)
{
    const Location *a = *(const Location *const *)left;
    const Location *b = *(const Location *const *)right;
    return compare_path(a->path, a->n_path, b->path, b->n_path);
}

static bool sort_locations(struct builder *builder, const File *file)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    builder->file = file;
    builder->path_length = 0;
    builder->location_count = info != NULL ? info->n_location : 0;
    builder->locations = take(builder, builder->location_count, POINTER_BYTES);
    if (builder->locations == NULL)
        return false;
    for (size_t i = 0; i < builder->location_count; i++)
        builder->locations[i] = info->location[i];
    if (builder->location_count > 0)
        qsort(builder->locations, builder->location_count, POINTER_BYTES, by_path);
    return true;
}

/* Comments are printed: no control bytes but line ends; blanks around are cut. */
static const char *clean_comment(struct builder *builder, const char *text)
{
    while (*text == ' ' || *text == '\n')
        text++;
    size_t length = strlen(text);
    char *out = take(builder, length + 1, 1);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++)
        out[i] = text[i];
    for (char *p = out; p < out + length; p++) {
        if (*p != '\n' && iscntrl((unsigned char)*p))
            *p = ' ';
    }
    while (length > 0 && (out[length - 1] == ' ' || out[length - 1] == '\n'))
        out[--length] = '\0';
    return out;
}

/* Of what builder->path leads to; "" when there is none, NULL after an error. */
static const char *comment(struct builder *builder)
{
    size_t low = 0;
    size_t high = builder->location_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const Location *at = builder->locations[middle];
        int order = compare_path(at->path, at->n_path, builder->path, builder->path_length);
        if (order == 0) {
            const char *text =
                at->leading_comments != NULL ? at->leading_comments : at->trailing_comments;
            return clean_comment(builder, text != NULL ? text : "");
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return "";
}

static void enter(struct builder *builder, int32_t field, size_t index)
{
    ASSERT_U64(builder->path_length + 2, <=, PATH_NUMBERS); /* check_depth() */
    builder->path[builder->path_length++] = field;
    builder->path[builder->path_length++] = (int32_t)index;
}

static void leave(struct builder *builder)
{
    builder->path_length -= 2;
}

static const char *comment_of(struct builder *builder, int32_t field, size_t index)
{
    enter(builder, field, index);
    const char *text = comment(builder);
    leave(builder);
    return text;
}

/* ---- Enums ---- */

static bool add_enum(struct builder *builder, const char *scope, const Enum *from)
{
    struct dynamic_schema *schema = builder->schema;
    struct dynamic_enum *to = take(builder, 1, sizeof *to);
    if (to == NULL || (to->name = join(builder, scope, from->name)) == NULL ||
        (to->comment = comment(builder)) == NULL ||
        (to->values = take(builder, from->n_value, sizeof *to->values)) == NULL)
        return false;
    for (; to->value_count < from->n_value; to->value_count++) {
        struct dynamic_enum_value *value = &to->values[to->value_count];
        value->name = from->value[to->value_count]->name;
        value->number = from->value[to->value_count]->number;
        value->comment = comment_of(builder, ENUM_VALUES, to->value_count);
        if (value->comment == NULL)
            return false;
        if (!is_name(value->name))
            return malformed(builder, "a value of an enum has no name");
    }
    ASSERT_U64(schema->enum_count, <, schema->enum_room);
    schema->enums[schema->enum_count++] = to;
    return true;
}

/* ---- Messages ---- */

static bool is_served(const Field *field)
{
    return field->has_type && (int)field->type >= DYNAMIC_DOUBLE &&
           (int)field->type <= DYNAMIC_SINT64 &&
           field->type != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
}

/* Types are found by name once all are known. */
static bool add_field(struct builder *builder, const Message *message, const Field *from,
                      size_t index, struct dynamic_field *to)
{
    if (!is_name(from->name) || !from->has_number || from->number < 1 ||
        from->number > WIRE_NUMBER_MAX)
        return malformed(builder, "a field has no name or number");
    if (!is_served(from))
        return malformed(builder, "a field has a type that is not served");
    if (from->has_oneof_index &&
        (from->oneof_index < 0 || (size_t)from->oneof_index >= message->n_oneof_decl))
        return malformed(builder, "a field is of a oneof that is not there");
    bool typed = (int)from->type == DYNAMIC_MESSAGE || (int)from->type == DYNAMIC_ENUM;
    if (typed && (!is_full_name(from->type_name) || from->type_name[0] != '.'))
        return malformed(builder, "a field's type has no name");
    *to = (struct dynamic_field){
        .name = from->name,
        .json_name = camel_case(builder, from->name),
        .comment = comment_of(builder, MESSAGE_FIELDS, index),
        .number = (uint32_t)from->number,
        .type = (enum dynamic_type)from->type,
        .repeated = from->has_label &&
                    from->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED,
        .oneof = from->has_oneof_index ? from->oneof_index : -1,
        .type_name = typed ? from->type_name : NULL,
    };
    return to->json_name != NULL && to->comment != NULL;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = (*(const struct dynamic_field *const *)left)->number;
    uint32_t b = (*(const struct dynamic_field *const *)right)->number;
    return (a > b) - (a < b);
}

static bool add_fields(struct builder *builder, const Message *from, struct dynamic_message *to)
{
    to->fields = take(builder, from->n_field, sizeof *to->fields);
    to->by_number = take(builder, from->n_field, POINTER_BYTES);
    to->oneofs = take(builder, from->n_oneof_decl, sizeof *to->oneofs);
    if (to->fields == NULL || to->by_number == NULL || to->oneofs == NULL)
        return false;
    for (; to->oneof_count < from->n_oneof_decl; to->oneof_count++) {
        to->oneofs[to->oneof_count] = from->oneof_decl[to->oneof_count]->name;
        if (!is_name(to->oneofs[to->oneof_count]))
            return malformed(builder, "a oneof has no name");
    }
    for (; to->field_count < from->n_field; to->field_count++) {
        struct dynamic_field *field = &to->fields[to->field_count];
        if (!add_field(builder, from, from->field[to->field_count], to->field_count, field))
            return false;
        to->by_number[to->field_count] = field;
    }
    if (to->field_count > 0)
        qsort(to->by_number, to->field_count, POINTER_BYTES, by_number);
    for (size_t i = 1; i < to->field_count; i++) {
        if (to->by_number[i - 1]->number == to->by_number[i]->number)
            return malformed(builder, "two fields of a message have one number");
    }
    return true;
}

static bool add_message(struct builder *builder, const char *scope, const Message *from)
{
    struct dynamic_schema *schema = builder->schema;
    struct dynamic_message *to = take(builder, 1, sizeof *to);
    if (to == NULL || (to->name = join(builder, scope, from->name)) == NULL ||
        (to->comment = comment(builder)) == NULL || !add_fields(builder, from, to))
        return false;
    ASSERT_U64(schema->message_count, <, schema->message_room);
    schema->messages[schema->message_count++] = to;
    bool good = true;
    for (size_t i = 0; good && i < from->n_enum_type; i++) {
        enter(builder, MESSAGE_ENUMS, i);
        good = add_enum(builder, to->name, from->enum_type[i]);
        leave(builder);
    }
    for (size_t i = 0; good && i < from->n_nested_type; i++) {
        enter(builder, MESSAGE_NESTED, i);
        good = add_message(builder, to->name, from->nested_type[i]);
        leave(builder);
    }
    return good;
}

static void count_message(struct dynamic_schema *schema, const Message *message)
{
    schema->message_room++;
    schema->enum_room += message->n_enum_type;
    for (size_t i = 0; i < message->n_nested_type; i++)
        count_message(schema, message->nested_type[i]);
}

static bool add_types(struct builder *builder, const File *file)
{
    const char *package = file->package != NULL ? file->package : "";
    bool good = sort_locations(builder, file);
    for (size_t i = 0; good && i < file->n_message_type; i++) {
        enter(builder, FILE_MESSAGES, i);
        good = add_message(builder, package, file->message_type[i]);
        leave(builder);
    }
    for (size_t i = 0; good && i < file->n_enum_type; i++) {
        enter(builder, FILE_ENUMS, i);
        good = add_enum(builder, package, file->enum_type[i]);
        leave(builder);
    }
    return good;
}

/* ---- Finding ---- */

static int message_by_name(const void *left, const void *right)
{
    return strcmp((*(const struct dynamic_message *const *)left)->name,
                  (*(const struct dynamic_message *const *)right)->name);
}

static int enum_by_name(const void *left, const void *right)
{
    return strcmp((*(const struct dynamic_enum *const *)left)->name,
                  (*(const struct dynamic_enum *const *)right)->name);
}

const struct dynamic_message *dynamic_message_find(const struct dynamic_schema *schema,
                                                   const char *name)
{
    const struct dynamic_message key = {.name = name};
    const struct dynamic_message *at = &key;
    const struct dynamic_message **found =
        schema->message_count == 0
            ? NULL
            : bsearch(&at, schema->messages, schema->message_count, POINTER_BYTES, message_by_name);
    return found != NULL ? *found : NULL;
}

static const struct dynamic_enum *find_enum(const struct dynamic_schema *schema, const char *name)
{
    const struct dynamic_enum key = {.name = name};
    const struct dynamic_enum *at = &key;
    const struct dynamic_enum **found =
        schema->enum_count == 0
            ? NULL
            : bsearch(&at, schema->enums, schema->enum_count, POINTER_BYTES, enum_by_name);
    return found != NULL ? *found : NULL;
}

/* Sorts what is found by name; a name that stands twice is an error. */
static bool sort_types(struct builder *builder)
{
    struct dynamic_schema *schema = builder->schema;
    if (schema->message_count > 0)
        qsort(schema->messages, schema->message_count, POINTER_BYTES, message_by_name);
    if (schema->enum_count > 0)
        qsort(schema->enums, schema->enum_count, POINTER_BYTES, enum_by_name);
    for (size_t i = 1; i < schema->message_count; i++) {
        if (strcmp(schema->messages[i - 1]->name, schema->messages[i]->name) == 0)
            return malformed(builder, "two messages have one name");
    }
    return true;
}

static bool resolve_fields(struct builder *builder, const struct dynamic_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        struct dynamic_field *field = &message->fields[i];
        if (field->type == DYNAMIC_MESSAGE)
            field->message = dynamic_message_find(builder->schema, field->type_name + 1);
        if (field->type == DYNAMIC_ENUM)
            field->enumeration = find_enum(builder->schema, field->type_name + 1);
        if (field->type_name != NULL && field->message == NULL && field->enumeration == NULL)
            return malformed(builder, "a field's type is not described");
    }
    return true;
}

static bool resolve_types(struct builder *builder)
{
    if (!sort_types(builder))
        return false;
    for (size_t i = 0; i < builder->schema->message_count; i++) {
        if (!resolve_fields(builder, builder->schema->messages[i]))
            return false;
    }
    return true;
}

/* ---- Services ---- */

static const struct dynamic_message *find_type(struct builder *builder, const char *name)
{
    const struct dynamic_message *message = NULL;
    if (is_full_name(name) && name[0] == '.')
        message = dynamic_message_find(builder->schema, name + 1);
    if (message == NULL)
        malformed(builder, "a method's type is not described");
    return message;
}

static bool add_method(struct builder *builder, const char *service, const char *service_comment,
                       const Method *from)
{
    struct dynamic_schema *schema = builder->schema;
    ASSERT_U64(schema->method_count, <, schema->method_room);
    struct dynamic_method *to = &schema->methods[schema->method_count];
    if (!is_name(from->name))
        return malformed(builder, "a method has no name");
    size_t room = strlen(service) + strlen(from->name) + 3;
    char *path = take(builder, room, 1);
    if (path == NULL)
        return false;
    snprintf(path, room, "/%s/%s", service, from->name);
    *to = (struct dynamic_method){
        .path = path,
        .comment = comment(builder),
        .service_comment = service_comment,
        .streaming = from->client_streaming || from->server_streaming,
        .input = find_type(builder, from->input_type),
        .output = find_type(builder, from->output_type),
    };
    schema->method_count++;
    return to->comment != NULL && to->input != NULL && to->output != NULL;
}

static bool add_service(struct builder *builder, const Service *from)
{
    const char *package = builder->file->package != NULL ? builder->file->package : "";
    const char *name = join(builder, package, from->name);
    const char *service_comment = name != NULL ? comment(builder) : NULL;
    bool good = service_comment != NULL;
    for (size_t i = 0; good && i < from->n_method; i++) {
        enter(builder, SERVICE_METHODS, i);
        good = add_method(builder, name, service_comment, from->method[i]);
        leave(builder);
    }
    return good;
}

static bool add_services(struct builder *builder, const File *file)
{
    bool good = sort_locations(builder, file);
    for (size_t i = 0; good && i < file->n_service; i++) {
        enter(builder, FILE_SERVICES, i);
        good = add_service(builder, file->service[i]);
        leave(builder);
    }
    return good;
}

/* ---- The whole ---- */

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

static bool make_room(struct builder *builder, const FileSet *set)
{
    struct dynamic_schema *schema = builder->schema;
    for (size_t f = 0; f < set->n_file; f++) {
        schema->enum_room += set->file[f]->n_enum_type;
        for (size_t i = 0; i < set->file[f]->n_message_type; i++)
            count_message(schema, set->file[f]->message_type[i]);
        for (size_t i = 0; i < set->file[f]->n_service; i++)
            schema->method_room += set->file[f]->service[i]->n_method;
    }
    schema->messages = take(builder, schema->message_room, POINTER_BYTES);
    schema->enums = take(builder, schema->enum_room, POINTER_BYTES);
    schema->methods = take(builder, schema->method_room, sizeof *schema->methods);
    return schema->messages != NULL && schema->enums != NULL && schema->methods != NULL;
}

static bool build(struct builder *builder, const FileSet *set)
{
    bool good = make_room(builder, set);
    for (size_t i = 0; good && i < set->n_file; i++)
        good = add_types(builder, set->file[i]);
    good = good && resolve_types(builder);
    for (size_t i = 0; good && i < set->n_file; i++)
        good = add_services(builder, set->file[i]);
    return good;
}

enum candor_code dynamic_schema_open(struct slice descriptors, struct dynamic_schema **out,
                                     struct candor_error *err)
{
    struct candor_error own = {0};
    struct dynamic_schema *schema = calloc(1, sizeof *schema);
    struct builder builder = {.schema = schema, .err = err != NULL ? err : &own};
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
        malformed(&builder, "they do not decode");
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

/* ---- Methods ---- */

size_t dynamic_method_count(const struct dynamic_schema *schema)
{
    return schema->method_count;
}

const struct dynamic_method *dynamic_method_at(const struct dynamic_schema *schema, size_t n)
{
    ASSERT_U64(n, <, schema->method_count);
    return &schema->methods[n];
}

/* Whether `name` is the end of `path`, whole words alone; a dot may stand for a slash. */
static bool is_end(const char *path, const char *name)
{
    size_t length = strlen(path);
    size_t wanted = strlen(name);
    if (wanted == 0 || wanted > length)
        return false;
    const char *end = path + length - wanted;
    bool whole = end == path || end[-1] == '/' || end[-1] == '.';
    for (size_t i = 0; whole && i < wanted; i++)
        whole = end[i] == name[i] || (end[i] == '/' && name[i] == '.');
    return whole;
}

const struct dynamic_method *dynamic_method_find(const struct dynamic_schema *schema,
                                                 const char *name)
{
    const struct dynamic_method *found = NULL;
    for (size_t i = 0; i < schema->method_count; i++) {
        if (strcmp(schema->methods[i].path, name) == 0)
            return &schema->methods[i];
    }
    for (size_t i = 0; i < schema->method_count; i++) {
        if (!is_end(schema->methods[i].path, name))
            continue;
        if (found != NULL)
            return NULL;
        found = &schema->methods[i];
    }
    return found;
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
