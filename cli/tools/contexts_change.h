/* Changing the named contexts, and telling of it. */
#ifndef CLI_CONTEXTS_CHANGE_H
#define CLI_CONTEXTS_CHANGE_H

#include "cli/frame/command.h"
#include "cli/frame/contexts.h"

/* A usage error. */
int contexts_report(struct command_context *ctx, const struct contexts_problem *why);
/* Runs `change` with the contexts, which nobody else changes meanwhile. Its status. */
int contexts_change(struct command_context *ctx, char **argv,
                    int (*change)(struct command_context *, struct contexts *, char **));
/* Keeps what a change has made of them, and tells "NAME `what`" (NULL: no context). */
int contexts_keep(struct command_context *ctx, const struct contexts *contexts, const char *what,
                  const char *name);

#endif
