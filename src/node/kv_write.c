/* Writes: checked on NNG's threads, decided by the core, sequenced by the writer. */
#include "node/internal.h"

#include <stdio.h>
#include <string.h>

enum kind { KIND_PUT, KIND_DELETE, KIND_BATCH };

struct kv_write {
    struct write_ticket write; /* first: the core's ticket is the whole */
    enum kind kind;
};

/* ---- Replies --------------------------------------------------------------------------------------------------- */

static void reply_put(const struct kv_write *write, const struct outcome *outcome)
{
    struct wire_pos room;
    Candor__V1__PutResponse response = CANDOR__V1__PUT_RESPONSE__INIT;
    response.pos = wire_pos(&outcome->pos, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    write->write.ticket.reply(&response.base, write->write.ticket.call);
}

static void reply_delete(const struct kv_write *write, const struct outcome *outcome)
{
    struct wire_pos room;
    Candor__V1__DeleteResponse response = CANDOR__V1__DELETE_RESPONSE__INIT;
    response.pos = wire_pos(&outcome->pos, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.found = write->write.existed[0];
    write->write.ticket.reply(&response.base, write->write.ticket.call);
}

static void reply_batch(const struct kv_write *write, const struct outcome *outcome)
{
    struct wire_pos first_room;
    struct wire_pos last_room;
    protobuf_c_boolean found[LIMIT_BATCH_OPS];
    uint32_t op_count = write->write.op_count;
    struct pos first = outcome->pos;
    first.seq -= op_count - 1;
    for (uint32_t i = 0; i < op_count; i++)
        found[i] = write->write.existed[i];
    Candor__V1__BatchResponse response = CANDOR__V1__BATCH_RESPONSE__INIT;
    response.first = wire_pos(&first, &first_room);
    response.last = wire_pos(&outcome->pos, &last_room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.n_found = op_count;
    response.found = found;
    write->write.ticket.reply(&response.base, write->write.ticket.call);
}

static void reply_stored(const struct kv_write *write, const struct outcome *outcome)
{
    const struct ticket *ticket = &write->write.ticket;
    struct core_view view;
    struct reply_room room;
    view_read_without_peers(&ticket->node->view, &view);
    reply_freshness(ticket->call, &view, max_u64(view.applied, outcome->pos.seq), &outcome->pos,
                    &room);
    if (write->kind == KIND_PUT)
        reply_put(write, outcome);
    else if (write->kind == KIND_DELETE)
        reply_delete(write, outcome);
    else
        reply_batch(write, outcome);
}

/* A write that was stored when the node shuts down was not refused: nobody knows what becomes of it (R21). */
static void mark_unknown(const struct kv_write *write, struct outcome *outcome)
{
    const struct core_event *appended = &write->write.appended.core;
    if (outcome->reason != CANDOR_REASON_SHUTTING_DOWN || appended->type != CORE_EVENT_APPENDED)
        return;
    outcome->code = CANDOR_UNKNOWN;
    outcome->reason = CANDOR_REASON_OUTCOME_UNKNOWN;
    snprintf(outcome->text, sizeof outcome->text,
             "the primary is shutting down: the write may or may not survive");
}

static void finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct kv_write *write = (struct kv_write *)ticket;
    atomic_fetch_sub(&ticket->node->write_bytes, write->write.bytes);
    if (outcome->code == CANDOR_OK) {
        reply_stored(write, outcome);
        return;
    }
    struct outcome failed = *outcome;
    mark_unknown(write, &failed);
    reply_outcome_failed(ticket, &failed);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static bool fail(struct node *node, struct rpc_call *call, const struct candor_error *err)
{
    reply_fail_now(node, call, err->code, err->reason, err->message);
    return false;
}

static enum candor_code read_ack(const Candor__V1__WriteOptions *options, enum ack_level *out,
                                 struct candor_error *err)
{
    *out = ACK_LOCAL;
    if (options == NULL)
        return CANDOR_OK;
    switch (options->ack) {
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT:
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_LOCAL:
        return CANDOR_OK;
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY:
        *out = ACK_MAJORITY;
        return CANDOR_OK;
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_ALL:
        *out = ACK_ALL;
        return CANDOR_OK;
    default:
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "options.ack: unknown value %d", (int)options->ack);
    }
}

static enum candor_code read_request_id(struct rpc_call *call, struct request_id *out,
                                        struct candor_error *err)
{
    *out = (struct request_id){0};
    const Candor__V1__RequestId *id = rpc_call_envelope(call)->request_id;
    if (id == NULL)
        return CANDOR_OK;
    if (id->client_id.len != sizeof out->client || id->number == 0)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                                "request_id: a client_id of %zu bytes and a number from 1 on",
                                sizeof out->client);
    memcpy(out->client, id->client_id.data, sizeof out->client);
    out->number = id->number;
    return CANDOR_OK;
}

static bool check_value(struct node *node, struct rpc_call *call, const char *field,
                        ProtobufCBinaryData value)
{
    uint64_t most = node->topology->limit_value_bytes;
    if (value.len <= most)
        return true;
    struct candor_error err;
    candor_error_set(&err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                     "%s: %zu bytes; limits.value is %" PRIu64, field, value.len, most);
    return fail(node, call, &err);
}

/* A ticket with room for its ops; NULL: the call was failed. */
static struct kv_write *write_new(struct node *node, struct rpc_call *call, enum kind kind,
                                  size_t op_count, const Candor__V1__WriteOptions *options,
                                  ProtobufCClosure reply)
{
    struct candor_error err = {0};
    enum ack_level ack;
    struct request_id request;
    if (read_ack(options, &ack, &err) != CANDOR_OK ||
        read_request_id(call, &request, &err) != CANDOR_OK) {
        fail(node, call, &err);
        return NULL;
    }
    struct kv_write *write = ticket_new(node, call, reply, sizeof *write);
    struct record_op *ops = rpc_call_alloc(call, op_count * sizeof *ops);
    bool *existed = rpc_call_alloc(call, op_count * sizeof *existed);
    if (write == NULL || ops == NULL || existed == NULL) {
        reply_fail_busy(node, call);
        return NULL;
    }
    write->kind = kind;
    write->write.ticket.finished = finished;
    write->write.ack = ack;
    write->write.request = request;
    write->write.op_count = (uint32_t)op_count;
    write->write.ops = ops;
    write->write.existed = existed;
    return write;
}

/* R20: nothing waits without bound. */
static bool take_room(struct node *node, struct kv_write *write)
{
    size_t bytes = sizeof *write;
    for (uint32_t i = 0; i < write->write.op_count; i++)
        bytes += write->write.ops[i].key.length + write->write.ops[i].value.length;
    write->write.bytes = bytes;
    size_t before = atomic_fetch_add(&node->write_bytes, bytes);
    /* One write alone always fits. */
    if (before == 0 || before + bytes <= LIMIT_WRITER_BACKLOG_BYTES)
        return true;
    atomic_fetch_sub(&node->write_bytes, bytes);
    return false;
}

static void submit(struct kv_write *write)
{
    struct ticket *ticket = &write->write.ticket;
    struct node *node = ticket->node;
    struct rpc_call *call = ticket->call;
    if (!take_room(node, write)) {
        reply_fail_now(node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                       "writes are waiting for the disk");
        return;
    }
    size_t bytes = write->write.bytes;
    ticket->event.core.type = CORE_EVENT_WRITE;
    ticket->event.core.write.ack = write->write.ack;
    ticket->event.core.write.records = write->write.op_count;
    ticket->event.core.write.deadline_ns = reply_deadline_ns(call);
    if (!ticket_push(ticket)) {
        atomic_fetch_sub(&node->write_bytes, bytes);
        reply_fail_busy(node, call);
    }
}

static struct record_op put_op(const Candor__V1__PutRequest *put)
{
    return (struct record_op){RECORD_PUT, binary_slice(put->key), binary_slice(put->value)};
}

static struct record_op delete_op(const Candor__V1__DeleteRequest *delete)
{
    return (struct record_op){.kind = RECORD_DELETE, .key = binary_slice(delete->key)};
}

static void put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
                Candor__V1__PutResponse_Closure closure, void *closure_data)
{
    struct node *node = ((struct kv_service *)service)->node;
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key) ||
        !check_value(node, call, "value", request->value))
        return;
    struct kv_write *write =
        write_new(node, call, KIND_PUT, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->write.ops[0] = put_op(request);
    submit(write);
}

