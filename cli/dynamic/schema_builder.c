/* Memory, errors and names of a schema that is built. */
#include "cli/dynamic/schema_builder.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES_MAX 256

bool schema_malformed(struct schema_builder *builder, const char *what)
{
    candor_error_set(builder->err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                     "the node's descriptors cannot be used: %s", what);
    return false;
}

void *schema_take(struct schema_builder *builder, size_t count, size_t size)
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

bool schema_is_name(const char *text)
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

bool schema_is_full_name(const char *text)
{
    return text != NULL && strlen(text) < NAME_BYTES_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
               strlen(text);
}

const char *schema_join(struct schema_builder *builder, const char *scope, const char *name)
{
    if (!schema_is_full_name(scope) || !schema_is_name(name)) {
        schema_malformed(builder, "a name is missing or not a name");
        return NULL;
    }
    size_t room = strlen(scope) + strlen(name) + 2;
    if (room > NAME_BYTES_MAX) {
        schema_malformed(builder, "a name is too long");
        return NULL;
    }
    char *out = schema_take(builder, room, 1);
    if (out != NULL)
        snprintf(out, room, "%s%s%s", scope, scope[0] != '\0' ? "." : "", name);
    return out;
}
