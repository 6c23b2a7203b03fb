/* What this node says of itself to others. Any thread. */
#ifndef NODE_SELF_H
#define NODE_SELF_H

#include "core/core.h"

struct node;

/* The largest message between nodes. */
uint64_t node_message_bytes(const struct node *node);
void node_header(const struct node *node, const struct core_view *view, struct core_header *out);

#endif
