/* What the value of an option, or an operand, may be. */
#include "cli/tools/complete_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/frame/place.h"
#include "cli/local/local.h"
#include "cli/tools/complete_ask.h"

const char *usual_topology_path(const struct command_defaults *defaults, char room[RUN_PATH_BYTES])
{
    struct place place;
    struct contexts_problem why;
    bool found = place_find(defaults, NULL, &place, &why) && place.topology[0] != '\0';
    snprintf(room, RUN_PATH_BYTES, "%s", place.topology);
    place_free(&place);
    return found ? room : NULL;
}

/* ---- What is known here ---- */

static void offer_nodes_of(const char *path, const char *prefix, struct completion *out)
{
    struct topology_problems problems = {0};
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    if (topology_load(path, topology, &problems, NULL) == CANDOR_OK) {
        for (uint32_t i = 0; i < topology->node_count; i++)
            completion_offer(out, topology->nodes[i].id.text, strlen(topology->nodes[i].id.text),
                             topology->nodes[i].rpc, prefix);
    }
    topology_problems_free(&problems);
    free(topology);
}

struct offering {
    const char *prefix;
    struct completion *out;
};

static void offer_name(void *closure, const char *name)
{
    const struct offering *offering = closure;
    completion_offer(offering->out, name, strlen(name), "", offering->prefix);
}

static void offer_contexts(const char *prefix, struct completion *out)
{
    struct contexts contexts;
    struct contexts_problem why;
    bool good = contexts_load(&contexts, &why);
    for (size_t i = 0; good && i < contexts.count; i++) {
        const struct named_context *one = &contexts.list[i];
        completion_offer(out, one->name, strlen(one->name),
                         one->topology[0] != '\0' ? one->topology : one->endpoints, prefix);
    }
    contexts_free(&contexts);
}

static void offer_choices(const char *choices, const char *prefix, struct completion *out)
{
    while (choices[0] != '\0') {
        size_t length = strcspn(choices, "|");
        completion_offer(out, choices, length, "", prefix);
        choices += length + (choices[length] == '|');
    }
}

/* ---- What nodes are asked for ---- */

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* `name` of each element of the list `list` that the command prints. */
static void offer_asked(const struct command_defaults *where, const char *const *command,
                        const char *list, const char *name, const char *help, const char *prefix,
                        struct completion *out)
{
    json_t *answer = complete_ask(where, command);
    json_t *elements = json_object_get(answer, list);
    for (size_t i = 0; i < json_array_size(elements); i++) {
        json_t *one = json_array_get(elements, i);
        const char *text = text_of(one, name);
        completion_offer(out, text, strlen(text), text_of(one, help), prefix);
    }
    json_decref(answer);
}

static void offer_nodes(const struct command_defaults *where, const char *prefix,
                        struct completion *out)
{
    static const char *const command[] = {"status", NULL};
    char room[RUN_PATH_BYTES];
    struct command_defaults any = *where;
    any.node = NULL; /* that is what is looked for */
    const char *path = usual_topology_path(&any, room);
    if (path != NULL)
        offer_nodes_of(path, prefix, out);
    else
        offer_asked(&any, command, "nodes", "node", "address", prefix, out);
}

/* "KV/Get", unless the whole name was begun. */
static void offer_methods(const struct command_defaults *where, const char *prefix,
                          struct completion *out)
{
    static const char *const command[] = {"rpc", "--list", NULL};
    static const char package[] = "/candor.v1.";
    json_t *answer = complete_ask(where, command);
    json_t *methods = json_object_get(answer, "methods");
    for (size_t i = 0; i < json_array_size(methods); i++) {
        json_t *one = json_array_get(methods, i);
        const char *method = text_of(one, "method");
        if (prefix[0] != '/' && strncmp(method, package, strlen(package)) == 0)
            method += strlen(package);
        completion_offer(out, method, strlen(method), text_of(one, "comment"), prefix);
    }
    json_decref(answer);
}

static void offer_archives(const struct command_defaults *where, const char *prefix,
                           struct completion *out)
{
    static const char *const command[] = {"rollback", "ls", NULL};
    offer_asked(where, command, "archives", "id", "node", prefix, out);
}

void complete_value(const struct command_defaults *where, const char *kind, const char *prefix,
                    struct completion *out)
{
    if (strchr(kind, '|') != NULL)
        offer_choices(kind, prefix, out);
    else if (strcmp(kind, "NODE") == 0)
        offer_nodes(where, prefix, out);
    else if (strcmp(kind, "CONTEXT") == 0)
        offer_contexts(prefix, out);
    else if (strcmp(kind, "METHOD") == 0)
        offer_methods(where, prefix, out);
    else if (strcmp(kind, "ARCHIVE") == 0)
        offer_archives(where, prefix, out);
    else if (strcmp(kind, "CLUSTER") == 0)
        local_names(offer_name, &(struct offering){prefix, out});
    else if (strcmp(kind, "FILE") == 0)
        out->kind = COMPLETE_FILES;
    else if (strcmp(kind, "DIR") == 0)
        out->kind = COMPLETE_DIRS;
}
