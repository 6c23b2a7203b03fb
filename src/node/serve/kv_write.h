/* What all methods that write share: their way through core and writer, and back. */
#ifndef NODE_KV_WRITE_H
#define NODE_KV_WRITE_H

#include "candor/v1/kv.pb-c.h"
#include "node/store/write.h"

/* A ticket with room for its ops, all zeros; NULL: the call was failed. */
struct write *kv_write_new(struct node *node, struct rpc_call *call, size_t op_count,
                           const Candor__V1__WriteOptions *options, ProtobufCClosure reply);
/* What a write asks for. False: the call was failed. */
bool kv_write_options(struct node *node, struct rpc_call *call,
                      const Candor__V1__WriteOptions *options, enum candor_ack *ack,
                      struct candor_token *token);
void kv_write_submit(struct write *write);

#endif
