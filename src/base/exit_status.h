/* How a node's process ends: the table of docs/operations.md. A supervisor may restart a node after
 * 5, 6 and 7 at once; 2 and 3 need a person, and 4 whatever is in the way to go. */
#ifndef BASE_EXIT_STATUS_H
#define BASE_EXIT_STATUS_H

#include <candor/status.h>

enum {
    /* Ended by a signal that asks for it. */
    NODE_EXIT_CLEAN = 0,
    NODE_EXIT_OTHER = 1,
    /* The command line or the topology is wrong. */
    NODE_EXIT_USAGE = 2,
    /* R3: a failed fsync, a damaged log or state. */
    NODE_EXIT_INTEGRITY = 3,
    /* An address or the data directory is in use, or may not be used. */
    NODE_EXIT_CANNOT_START = 4,
    /* A thread made no progress (base/watchdog.h). */
    NODE_EXIT_HUNG = 5,
    /* The orderly stop took too long. */
    NODE_EXIT_STOP_FORCED = 6,
    /* No room, memory, thread or descriptor was to be had: nothing is damaged, and later there may
     * be. */
    NODE_EXIT_SHORTAGE = 7,
};

/* With what a node ends that cannot start, or go on, for this reason. */
int exit_status_of(const struct candor_error *err);

#endif
