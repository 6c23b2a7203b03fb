/* From the bytes of a request to its handler. */
#ifndef RPC_REQUEST_H
#define RPC_REQUEST_H

#include "rpc/server_state.h"

/* Unpacks the request, which it frees, and runs its handler, or fails the call. */
void request_run(struct rpc_context *context, nng_msg *message);
/* Sets the call's envelope and deadline, or fails it. */
bool request_take(struct rpc_call *call, const Candor__V1__RpcRequest *envelope);
/* Finds the handler and runs it, or fails the call. */
void request_invoke(struct rpc_call *call);

#endif
