/* Parts of a node's messages in the structs of candor/client.h. Everything received is hostile.
 *
 * libcandor has the same two functions for itself (src/client/convert.h), and cannot lend them:
 * what it installs speaks of packed bytes and its own structs, so that no user of it needs
 * protobuf-c or the generated headers, and kvctl knows nothing of it but what is installed. Below
 * both is only src/base, which knows no message. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <candor/client.h>

#include "candor/v1/rpc.pb-c.h"

/* NULL: all zero. False: a bad owner, which is left out. */
bool message_epoch(const Candor__V1__Epoch *from, struct candor_epoch *to);
bool message_pos(const Candor__V1__Pos *from, struct candor_pos *to);

#endif
