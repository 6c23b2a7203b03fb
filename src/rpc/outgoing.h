/* Calls that wait to travel together, by class. What a call takes is measured and packed outside
 * the lock. */
#ifndef RPC_OUTGOING_H
#define RPC_OUTGOING_H

#include "rpc/client_state.h"
#include "rpc/envelope.h"

/* A request, measured and packed: what BundleRequest.calls holds of it. */
struct outgoing_call {
    Candor__V1__RpcRequest envelope;
    Candor__V1__RequestId request_id;
    struct envelope_layout layout;
    uint8_t frame[ENVELOPE_FRAME_BYTES];
    size_t frame_bytes;
};

void outgoing_measure(struct outgoing_call *it, const char *method, struct slice body,
                      const struct rpc_exchange *exchange);
/* Puts it into the newest, or a new one. False: there is no memory. Under the lock. */
bool outgoing_wait(struct rpc_client *client, const struct outgoing_call *it,
                   struct rpc_exchange *exchange);
/* The first that waits; NULL: none. Under the lock. */
struct outgoing *outgoing_take(struct rpc_client *client, enum rpc_class class);

/* Its message; NULL: the error is set. */
nng_msg *outgoing_pack(struct rpc_client *client, const struct outgoing *outgoing,
                       struct candor_error *error);
/* Ends its calls. */
void outgoing_fail(struct outgoing *outgoing, const struct candor_error *error);
/* Gives one back, whose calls are ended. */
void outgoing_recycle(struct rpc_client *client, struct outgoing *outgoing);

#endif
