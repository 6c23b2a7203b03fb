/* How a call is finished. What handlers ask of it: rpc.h. */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include "rpc/server_state.h"

/* The ProtobufCClosure that handlers get. */
void rpc_call_respond(const ProtobufCMessage *response, void *closure_data);
/* As rpc_call_fail(). */
__attribute__((format(printf, 4, 5))) void call_fail(struct rpc_call *call, enum candor_code code,
                                                     enum candor_reason reason, const char *format,
                                                     ...);

#endif
