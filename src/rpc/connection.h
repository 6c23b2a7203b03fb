/* Who is connected, what each holds, who is gone. Any thread. */
#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include "rpc/server_state.h"

enum admission {
    ADMISSION_RUN,
    ADMISSION_REFUSE, /* over a limit: OVERLOADED */
    ADMISSION_GONE,   /* the connection is gone: nobody waits for an answer */
    ADMISSION_CLOSE,  /* it does not even read refusals: close it */
};

/* Watches the server's connections come and go. */
int connections_watch(struct rpc_server *server);
void connections_free(struct rpc_server *server);
/* Counts a call that has arrived. Unless GONE, connection_left() must follow. Under the lock. */
enum admission connection_arrived(struct rpc_context *context, uint32_t pipe);
/* The message holds so many calls more. False: that is over a limit. */
bool connection_grow(struct rpc_context *context, uint32_t count);
/* Connections without a call that have been idle for options.idle_ms, and the `most` longest idle
 * ones of the others. Returns how many, at most `room`. */
size_t connections_idle(struct rpc_server *server, uint64_t now_ns, size_t most, uint32_t *out,
                        size_t room);
/* No longer told that its caller is gone, once this returns. True: it is gone. */
bool connection_finished(struct rpc_call *call);
/* The message has left its context. Under the lock. */
void connection_left(struct rpc_context *context);

#endif
