/* Looks for rot in what nobody reads, on a thread of its own. */
#ifndef NODE_SCRUB_H
#define NODE_SCRUB_H

#include "node/shared/side_thread.h"

struct node;

struct scrub {
    struct side_thread side;
    uint64_t piece_ns;    /* the thread's own: when the piece under way began */
    uint64_t finished_ns; /* 0: not yet */
    uint64_t findings;    /* since the start */
    char finding[CANDOR_ERROR_MESSAGE_BYTES + 32]; /* the newest one; "": none in the last round */
};

struct scrub_report {
    uint64_t finished_ns;
    uint64_t findings;
    char finding[CANDOR_ERROR_MESSAGE_BYTES + 32];
};

struct scrub *scrub_new(void);
void scrub_free(struct scrub *scrub);
enum candor_code scrub_start(struct node *node, struct candor_error *err);
void scrub_stop(struct node *node);
/* A peer's question met rot in the log, at `seq` or behind it: it is told like the scrub's own
 * findings, and who needs those records takes a snapshot (R54). Any thread. */
void scrub_met_rot(struct node *node, uint64_t seq, const struct candor_error *err);
void scrub_status(struct node *node, struct scrub_report *out); /* any thread */

#endif