static void delete (Candor__V1__KV_Service *service, const Candor__V1__DeleteRequest *request,
                    Candor__V1__DeleteResponse_Closure closure, void *closure_data)
{
    struct node *node = ((struct kv_service *)service)->node;
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key))
        return;
    struct kv_write *write =
        write_new(node, call, KIND_DELETE, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->write.ops[0] = delete_op(request);
    submit(write);
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
        return check_value(node, call, field, op->put->value);
    case CANDOR__V1__BATCH_OP__OP_DELETE:
        snprintf(field, sizeof field, "ops[%zu].delete.key", index);
        return kv_check_key(node, call, field, op->delete_->key);
    default:
        candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                         "ops[%zu]: neither a put nor a delete", index);
        return fail(node, call, &err);
    }
}

static bool check_batch(struct node *node, struct rpc_call *call,
                        const Candor__V1__BatchRequest *request)
{
    struct candor_error err;
    if (request->n_ops == 0) {
        candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "ops: none");
        return fail(node, call, &err);
    }
    if (request->n_ops > LIMIT_BATCH_OPS) {
        candor_error_set(&err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "ops: %zu; the limit is %d", request->n_ops, LIMIT_BATCH_OPS);
        return fail(node, call, &err);
    }
    for (size_t i = 0; i < request->n_ops; i++)
        if (!check_op(node, call, i, request->ops[i]))
            return false;
    return true;
}

static void batch(Candor__V1__KV_Service *service, const Candor__V1__BatchRequest *request,
                  Candor__V1__BatchResponse_Closure closure, void *closure_data)
{
    struct node *node = ((struct kv_service *)service)->node;
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !check_batch(node, call, request))
        return;
    struct kv_write *write = write_new(node, call, KIND_BATCH, request->n_ops, request->options,
                                       (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    for (size_t i = 0; i < request->n_ops; i++) {
        const Candor__V1__BatchOp *op = request->ops[i];
        write->write.ops[i] =
            op->op_case == CANDOR__V1__BATCH_OP__OP_PUT ? put_op(op->put) : delete_op(op->delete_);
    }
    submit(write);
}

void kv_service_init(struct node *node)
{
    node->kv.node = node;
    node->kv.base = (Candor__V1__KV_Service){
        .base = CANDOR__V1__KV__BASE_INIT,
        .get = kv_get,
        .multi_get = kv_multi_get,
        .scan = kv_scan,
        .put = put,
        .delete = delete,
        .batch = batch,
    };
}
