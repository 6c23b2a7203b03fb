/* Calls to other nodes. */
#ifndef NODE_PEERS_H
#define NODE_PEERS_H

#include "core/core.h"

struct node;

enum candor_code peers_open(struct node *node, struct candor_error *err);
void peers_close(struct node *node);
/* (node thread) Its answer, or that there is none, comes back as an event with the nonce. */
void peers_call(struct node *node, struct candor_node_id peer, uint64_t nonce,
                const struct core_msg *msg);

#endif
