/* What takes time to notice. */
#ifndef RPC_TEND_H
#define RPC_TEND_H

#include "rpc/server_state.h"

/* A thread that looks every LIMIT_RPC_TEND_MS after what nobody else notices: idle and silent
 * connections, messages that do not get on, contexts and memory that are no longer needed. False:
 * no thread is to be had. */
bool tend_begin(struct rpc_server *server);
void tend_end(struct rpc_server *server);

#endif
