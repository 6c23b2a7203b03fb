/* Calls that wait for a message in flight, and travel together in the next (rpc.h, enum
 * rpc_class). */
#ifndef RPC_COALESCE_H
#define RPC_COALESCE_H

#include "rpc/client_state.h"

/* True: the call waits for a message in flight, or was ended. False: it is to be sent alone, and is
 * counted as a message of its class in flight. */
bool coalesce(struct rpc_client *client, const char *method, struct slice body,
              struct rpc_exchange *exchange);
/* Of a message with one call of slot->class that is counted so. */
extern const struct cargo coalesce_cargo;
/* A message of the class is in flight no longer: the next one goes. */
void coalesce_next(struct rpc_client *client, enum rpc_class class);

/* The client closes: ends what waits. */
void coalesce_cancel(struct rpc_client *client);
/* False: there is no memory. */
bool coalesce_init(struct rpc_client *client);
void coalesce_free(struct rpc_client *client);

#endif
