/* When the disk lacks room, or the process descriptors. (writer) */
#ifndef NODE_SHORTAGE_H
#define NODE_SHORTAGE_H

#include <stdbool.h>

#include <candor/status.h>

struct node;

/* Says it in the log, now and then, with the numbers that a reader of the log wants. */
void shortage_note(struct node *node, const struct candor_error *err);
/* Likewise, and a pause; false when the node is stopping. For work that has no way to fail. */
bool shortage_wait(struct node *node, const struct candor_error *err);

#endif
