/* How far something has come that takes its time: a line on the terminal that is drawn in place, or
 * now and then a note. Nothing under --quiet and -o json. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/frame/command.h"

struct progress {
    struct command_context *ctx;
    uint64_t started_ns;
    uint64_t shown_ns; /* 0: never */
    bool drawn;
};

struct progress progress_begin(struct command_context *ctx);
/* "`count` `what`, 1234/s", unless it was shown just before. */
void progress_show(struct progress *progress, uint64_t count, const char *what);
/* Takes the line away. Returns the seconds since the beginning. */
double progress_end(struct progress *progress);

#endif
