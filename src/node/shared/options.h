/* How a node is opened (node.h). */
#ifndef NODE_OPTIONS_H
#define NODE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <candor/status.h>

struct node_options {
    const char *data;       /* NULL: the topology's */
    uint64_t segment_bytes; /* of the log; 0: LIMIT_SEGMENT_BYTES; tests use small ones */
    /* A data directory of another node, or of a cluster that was renamed, is taken for this node's
     * own, as a new disk (R61). */
    bool adopt;
    /* The node cannot go on, as when its integrity is in doubt (R3): need not return. NULL: a log
     * line and _exit(exit_status_of(err)). When it returns, that is done all the same. Any thread
     * of the node. */
    void (*fatal)(void *closure, const struct candor_error *err);
    /* Asked some times a second while node_run() waits for its own addresses: true ends the start.
     * NULL: never. */
    bool (*ended)(void *closure);
    void *closure;
};

#endif
