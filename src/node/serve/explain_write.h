/* Explain, of a write; and refusals, of writes and reads. */
#ifndef NODE_EXPLAIN_WRITE_H
#define NODE_EXPLAIN_WRITE_H

#include "candor/v1/kv.pb-c.h"
#include "node/serve/reply.h"

/* What a refusal would be told as. `error` may be given another code; the response points into it
 * and into `hint`. */
void explain_refusal(const struct node *node, const struct core_view *view,
                     struct candor_error *error, Candor__V1__RetryHint *hint,
                     Candor__V1__ExplainResponse *out);
/* A write. */
void explain_write(struct node *node, struct rpc_call *call,
                   const Candor__V1__ExplainRequest *request, ProtobufCClosure reply);

#endif
