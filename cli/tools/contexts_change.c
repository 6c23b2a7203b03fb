/* Changing the named contexts. */
#include "cli/tools/contexts_change.h"

int contexts_report(struct command_context *ctx, const struct contexts_problem *why)
{
    return report_usage(ctx, why->hint, "%s", why->what);
}

/* A change, and what is told of it. */
static int tell(struct command_context *ctx, const struct contexts *contexts, const char *what,
                const char *name)
{
    json_t *used = contexts->use[0] != '\0' ? json_string(contexts->use) : json_null();
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s?,s:O}", "context", name, "use", used));
    else
        printf("%s %s\n", name != NULL ? name : "no context", what);
    json_decref(used);
    return EXIT_DONE;
}

int contexts_change(struct command_context *ctx, char **argv,
                    int (*change)(struct command_context *, struct contexts *, char **))
{
    int lock_fd;
    struct contexts contexts;
    struct contexts_problem why;
    int status = EXIT_DONE;
    if (!contexts_open(&contexts, &lock_fd, &why))
        status = contexts_report(ctx, &why);
    else
        status = change(ctx, &contexts, argv);
    contexts_close(&contexts, lock_fd);
    return status;
}

int contexts_keep(struct command_context *ctx, const struct contexts *contexts, const char *what,
                  const char *name)
{
    struct contexts_problem why;
    return contexts_store(contexts, &why) ? tell(ctx, contexts, what, name)
                                          : contexts_report(ctx, &why);
}
