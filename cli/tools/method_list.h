/* `kvctl rpc`: the methods of a node, found by a name and listed. */
#ifndef CLI_METHOD_LIST_H
#define CLI_METHOD_LIST_H

#include "cli/dynamic/dynamic.h"
#include "cli/frame/command.h"

/* NULL after a report, which names the nearest of all. */
const struct dynamic_method *method_find(struct command_context *ctx,
                                         const struct dynamic_schema *schema, const char *name,
                                         int *status);
/* Prints all, each with the first sentence of its comment. The status. */
int method_list(struct command_context *ctx, const struct dynamic_schema *schema);

#endif
