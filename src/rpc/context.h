/* The life of an NNG context: it receives, and sends its reply. What happens between is up to
 * rpc_server.event. */
#ifndef RPC_CONTEXT_H
#define RPC_CONTEXT_H

#include "rpc/envelope.h"
#include "rpc/server_state.h"

/* A context at rest, counted as idle; NULL: no memory. */
struct rpc_context *rpc_context_new(struct rpc_server *server);
/* Waits for the threads inside. The aio goes first: freeing it waits until NNG's timer thread has
 * left its cancel function, which uses the context and the socket. */
void rpc_context_free(struct rpc_context *context);
/* Takes a context that rests out of the list of all. Under the lock. */
void rpc_context_forget(struct rpc_context *context);
/* Lets contexts receive until LIMIT_RPC_RECEIVERS do. */
void rpc_contexts_receive(struct rpc_server *server);
/* The end of a round: the call receives again, or rests while enough others receive. `left`: it had
 * arrived. */
void rpc_context_again(struct rpc_context *context, bool left);

struct rpc_context *rpc_context_of(struct rpc_call *call);
/* Of the call that came in it. Once per message: after the send another thread may already receive
 * the next request here. */
void rpc_context_finish(struct rpc_context *context, struct envelope_body body);
/* The reply went, or did not. */
void rpc_context_sent(struct rpc_context *context, int error);
/* Its peer reads no replies: they would be held for it without end. */
void rpc_context_drop_connection(struct rpc_context *context);

#endif
