/* What a method takes and gives: as a .proto file shows it, or as JSON. */
#include "cli/tools/method_describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/types.h"

#define EXAMPLE_DEPTH 4 /* messages within messages that an example spells out */

/* ---- Its types ---- */

/* Names of types that were shown, and of those still to be. */
struct described {
    size_t count;
    const struct dynamic_message *messages[256];
    size_t enum_count;
    const struct dynamic_enum *enums[256];
};

static void want_message(struct described *all, const struct dynamic_message *message)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->messages[i] == message)
            return;
    }
    if (all->count < sizeof all->messages / sizeof all->messages[0])
        all->messages[all->count++] = message;
}

static void want_enum(struct described *all, const struct dynamic_enum *one)
{
    for (size_t i = 0; i < all->enum_count; i++) {
        if (all->enums[i] == one)
            return;
    }
    if (all->enum_count < sizeof all->enums / sizeof all->enums[0])
        all->enums[all->enum_count++] = one;
}

/* All that a method's messages are made of; what stands for itself is asked for once. */
static void gather(struct described *all, const struct dynamic_method *method)
{
    memset(all, 0, sizeof *all);
    want_message(all, method->input);
    want_message(all, method->output);
    for (size_t i = 0; i < all->count; i++) {
        for (size_t j = 0; j < all->messages[i]->field_count; j++) {
            const struct dynamic_field *field = &all->messages[i]->fields[j];
            if (field->message != NULL)
                want_message(all, field->message);
            if (field->enumeration != NULL)
                want_enum(all, field->enumeration);
        }
    }
}

/* ---- As text ---- */

static void print_comment(const char *comment, const char *lead)
{
    while (comment[0] != '\0') {
        size_t length = strcspn(comment, "\n");
        size_t blanks = strspn(comment, " ");
        printf("%s// %.*s\n", lead, (int)(length - min_u64(blanks, length)),
               comment + min_u64(blanks, length));
        comment += length + (comment[length] == '\n');
    }
}

static void print_message(const struct dynamic_message *message)
{
    int32_t oneof = -1;
    putchar('\n');
    print_comment(message->comment, "");
    printf("message %s {\n", message->name);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct dynamic_field *field = &message->fields[i];
        if (oneof >= 0 && field->oneof != oneof)
            printf("  }\n");
        if (field->oneof >= 0 && field->oneof != oneof)
            printf("  oneof %s {\n", message->oneofs[field->oneof]);
        oneof = field->oneof;
        const char *lead = oneof >= 0 ? "    " : "  ";
        print_comment(field->comment, lead);
        printf("%s%s%s %s = %u;\n", lead, field->repeated ? "repeated " : "",
               dynamic_type_name(field), field->name, field->number);
    }
    printf("%s}\n", oneof >= 0 ? "  }\n" : "");
}

static void print_enum(const struct dynamic_enum *one)
{
    putchar('\n');
    print_comment(one->comment, "");
    printf("enum %s {\n", one->name);
    for (size_t i = 0; i < one->value_count; i++) {
        print_comment(one->values[i].comment, "  ");
        printf("  %s = %d;\n", one->values[i].name, one->values[i].number);
    }
    printf("}\n");
}

/* ---- A request ---- */

/* A request with every field, to be cut down. Of a oneof, the first member. */
static json_t *example(const struct dynamic_message *message, int depth)
{
    json_t *out = json_object();
    int32_t oneof = -1;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct dynamic_field *field = &message->fields[i];
        json_t *value;
        if (field->oneof >= 0 && field->oneof == oneof)
            continue;
        oneof = field->oneof;
        if (field->type == DYNAMIC_MESSAGE)
            value = depth < EXAMPLE_DEPTH ? example(field->message, depth + 1) : json_object();
        else if (field->type == DYNAMIC_ENUM)
            value = json_string(
                field->enumeration->value_count > 0 ? field->enumeration->values[0].name : "");
        else if (field->type == DYNAMIC_BOOL)
            value = json_false();
        else if (field->type == DYNAMIC_STRING || field->type == DYNAMIC_BYTES)
            value = json_string("");
        else
            value = json_integer(0);
        if (field->repeated)
            value = json_pack("[o]", value);
        json_object_set_new(out, field->name, value);
    }
    return out;
}

/* ---- As JSON ---- */

static json_t *message_json(const struct dynamic_message *message)
{
    json_t *fields = json_array();
    for (size_t i = 0; i < message->field_count; i++) {
        const struct dynamic_field *field = &message->fields[i];
        json_array_append_new(
            fields, json_pack("{s:s,s:s,s:b,s:s*,s:s}", "name", field->name, "type",
                              dynamic_type_name(field), "repeated", field->repeated, "oneof",
                              field->oneof >= 0 ? message->oneofs[field->oneof] : NULL, "comment",
                              field->comment));
    }
    return json_pack("{s:s,s:o}", "comment", message->comment, "fields", fields);
}

static json_t *enum_json(const struct dynamic_enum *one)
{
    json_t *values = json_array();
    for (size_t i = 0; i < one->value_count; i++)
        json_array_append_new(values,
                              json_pack("{s:s,s:i,s:s}", "name", one->values[i].name, "number",
                                        one->values[i].number, "comment", one->values[i].comment));
    return json_pack("{s:s,s:o}", "comment", one->comment, "values", values);
}

static json_t *describe_json(const struct dynamic_method *method, const struct described *all)
{
    json_t *messages = json_object();
    json_t *enums = json_object();
    for (size_t i = 0; i < all->count; i++)
        json_object_set_new(messages, all->messages[i]->name, message_json(all->messages[i]));
    for (size_t i = 0; i < all->enum_count; i++)
        json_object_set_new(enums, all->enums[i]->name, enum_json(all->enums[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "method", method->path, "input",
                     method->input->name, "output", method->output->name, "comment",
                     method->comment, "example", example(method->input, 0), "messages", messages,
                     "enums", enums);
}

/* ---- The whole ---- */

int method_describe(struct command_context *ctx, const struct dynamic_method *method)
{
    struct described *all = calloc(1, sizeof *all);
    ASSERT(all != NULL);
    gather(all, method);
    if (context_json(ctx)) {
        output_json(ctx, describe_json(method, all));
        free(all);
        return EXIT_DONE;
    }
    print_comment(method->comment, "");
    printf("rpc %s(%s) returns (%s)%s\n", method->path, method->input->name, method->output->name,
           method->streaming ? " // streaming: cannot be called here" : "");
    for (size_t i = 0; i < all->count; i++)
        print_message(all->messages[i]);
    for (size_t i = 0; i < all->enum_count; i++)
        print_enum(all->enums[i]);
    json_t *request = example(method->input, 0);
    char *text = json_dumps(request, JSON_COMPACT);
    printf("\nA request, every field spelled out (bytes are base64):\n  kvctl rpc %s '%s'\n",
           method->path, text != NULL ? text : "{}");
    free(text);
    json_decref(request);
    free(all);
    return EXIT_DONE;
}
