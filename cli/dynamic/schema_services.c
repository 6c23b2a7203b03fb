/* Services and methods, from descriptors; methods by name. */
#include "cli/dynamic/schema_services.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "cli/dynamic/schema_comments.h"

typedef Google__Protobuf__ServiceDescriptorProto Service;
typedef Google__Protobuf__MethodDescriptorProto Method;

/* ---- Building ---- */

static const struct dynamic_message *find_type(struct schema_builder *builder, const char *name)
{
    const struct dynamic_message *message = NULL;
    if (schema_is_full_name(name) && name[0] == '.')
        message = dynamic_message_find(builder->schema, name + 1);
    if (message == NULL)
        schema_malformed(builder, "a method's type is not described");
    return message;
}

static bool add_method(struct schema_builder *builder, const char *service,
                       const char *service_comment, const Method *from)
{
    struct dynamic_schema *schema = builder->schema;
    ASSERT_U64(schema->method_count, <, schema->method_room);
    struct dynamic_method *to = &schema->methods[schema->method_count];
    if (!schema_is_name(from->name))
        return schema_malformed(builder, "a method has no name");
    size_t room = strlen(service) + strlen(from->name) + 3;
    char *path = schema_take(builder, room, 1);
    if (path == NULL)
        return false;
    snprintf(path, room, "/%s/%s", service, from->name);
    *to = (struct dynamic_method){
        .path = path,
        .comment = schema_comment(builder),
        .service_comment = service_comment,
        .streaming = from->client_streaming || from->server_streaming,
        .input = find_type(builder, from->input_type),
        .output = find_type(builder, from->output_type),
    };
    schema->method_count++;
    return to->comment != NULL && to->input != NULL && to->output != NULL;
}

static bool add_service(struct schema_builder *builder, const Service *from)
{
    const char *package = builder->file->package != NULL ? builder->file->package : "";
    const char *name = schema_join(builder, package, from->name);
    const char *service_comment = name != NULL ? schema_comment(builder) : NULL;
    bool good = service_comment != NULL;
    for (size_t i = 0; good && i < from->n_method; i++) {
        schema_enter(builder, SERVICE_METHODS, i);
        good = add_method(builder, name, service_comment, from->method[i]);
        schema_leave(builder);
    }
    return good;
}

bool schema_add_services(struct schema_builder *builder, const File *file)
{
    bool good = schema_begin_file(builder, file);
    for (size_t i = 0; good && i < file->n_service; i++) {
        schema_enter(builder, FILE_SERVICES, i);
        good = add_service(builder, file->service[i]);
        schema_leave(builder);
    }
    return good;
}

void schema_count_methods(struct dynamic_schema *schema, const File *file)
{
    for (size_t i = 0; i < file->n_service; i++)
        schema->method_room += file->service[i]->n_method;
}

/* ---- Finding ---- */

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
