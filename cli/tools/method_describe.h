/* `kvctl rpc --describe`: what a method takes and gives. */
#ifndef CLI_METHOD_DESCRIBE_H
#define CLI_METHOD_DESCRIBE_H

#include "cli/dynamic/dynamic.h"
#include "cli/frame/command.h"

/* Prints the method, every type that its messages are made of, and a request with every field. The
 * status. */
int method_describe(struct command_context *ctx, const struct dynamic_method *method);

#endif
