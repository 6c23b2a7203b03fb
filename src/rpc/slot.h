/* One message in flight: sent, answered, or given up. */
#ifndef RPC_SLOT_H
#define RPC_SLOT_H

#include "rpc/client_state.h"

/* A free one, counted as busy. NULL: the error is set. */
struct slot *slot_take(struct rpc_client *client, struct candor_error *error);
/* Without a call, or when all its calls are ended. The caller touches it no more. */
void slot_release(struct slot *slot);
/* With its cargo, and the deadline, set; the cargo is told how it ends. */
void slot_send(struct slot *slot, nng_msg *message);
/* One that was counted in busy_count is done. */
void slot_idle(struct rpc_client *client);

#endif
