/* A transaction in lines, as `etcdctl txn` takes them: comparisons, an empty line, the operations
 * of then, an empty line, those of else. */
#ifndef CLI_TXN_LINES_H
#define CLI_TXN_LINES_H

#include "cli/keys/txn_given.h"

/* Whether there is somebody to ask, or lines are piped in. */
bool txn_lines_are_there(struct command_context *ctx);
/* Reads them from standard input. On a terminal it asks, and a line that is wrong is asked for
 * again; ^D before the last list, and ^C, end it: nothing is to be done then. False after a report;
 * txn_given_free() in either case. */
bool txn_read_lines(struct txn_given *given, int *status);

#endif
