/* One call: its request packed, its end. Any thread. */
#ifndef RPC_EXCHANGE_H
#define RPC_EXCHANGE_H

#include "rpc/client_state.h"
#include "rpc/envelope.h"

void exchange_begin(struct rpc_exchange *exchange);
uint64_t exchange_deadline_ms(const struct rpc_exchange *exchange);
/* A request of its own; NULL: exchange->error is set. */
nng_msg *exchange_pack(struct rpc_client *client, const char *method, struct envelope_body body,
                       struct rpc_exchange *exchange);

/* Ends a call without an answer: its error is set. */
void exchange_fail(struct rpc_exchange *exchange);
/* Ends it with its reply, which lives as long as the slot's arena. */
void exchange_end(struct slot *slot, struct rpc_exchange *exchange, Candor__V1__RpcReply *reply);

/* Of a message that carries one call, slot->exchange. */
void exchange_answered(struct slot *slot, Candor__V1__RpcReply *reply);
void exchange_failed(struct slot *slot, const struct candor_error *error);
extern const struct cargo exchange_cargo;

#endif
