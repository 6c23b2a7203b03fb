/* Put, Delete and Batch: checked on NNG's threads, decided by the core, sequenced by the writer. */
#include <stdio.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "eval/answer.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/kv_write.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/bytes.h"
#include "node/store/write.h"
#include "wire/wire.h"

/* ---- Replies --------------------------------------------------------------------------------- */

/* The next answer; what the writer made of this very request reads as such. */
static bool existed(struct slice *answers)
{
    struct eval_answer answer;
    bool ok = eval_answer_read(answers, &answer);
    ASSERT(ok);
    return answer.existed;
}

static void respond_put(struct write *write, const struct outcome *outcome)
{
    const struct write_result *result = &write->result;
    struct wire_pos room;
    Candor__V1__PutResponse response = CANDOR__V1__PUT_RESPONSE__INIT;
    response.pos = wire_pos(&result->last, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.replayed = result->replayed;
    write->ticket.reply(&response.base, write->ticket.call);
}

static void respond_delete(struct write *write, const struct outcome *outcome)
{
    const struct write_result *result = &write->result;
    struct slice answers = buffer_slice(&result->answers);
    struct wire_pos room;
    Candor__V1__DeleteResponse response = CANDOR__V1__DELETE_RESPONSE__INIT;
    response.pos = wire_pos(&result->last, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.found = existed(&answers);
    response.replayed = result->replayed;
    write->ticket.reply(&response.base, write->ticket.call);
}

static void respond_batch(struct write *write, const struct outcome *outcome)
{
    const struct write_result *result = &write->result;
    struct slice answers = buffer_slice(&result->answers);
    struct wire_pos first_room;
    struct wire_pos last_room;
    protobuf_c_boolean found[LIMIT_BATCH_OPS];
    uint32_t op_count = write->op_count;
    for (uint32_t i = 0; i < op_count; i++)
        found[i] = existed(&answers);
    Candor__V1__BatchResponse response = CANDOR__V1__BATCH_RESPONSE__INIT;
    response.first = wire_pos(&result->first, &first_room);
    response.last = wire_pos(&result->last, &last_room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.n_found = op_count;
    response.found = found;
    response.replayed = result->replayed;
    write->ticket.reply(&response.base, write->ticket.call);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static struct eval_op put_op(const Candor__V1__PutRequest *put)
{
    return (struct eval_op){.kind = EVAL_PUT,
                            .key = binary_slice(put->key),
                            .value = binary_slice(put->value),
                            .ttl_ms = put->ttl_ms};
}

static struct eval_op delete_op(const Candor__V1__DeleteRequest *delete)
{
    return (struct eval_op){.kind = EVAL_DELETE, .key = binary_slice(delete->key)};
}

void kv_put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
            Candor__V1__PutResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key) ||
        !kv_check_value(node, call, "value", request->value) ||
        !kv_check_ttl(node, call, "ttl_ms", request->ttl_ms))
        return;
    struct write *write = kv_write_new(node, call, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_put;
    write->ops[0] = put_op(request);
    kv_write_submit(write);
}

void kv_delete(Candor__V1__KV_Service *service, const Candor__V1__DeleteRequest *request,
               Candor__V1__DeleteResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key))
        return;
    struct write *write = kv_write_new(node, call, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_delete;
    write->ops[0] = delete_op(request);
    kv_write_submit(write);
}

static bool check_op(struct node *node, struct rpc_call *call, size_t index,
                     const Candor__V1__BatchOp *op)
{
    char field[64];
    struct candor_error err;
    switch (op->op_case) {
    case CANDOR__V1__BATCH_OP__OP_PUT:
        snprintf(field, sizeof field, "ops[%zu].put.key", index);
        if (!kv_check_key(node, call, field, op->put->key))
            return false;
        snprintf(field, sizeof field, "ops[%zu].put.value", index);
        if (!kv_check_value(node, call, field, op->put->value))
            return false;
        snprintf(field, sizeof field, "ops[%zu].put.ttl_ms", index);
        return kv_check_ttl(node, call, field, op->put->ttl_ms);
    case CANDOR__V1__BATCH_OP__OP_DELETE:
        snprintf(field, sizeof field, "ops[%zu].delete.key", index);
        return kv_check_key(node, call, field, op->delete_->key);
    default:
        candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                         "ops[%zu]: neither a put nor a delete", index);
        return kv_fail(node, call, &err);
    }
}

static bool check_batch(struct node *node, struct rpc_call *call,
                        const Candor__V1__BatchRequest *request)
{
    struct candor_error err;
    if (request->n_ops == 0) {
        candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "ops: none");
        return kv_fail(node, call, &err);
    }
    if (request->n_ops > LIMIT_BATCH_OPS) {
        candor_error_set(&err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "ops: %zu; the limit is %d", request->n_ops, LIMIT_BATCH_OPS);
        return kv_fail(node, call, &err);
    }
    for (size_t i = 0; i < request->n_ops; i++)
        if (!check_op(node, call, i, request->ops[i]))
            return false;
    return true;
}

void kv_batch(Candor__V1__KV_Service *service, const Candor__V1__BatchRequest *request,
              Candor__V1__BatchResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !check_batch(node, call, request))
        return;
    struct write *write =
        kv_write_new(node, call, request->n_ops, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_batch;
    for (size_t i = 0; i < request->n_ops; i++) {
        const Candor__V1__BatchOp *op = request->ops[i];
        write->ops[i] =
            op->op_case == CANDOR__V1__BATCH_OP__OP_PUT ? put_op(op->put) : delete_op(op->delete_);
    }
    kv_write_submit(write);
}
