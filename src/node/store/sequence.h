/* Writes of clients, evaluated and given their place. (writer) */
#ifndef NODE_SEQUENCE_H
#define NODE_SEQUENCE_H

#include "node/store/work.h"

/* Takes the first writes of the list as one group and returns how many. */
size_t sequence_writes(struct node *node, struct work **works, size_t count);

#endif
