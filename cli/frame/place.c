/* Which cluster a command means. */
#include "cli/frame/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

__attribute__((format(printf, 4, 5))) static void
name_place(struct place *out, const char *topology, const char *endpoints, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(out->source, sizeof out->source, format, list);
    va_end(list);
    if (topology != NULL)
        snprintf(out->topology, sizeof out->topology, "%s", topology);
    out->endpoints = endpoints != NULL ? strdup(endpoints) : NULL;
    ASSERT(endpoints == NULL || out->endpoints != NULL);
}

static bool report_no_context(const struct contexts *contexts, const char *source, const char *name,
                              struct contexts_problem *why)
{
    const char **words = calloc(contexts->count + 1, sizeof *words);
    ASSERT(words != NULL);
    for (size_t i = 0; i < contexts->count; i++)
        words[i] = contexts->list[i].name;
    const char *near = nearest_word(name, words);
    snprintf(why->what, sizeof why->what, "%sno context '%.*s'", source, CONTEXT_NAME_BYTES, name);
    if (near != NULL)
        snprintf(why->hint, sizeof why->hint, "did you mean '%s'?", near);
    else
        snprintf(why->hint, sizeof why->hint,
                 "`kvctl context ls` lists them, `kvctl context add` makes one");
    free(words);
    return false;
}

/* `name` NULL: the one in use, if any. */
static bool find_context(const char *name, const char *source, struct place *out,
                         struct contexts_problem *why)
{
    struct contexts contexts;
    bool good = contexts_load(&contexts, why);
    const char *wanted = name != NULL ? name : contexts.use;
    const struct named_context *context = good ? contexts_find(&contexts, wanted) : NULL;
    if (context != NULL)
        name_place(out, context->topology[0] != '\0' ? context->topology : NULL,
                   context->endpoints[0] != '\0' ? context->endpoints : NULL, "%scontext '%s'",
                   source, wanted);
    else if (good && name != NULL)
        good = report_no_context(&contexts, source, name, why);
    contexts_free(&contexts);
    return good;
}

bool place_find(const struct command_defaults *defaults, const char *context, struct place *out,
                struct contexts_problem *why)
{
    static const struct command_defaults none;
    memset(out, 0, sizeof *out);
    defaults = defaults != NULL ? defaults : &none;
    const char *from_shell = defaults->context;
    if (context != NULL || from_shell != NULL)
        return find_context(context != NULL ? context : from_shell, "--context: ", out, why);
    if (defaults->topology != NULL || defaults->endpoints != NULL) {
        name_place(out, defaults->topology, defaults->endpoints, "the shell's options");
        return true;
    }
    if (variable("CANDOR_CONTEXT") != NULL)
        return find_context(variable("CANDOR_CONTEXT"), "$CANDOR_CONTEXT: ", out, why);
    if (variable("CANDOR_ENDPOINTS") != NULL) {
        name_place(out, NULL, variable("CANDOR_ENDPOINTS"), "$CANDOR_ENDPOINTS");
        return true;
    }
    if (variable("CANDOR_TOPOLOGY") != NULL) {
        name_place(out, variable("CANDOR_TOPOLOGY"), NULL, "$CANDOR_TOPOLOGY");
        return true;
    }
    if (!find_context(NULL, "", out, why))
        return false;
    char last[RUN_PATH_BYTES];
    if (out->source[0] == '\0' && run_last_topology(last))
        name_place(out, last, NULL, "the last `kvctl up`");
    return true;
}

void place_free(struct place *place)
{
    free(place->endpoints);
    place->endpoints = NULL;
}
