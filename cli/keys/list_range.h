/* The keys of a range, listed or counted: `kvctl scan`, and `kvctl get` of a range. */
#ifndef CLI_LIST_RANGE_H
#define CLI_LIST_RANGE_H

#include "cli/frame/command.h"
#include "cli/keys/walk.h"

#define LIST_OPTIONS                                                                               \
    RANGE_OPTIONS, {"limit", 'L', "COUNT", false, "At most this many keys"},                       \
        {"reverse", 'r', NULL, false,                                                              \
         "Descending keys; --start is then the greatest, and --end below it"},                     \
        {"keys-only", 'k', NULL, false, "Leave values out"},                                       \
        COUNT_OPTION("Print how many keys there are, and nothing of them")

/* Of the range that the options say; all keys, without one. Returns the exit status. */
int list_range(struct command_context *ctx);

#endif
