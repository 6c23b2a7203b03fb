/* Methods of a node, found by a name and listed. */
#include "cli/tools/method_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char *after_slash(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static const char *after_dot(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

static size_t service_length(const char *path)
{
    return (size_t)(after_slash(path) - path);
}

/* ---- Finding ---- */

/* The nearest is told by the method's own name. */
const struct dynamic_method *method_find(struct command_context *ctx,
                                         const struct dynamic_schema *schema, const char *name,
                                         int *status)
{
    const struct dynamic_method *method = dynamic_method_find(schema, name);
    if (method != NULL)
        return method;
    size_t count = dynamic_method_count(schema);
    const char **words = calloc(count + 1, sizeof *words);
    ASSERT(words != NULL);
    for (size_t i = 0; i < count; i++)
        words[i] = after_slash(dynamic_method_at(schema, i)->path);
    const char *near = nearest_word(after_dot(after_slash(name)), words);
    char hint[384] = "`kvctl rpc --list` lists the methods";
    for (size_t i = 0; i < count && near != NULL; i++) {
        if (words[i] != near)
            continue;
        snprintf(hint, sizeof hint, "did you mean '%s'?", dynamic_method_at(schema, i)->path);
    }
    free(words);
    *status = report_usage(ctx, hint, "no method '%s', or several that end so", name);
    return NULL;
}

/* ---- Listing ---- */

/* Its lines as one: a comment breaks them anywhere. */
static void print_first_sentence(const char *comment)
{
    for (const char *p = comment; *p != '\0'; p++) {
        bool ends = *p == '.' && (p[1] == '\0' || p[1] == ' ' || p[1] == '\n');
        if (*p != '\n' || p[1] != ' ')
            putchar(*p == '\n' ? ' ' : *p);
        if (ends)
            return;
    }
}

int method_list(struct command_context *ctx, const struct dynamic_schema *schema)
{
    json_t *list = json_array();
    const char *service = "";
    for (size_t i = 0; i < dynamic_method_count(schema); i++) {
        const struct dynamic_method *method = dynamic_method_at(schema, i);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "method", method->path, "input",
                                              method->input->name, "output", method->output->name,
                                              "comment", method->comment));
        if (context_json(ctx))
            continue;
        if (strncmp(service, method->path, service_length(method->path)) != 0) {
            service = method->path;
            printf("%s%.*s", i == 0 ? "" : "\n", (int)service_length(service) - 2, service + 1);
            printf("%s", method->service_comment[0] != '\0' ? "    // " : "");
            print_first_sentence(method->service_comment);
            putchar('\n');
        }
        printf("  %-14s %s -> %s%s", after_slash(method->path), after_dot(method->input->name),
               after_dot(method->output->name), method->comment[0] != '\0' ? "  // " : "");
        print_first_sentence(method->comment);
        putchar('\n');
    }
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:O}", "methods", list));
    json_decref(list);
    return EXIT_DONE;
}
