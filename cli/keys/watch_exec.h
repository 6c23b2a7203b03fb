/* `kvctl watch --exec`: a command for each event. */
#ifndef CLI_WATCH_EXEC_H
#define CLI_WATCH_EXEC_H

#include "cli/frame/command.h"

/* Runs `command` by /bin/sh with `text` and a newline as its standard input, and waits for its end.
 * EXIT_DONE, or EXIT_OTHER after a report: it could not be started, or failed. */
int watch_exec(struct command_context *ctx, const char *command, const char *text);

#endif
