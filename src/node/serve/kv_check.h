/* What requests of KV are checked for. The bools are false when the call was failed. */
#ifndef NODE_KV_CHECK_H
#define NODE_KV_CHECK_H

#include "candor/v1/kv.pb-c.h"
#include "record/batch.h"
#include "rpc/rpc.h"

struct node;

bool kv_fail(struct node *node, struct rpc_call *call, const struct candor_error *err); /* false */
bool kv_check_key(struct node *node, struct rpc_call *call, const char *field,
                  ProtobufCBinaryData key);
bool kv_check_value(struct node *node, struct rpc_call *call, const char *field,
                    ProtobufCBinaryData value);
bool kv_check_ttl(struct node *node, struct rpc_call *call, const char *field, uint64_t ttl_ms);
/* NULL: number 0 */
bool kv_read_request_id(struct node *node, struct rpc_call *call, const Candor__V1__RequestId *id,
                        struct request_id *out);

#endif
