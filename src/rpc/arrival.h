/* What NNG says of a context: a request has come, or a reply is sent. */
#ifndef RPC_ARRIVAL_H
#define RPC_ARRIVAL_H

/* rpc_server.event: of its aio. */
void context_event(void *closure);

#endif
