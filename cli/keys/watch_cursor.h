/* The file of `kvctl watch --cursor`. */
#ifndef CLI_WATCH_CURSOR_H
#define CLI_WATCH_CURSOR_H

#include <candor/watch.h>

#include "cli/frame/command.h"

/* Malloc'd; empty where there is no file yet, or no name of one (NULL). False after a report. */
bool watch_cursor_read(struct command_context *ctx, const char *path, struct candor_bytes *out,
                       int *status);
/* Replaced whole: who goes on from it finds the old or the new one. Without a name: nothing. The
 * exit status. */
int watch_cursor_keep(struct command_context *ctx, struct candor_watch *watch,
                      const char *file_name);

#endif
