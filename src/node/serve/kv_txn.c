/* Txn: checked here, evaluated by the writer (R47). */
#include <stdio.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "eval/answer.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/kv_condition.h"
#include "node/serve/kv_write.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/bytes.h"
#include "node/store/write.h"
#include "rpc/rpc.h"
#include "wire/wire.h"

enum { FIELD_BYTES = 32, SUBFIELD_BYTES = FIELD_BYTES + 16 };

/* ---- Txn: the answer ------------------------------------------------------------------------- */

struct txn_result {
    Candor__V1__TxnOpResult result;
    Candor__V1__KeyValue item;
};

static void fill_results(struct eval_answer *answer, Candor__V1__TxnOp *const *ops,
                         struct txn_result *results, Candor__V1__TxnOpResult **list)
{
    for (uint32_t i = 0; i < answer->step_count; i++) {
        struct eval_step_answer step;
        struct txn_result *result = &results[i];
        eval_answer_step(answer, &step);
        candor__v1__txn_op_result__init(&result->result);
        result->result.found = step.found;
        if (step.kind == EVAL_STEP_GET) {
            kv_fill_item(&result->item, ops[i]->get->key, step.found, &step.item);
            result->result.item = &result->item;
        }
        list[i] = &result->result;
    }
}

/* A request id that was used for another Txn answers with that one's results; they cannot be shown
 * beside these ops. */
static bool same_steps(struct eval_answer answer, Candor__V1__TxnOp *const *ops, size_t op_count)
{
    if (answer.step_count != op_count)
        return false;
    for (uint32_t i = 0; i < answer.step_count; i++) {
        struct eval_step_answer step;
        eval_answer_step(&answer, &step);
        if ((step.kind == EVAL_STEP_GET) != (ops[i]->op_case == CANDOR__V1__TXN_OP__OP_GET))
            return false;
    }
    return true;
}

