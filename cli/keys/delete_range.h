/* Deleting a range of keys, however many: page by page, in bounded memory. */
#ifndef CLI_DELETE_RANGE_H
#define CLI_DELETE_RANGE_H

#include "cli/frame/command.h"

/* Of the range that the options say: counts and asks, unless --yes is given; only counts, with
 * --count-only. Returns the exit status. */
int delete_range(struct command_context *ctx);

#endif
