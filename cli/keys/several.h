/* Several writes as one: a Txn without comparisons. `kvctl mset`, and `kvctl del` of several. */
#ifndef CLI_SEVERAL_H
#define CLI_SEVERAL_H

#include <candor/client.h>

#include "cli/frame/command.h"

/* Makes them, and tells of each key whether it was there. All are puts, or all are deletes. Returns
 * the exit status. */
int several_write(struct command_context *ctx, const struct candor_txn_op *ops, size_t count);

#endif
