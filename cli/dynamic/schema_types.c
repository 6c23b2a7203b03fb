/* Messages and enums, from descriptors; then the types of fields, by name. */
#include "cli/dynamic/schema_types.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/dynamic/dynamic_wire.h"
#include "cli/dynamic/schema_comments.h"

typedef Google__Protobuf__DescriptorProto Message;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__EnumDescriptorProto Enum;

/* ---- Enums ---- */

static bool add_enum(struct schema_builder *builder, const char *scope, const Enum *from)
{
    struct dynamic_schema *schema = builder->schema;
    struct dynamic_enum *to = schema_take(builder, 1, sizeof *to);
    if (to == NULL || (to->name = schema_join(builder, scope, from->name)) == NULL ||
        (to->comment = schema_comment(builder)) == NULL ||
        (to->values = schema_take(builder, from->n_value, sizeof *to->values)) == NULL)
        return false;
    for (; to->value_count < from->n_value; to->value_count++) {
        struct dynamic_enum_value *value = &to->values[to->value_count];
        value->name = from->value[to->value_count]->name;
        value->number = from->value[to->value_count]->number;
        value->comment = schema_comment_of(builder, ENUM_VALUES, to->value_count);
        if (value->comment == NULL)
            return false;
        if (!schema_is_name(value->name))
            return schema_malformed(builder, "a value of an enum has no name");
    }
    ASSERT_U64(schema->enum_count, <, schema->enum_room);
    schema->enums[schema->enum_count++] = to;
    return true;
}

/* ---- Fields ---- */

/* As protoc makes it: an underscore goes, the letter behind it becomes a capital. */
static const char *camel_case(struct schema_builder *builder, const char *name)
{
    char *out = schema_take(builder, strlen(name) + 1, 1);
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

static bool is_served(const Field *field)
{
    return field->has_type && (int)field->type >= DYNAMIC_DOUBLE &&
           (int)field->type <= DYNAMIC_SINT64 &&
           field->type != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
}

/* Types are found by name once all are known. */
static bool add_field(struct schema_builder *builder, const Message *message, const Field *from,
                      size_t index, struct dynamic_field *to)
{
    if (!schema_is_name(from->name) || !from->has_number || from->number < 1 ||
        from->number > WIRE_NUMBER_MAX)
        return schema_malformed(builder, "a field has no name or number");
    if (!is_served(from))
        return schema_malformed(builder, "a field has a type that is not served");
    if (from->has_oneof_index &&
        (from->oneof_index < 0 || (size_t)from->oneof_index >= message->n_oneof_decl))
        return schema_malformed(builder, "a field is of a oneof that is not there");
    bool typed = (int)from->type == DYNAMIC_MESSAGE || (int)from->type == DYNAMIC_ENUM;
    if (typed && (!schema_is_full_name(from->type_name) || from->type_name[0] != '.'))
        return schema_malformed(builder, "a field's type has no name");
    *to = (struct dynamic_field){
        .name = from->name,
        .json_name = camel_case(builder, from->name),
        .comment = schema_comment_of(builder, MESSAGE_FIELDS, index),
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

static bool add_fields(struct schema_builder *builder, const Message *from,
                       struct dynamic_message *to)
{
    to->fields = schema_take(builder, from->n_field, sizeof *to->fields);
    to->by_number = schema_take(builder, from->n_field, POINTER_BYTES);
    to->oneofs = schema_take(builder, from->n_oneof_decl, sizeof *to->oneofs);
    if (to->fields == NULL || to->by_number == NULL || to->oneofs == NULL)
        return false;
    for (; to->oneof_count < from->n_oneof_decl; to->oneof_count++) {
        to->oneofs[to->oneof_count] = from->oneof_decl[to->oneof_count]->name;
        if (!schema_is_name(to->oneofs[to->oneof_count]))
            return schema_malformed(builder, "a oneof has no name");
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
            return schema_malformed(builder, "two fields of a message have one number");
    }
    return true;
}

/* ---- Messages ---- */

static bool add_message(struct schema_builder *builder, const char *scope, const Message *from)
{
    struct dynamic_schema *schema = builder->schema;
    struct dynamic_message *to = schema_take(builder, 1, sizeof *to);
    if (to == NULL || (to->name = schema_join(builder, scope, from->name)) == NULL ||
        (to->comment = schema_comment(builder)) == NULL || !add_fields(builder, from, to))
        return false;
    ASSERT_U64(schema->message_count, <, schema->message_room);
    schema->messages[schema->message_count++] = to;
    bool good = true;
    for (size_t i = 0; good && i < from->n_enum_type; i++) {
        schema_enter(builder, MESSAGE_ENUMS, i);
        good = add_enum(builder, to->name, from->enum_type[i]);
        schema_leave(builder);
    }
    for (size_t i = 0; good && i < from->n_nested_type; i++) {
        schema_enter(builder, MESSAGE_NESTED, i);
        good = add_message(builder, to->name, from->nested_type[i]);
        schema_leave(builder);
    }
    return good;
}

bool schema_add_types(struct schema_builder *builder, const File *file)
{
    const char *package = file->package != NULL ? file->package : "";
    bool good = schema_begin_file(builder, file);
    for (size_t i = 0; good && i < file->n_message_type; i++) {
        schema_enter(builder, FILE_MESSAGES, i);
        good = add_message(builder, package, file->message_type[i]);
        schema_leave(builder);
    }
    for (size_t i = 0; good && i < file->n_enum_type; i++) {
        schema_enter(builder, FILE_ENUMS, i);
        good = add_enum(builder, package, file->enum_type[i]);
        schema_leave(builder);
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

void schema_count_types(struct dynamic_schema *schema, const File *file)
{
    schema->enum_room += file->n_enum_type;
    for (size_t i = 0; i < file->n_message_type; i++)
        count_message(schema, file->message_type[i]);
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
static bool sort_types(struct schema_builder *builder)
{
    struct dynamic_schema *schema = builder->schema;
    if (schema->message_count > 0)
        qsort(schema->messages, schema->message_count, POINTER_BYTES, message_by_name);
    if (schema->enum_count > 0)
        qsort(schema->enums, schema->enum_count, POINTER_BYTES, enum_by_name);
    for (size_t i = 1; i < schema->message_count; i++) {
        if (strcmp(schema->messages[i - 1]->name, schema->messages[i]->name) == 0)
            return schema_malformed(builder, "two messages have one name");
    }
    return true;
}

static bool resolve_fields(struct schema_builder *builder, const struct dynamic_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        struct dynamic_field *field = &message->fields[i];
        if (field->type == DYNAMIC_MESSAGE)
            field->message = dynamic_message_find(builder->schema, field->type_name + 1);
        if (field->type == DYNAMIC_ENUM)
            field->enumeration = find_enum(builder->schema, field->type_name + 1);
        if (field->type_name != NULL && field->message == NULL && field->enumeration == NULL)
            return schema_malformed(builder, "a field's type is not described");
    }
    return true;
}

bool schema_resolve_types(struct schema_builder *builder)
{
    if (!sort_types(builder))
        return false;
    for (size_t i = 0; i < builder->schema->message_count; i++) {
        if (!resolve_fields(builder, builder->schema->messages[i]))
            return false;
    }
    return true;
}
