/* Records and heartbeats, from and to other nodes. */
#ifndef NODE_STREAMS_H
#define NODE_STREAMS_H

#include <candor/status.h>

struct node;

enum candor_code streams_open(struct node *node, struct candor_error *err);

#endif
