/* Fetching a snapshot: ordered by the node thread, done by a thread of its own. The lock is held
 * for a copy. */
#ifndef NODE_DOWNLOAD_H
#define NODE_DOWNLOAD_H

#include "base/types.h"
#include "node/shared/side_thread.h"

struct node;
struct state_incoming;

struct download {
    struct side_thread side;
    uint64_t number; /* of the newest FETCH or DROP: an older download is over */
    bool wanted;     /* `number` is a FETCH that was not begun */
    struct candor_node_id peer;
    struct candor_epoch epoch;
    uint64_t least_seq;
    struct state_incoming *discard[4];
    uint32_t discard_count;
};

struct download *download_new(void);
void download_free(struct download *download);
enum candor_code download_start(struct node *node, struct candor_error *err);
void download_stop(struct node *node);
/* (node thread) Its number. */
uint64_t download_fetch(struct node *node, struct candor_node_id peer, struct candor_epoch epoch,
                        uint64_t least_seq);
void download_drop(struct node *node);
/* Takes what was downloaded, and is not wanted. */
void download_discard(struct node *node, struct state_incoming *incoming);
/* When its thread has ended, before the state is closed. */
void download_discard_rest(struct node *node);

#endif
