/* Bundles: many calls in one message (rpc.proto, Rpc.Bundle). */
#ifndef NODE_BUNDLE_H
#define NODE_BUNDLE_H

#include "rpc/rpc.h"

/* rpc_server_options.bundle; the closure is the struct node *. */
void bundle_take(void *closure, struct rpc_bundle *bundle);

#endif