static void respond_txn(struct write *write, const struct outcome *outcome)
{
    const Candor__V1__TxnRequest *request = write->request;
    const struct write_result *result = &write->result;
    struct rpc_call *call = write->ticket.call;
    struct eval_answer answer = kv_answer_of(write);
    Candor__V1__TxnOp *const *ops = answer.succeeded ? request->then_ops : request->else_ops;
    size_t op_count = answer.succeeded ? request->n_then_ops : request->n_else_ops;
    struct txn_result *results = rpc_call_alloc(call, (op_count + 1) * sizeof *results);
    Candor__V1__TxnOpResult **list = rpc_call_alloc(call, (op_count + 1) * sizeof(void *));
    if (!same_steps(answer, ops, op_count)) {
        reply_fail_now(write->ticket.node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                       "request_id: it was used for another operation");
        return;
    }
    if (results == NULL || list == NULL) {
        reply_fail_now(write->ticket.node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                       "there is no room for the results");
        return;
    }
    struct wire_pos room;
    Candor__V1__TxnResponse response = CANDOR__V1__TXN_RESPONSE__INIT;
    fill_results(&answer, ops, results, list);
    response.pos = wire_pos(&result->last, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.succeeded = answer.succeeded;
    response.n_results = op_count;
    response.results = list;
    response.replayed = result->replayed;
    write->ticket.reply(&response.base, call);
}

/* ---- Txn: the request ------------------------------------------------------------------------ */

/* One Txn being read. */
struct txn_reading {
    struct node *node;
    struct rpc_call *call;
    size_t write_bytes; /* of the list being read */
};

static bool check_count(const struct txn_reading *txn, const char *field, size_t count)
{
    if (count <= LIMIT_BATCH_OPS)
        return true;
    struct candor_error err;
    candor_error_set(&err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                     "%s: %zu; the limit is %d", field, count, LIMIT_BATCH_OPS);
    return kv_fail(txn->node, txn->call, &err);
}

static bool read_compare(const struct txn_reading *txn, const char *field,
                         const Candor__V1__Compare *from, struct eval_compare *to)
{
    char key[SUBFIELD_BYTES];
    snprintf(key, sizeof key, "%s.key", field);
    if (!kv_check_key(txn->node, txn->call, key, from->key))
        return false;
    if ((unsigned)from->relation > EVAL_GREATER)
        return kv_invalid(txn->node, txn->call, field, "unknown relation");
    *to = (struct eval_compare){.key = binary_slice(from->key),
                                .relation = (enum eval_relation)from->relation};
    switch (from->target_case) {
    case CANDOR__V1__COMPARE__TARGET_EXISTS:
        to->target = EVAL_EXISTS;
        to->exists = from->exists;
        return true;
    case CANDOR__V1__COMPARE__TARGET_VALUE:
        to->target = EVAL_VALUE;
        to->value = binary_slice(from->value);
        return true;
    case CANDOR__V1__COMPARE__TARGET_MOD_SEQ:
        to->target = EVAL_MOD_SEQ;
        to->number = from->mod_seq;
        return true;
    case CANDOR__V1__COMPARE__TARGET_VERSION:
        to->target = EVAL_VERSION;
        to->number = from->version;
        return true;
    default:
        return kv_invalid(txn->node, txn->call, field,
                          "none of exists, value, mod_seq, version is set");
    }
}

static bool read_compares(const struct txn_reading *txn, const Candor__V1__TxnRequest *request,
                          struct eval_op *op)
{
    if (!check_count(txn, "compare", request->n_compare))
        return false;
    struct eval_compare *list = rpc_call_alloc(txn->call, (request->n_compare + 1) * sizeof *list);
    if (list == NULL) {
        reply_fail_busy(txn->node, txn->call);
        return false;
    }
    for (size_t i = 0; i < request->n_compare; i++) {
        char field[FIELD_BYTES];
        snprintf(field, sizeof field, "compare[%zu]", i);
        if (!read_compare(txn, field, request->compare[i], &list[i]))
            return false;
    }
    op->compares = list;
    op->compare_count = (uint32_t)request->n_compare;
    return true;
}

static bool read_step(struct txn_reading *txn, const char *field, const Candor__V1__TxnOp *from,
                      struct eval_step *to)
{
    char key[SUBFIELD_BYTES];
    char value[SUBFIELD_BYTES];
    char ttl[SUBFIELD_BYTES];
    ProtobufCBinaryData at;
    switch (from->op_case) {
    case CANDOR__V1__TXN_OP__OP_PUT:
        snprintf(key, sizeof key, "%s.put.key", field);
        at = from->put->key;
        *to = (struct eval_step){EVAL_STEP_PUT, binary_slice(at), binary_slice(from->put->value),
                                 from->put->ttl_ms};
        break;
    case CANDOR__V1__TXN_OP__OP_DELETE:
        snprintf(key, sizeof key, "%s.delete.key", field);
        at = from->delete_->key;
        *to = (struct eval_step){.kind = EVAL_STEP_DELETE, .key = binary_slice(at)};
        break;
    case CANDOR__V1__TXN_OP__OP_GET:
        snprintf(key, sizeof key, "%s.get.key", field);
        at = from->get->key;
        *to = (struct eval_step){.kind = EVAL_STEP_GET, .key = binary_slice(at)};
        break;
    default:
        return kv_invalid(txn->node, txn->call, field, "neither a put, a delete nor a get");
    }
    snprintf(value, sizeof value, "%s.put.value", field);
    snprintf(ttl, sizeof ttl, "%s.put.ttl_ms", field);
    txn->write_bytes += to->key.length + to->value.length;
    return kv_check_key(txn->node, txn->call, key, at) &&
           kv_check_value(txn->node, txn->call, value, slice_binary(to->value)) &&
           kv_check_ttl(txn->node, txn->call, ttl, to->ttl_ms);
}

static bool read_steps(struct txn_reading *txn, const char *name, Candor__V1__TxnOp *const *ops,
                       size_t count, struct eval_steps *out)
{
    if (!check_count(txn, name, count))
        return false;
    struct eval_step *list = rpc_call_alloc(txn->call, (count + 1) * sizeof *list);
    if (list == NULL) {
        reply_fail_busy(txn->node, txn->call);
        return false;
    }
    txn->write_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        char field[FIELD_BYTES];
        snprintf(field, sizeof field, "%s[%zu]", name, i);
        if (!read_step(txn, field, ops[i], &list[i]))
            return false;
    }
    /* One record holds it all. */
    if (txn->write_bytes > LIMIT_VALUE_BYTES_MAX) {
        struct candor_error err;
        candor_error_set(&err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "%s: %zu bytes of keys and values; the limit is %u", name,
                         txn->write_bytes, LIMIT_VALUE_BYTES_MAX);
        return kv_fail(txn->node, txn->call, &err);
    }
    *out = (struct eval_steps){list, (uint32_t)count};
    return true;
}

void kv_txn(Candor__V1__KV_Service *service, const Candor__V1__TxnRequest *request,
            Candor__V1__TxnResponse_Closure closure, void *closure_data)
{
    struct txn_reading txn = {.node = node_of(service), .call = closure_data};
    struct eval_op op = {.kind = EVAL_TXN};
    if (!reply_check_hops(txn.node, txn.call) || !read_compares(&txn, request, &op) ||
        !read_steps(&txn, "then_ops", request->then_ops, request->n_then_ops, &op.then_steps) ||
        !read_steps(&txn, "else_ops", request->else_ops, request->n_else_ops, &op.else_steps))
        return;
    if (request->n_then_ops + request->n_else_ops == 0) {
        kv_invalid(txn.node, txn.call, "then_ops, else_ops", "there is nothing to do");
        return;
    }
    struct write *write =
        kv_write_new(txn.node, txn.call, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_txn;
    write->request = request;
    write->ops[0] = op;
    kv_write_submit(write);
}
