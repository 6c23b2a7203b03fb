/* Looks, one after the other, each printed below the one before it: where nobody can press a
 * key. */
#ifndef CLI_STATUS_REPEAT_H
#define CLI_STATUS_REPEAT_H

#include "cli/cluster/status_table.h"

#define STATUS_REPEAT_OPTIONS                                                                      \
    {"interval", 'i', "DURATION", false, "Time between two looks; default: 1s"},                   \
    {                                                                                              \
        "count", 'c', "COUNT", false, "Stop after this many looks"                                 \
    }

/* The two options. False after a report. */
bool status_repeat_options(struct command_context *ctx, uint64_t *interval_ms, uint64_t *looks);
/* Until ^C, or as many as --count says; with -o json a line each. The exit status. */
int status_repeat(struct command_context *ctx, const struct status_view *view);
/* "2026-11-24 20:11:03". */
void status_clock(char out[32]);

#endif
