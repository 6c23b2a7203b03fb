/* What CompareAndSwap, Expire, Increment and Txn share. */
#ifndef NODE_KV_CONDITION_H
#define NODE_KV_CONDITION_H

#include "candor/v1/kv.pb-c.h"
#include "eval/answer.h"
#include "rpc/rpc.h"

struct node;
struct write;

/* false */
bool kv_invalid(struct node *node, struct rpc_call *call, const char *field, const char *why);
struct eval_answer kv_answer_of(const struct write *write);
void kv_fill_item(Candor__V1__KeyValue *out, ProtobufCBinaryData key, bool found,
                  const struct eval_item *item);

#endif
