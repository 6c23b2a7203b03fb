/* `kvctl rpc`: a node, and what it says of itself. */
#ifndef CLI_METHOD_PEER_H
#define CLI_METHOD_PEER_H

#include <candor/channel.h>

#include "cli/dynamic/dynamic.h"
#include "cli/frame/command.h"

struct method_peer {
    struct candor_channel *channel;
    struct dynamic_schema *schema;
    uint32_t deadline_ms;
};

/* Dials the node that the options name, and asks it for its descriptors. False after a report.
 * `peer` is to be closed in either case. */
bool method_peer_open(struct command_context *ctx, struct method_peer *peer, int *status);
void method_peer_close(struct method_peer *peer);

#endif
