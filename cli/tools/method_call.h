/* `kvctl rpc METHOD JSON`: one call of any method. */
#ifndef CLI_METHOD_CALL_H
#define CLI_METHOD_CALL_H

#include "cli/tools/method_peer.h"

/* Calls it with `operand`, JSON: "-" is standard input, NULL an empty request; prints the answer
 * whole. The status. */
int method_call(struct command_context *ctx, const struct method_peer *peer,
                const struct dynamic_method *method, const char *operand);

#endif
