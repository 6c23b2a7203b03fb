/* Group commit of what was sequenced elsewhere, and of EPOCH_START and MEMBERS. (writer) */
#ifndef NODE_GROUP_H
#define NODE_GROUP_H

#include "node/store/work.h"

/* Takes the first works of the list and returns how many. */
size_t group_appends(struct node *node, struct work **works, size_t count);
void group_meta(struct node *node, struct work *work); /* EPOCH_START, MEMBERS */
void group_note_stored(struct node *node, size_t bytes);
/* A log must not hold what the state cannot take: the records go again, unacknowledged. */
void group_take_back(struct node *node, uint64_t last_before);
void group_answer(struct node *node, struct node_event *event, const struct candor_error *result,
                  struct candor_epoch epoch, uint64_t first_seq, uint64_t last_seq);

#endif
