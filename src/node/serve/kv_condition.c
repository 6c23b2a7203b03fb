/* Writes of one key under a condition: CompareAndSwap, Expire, Increment. Checked here, evaluated
 * by the writer (R47). */
#include <inttypes.h>
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

bool kv_invalid(struct node *node, struct rpc_call *call, const char *field, const char *why)
{
    struct candor_error err;
    candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s: %s", field, why);
    return kv_fail(node, call, &err);
}

/* What the writer made of this very request reads as such. */
struct eval_answer kv_answer_of(const struct write *write)
{
    struct slice answers = buffer_slice(&write->result.answers);
    struct eval_answer answer;
    bool ok = eval_answer_read(&answers, &answer);
    ASSERT(ok);
    return answer;
}

void kv_fill_item(Candor__V1__KeyValue *out, ProtobufCBinaryData key, bool found,
                  const struct eval_item *item)
{
    candor__v1__key_value__init(out);
    out->key = key;
    out->found = found;
    if (!found)
        return;
    out->value = slice_binary(item->value);
    out->mod_seq = item->mod_seq;
    out->version = item->version;
}

/* ---- CompareAndSwap -------------------------------------------------------------------------- */

static void respond_cas(struct write *write, const struct outcome *outcome)
{
    const Candor__V1__CompareAndSwapRequest *request = write->request;
    const struct write_result *result = &write->result;
    struct eval_answer answer = kv_answer_of(write);
    struct wire_pos room;
    Candor__V1__KeyValue item;
    Candor__V1__CompareAndSwapResponse response = CANDOR__V1__COMPARE_AND_SWAP_RESPONSE__INIT;
    response.pos = wire_pos(&result->last, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.succeeded = answer.succeeded;
    response.replayed = result->replayed;
    if (!answer.succeeded) {
        kv_fill_item(&item, request->key, answer.existed, &answer.item);
        response.item = &item;
    }
    write->ticket.reply(&response.base, write->ticket.call);
}

static bool read_expect(struct node *node, struct rpc_call *call,
                        const Candor__V1__CompareAndSwapRequest *request, struct eval_compare *out)
{
    *out = (struct eval_compare){.key = binary_slice(request->key), .relation = EVAL_EQUAL};
    switch (request->expect_case) {
    case CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_VALUE:
        out->target = EVAL_VALUE;
        out->value = binary_slice(request->expect_value);
        return true;
    case CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_ABSENT:
        out->target = EVAL_EXISTS;
        out->exists = !request->expect_absent;
        return true;
    case CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_MOD_SEQ:
        out->target = EVAL_MOD_SEQ;
        out->number = request->expect_mod_seq;
        return true;
    default:
        return kv_invalid(node, call, "expect_value, expect_absent, expect_mod_seq", "none is set");
    }
}

void kv_compare_and_swap(Candor__V1__KV_Service *service,
                         const Candor__V1__CompareAndSwapRequest *request,
                         Candor__V1__CompareAndSwapResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    struct eval_op op = {.kind = EVAL_CAS,
                         .key = binary_slice(request->key),
                         .value = binary_slice(request->value),
                         .ttl_ms = request->ttl_ms};
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key) ||
        !kv_check_value(node, call, "value", request->value) ||
        !kv_check_ttl(node, call, "ttl_ms", request->ttl_ms) ||
        !read_expect(node, call, request, &op.expect))
        return;
    struct write *write = kv_write_new(node, call, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_cas;
    write->request = request;
    write->ops[0] = op;
    kv_write_submit(write);
}

/* ---- Expire ---------------------------------------------------------------------------------- */

static void respond_expire(struct write *write, const struct outcome *outcome)
{
    const Candor__V1__ExpireRequest *request = write->request;
    const struct write_result *result = &write->result;
    struct eval_answer answer = kv_answer_of(write);
    struct wire_pos room;
    Candor__V1__KeyValue item;
    Candor__V1__ExpireResponse response = CANDOR__V1__EXPIRE_RESPONSE__INIT;
    response.pos = wire_pos(&result->last, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.succeeded = answer.succeeded;
    response.replayed = result->replayed;
    if (!answer.succeeded) {
        kv_fill_item(&item, request->key, answer.existed, &answer.item);
        response.item = &item;
    }
    write->ticket.reply(&response.base, write->ticket.call);
}

/* Whatever is said, the key must be there. */
static struct eval_compare expect_of(const Candor__V1__ExpireRequest *request)
{
    bool by_whom = request->expect_case == CANDOR__V1__EXPIRE_REQUEST__EXPECT_EXPECT_MOD_SEQ;
    return (struct eval_compare){.key = binary_slice(request->key),
                                 .relation = EVAL_EQUAL,
                                 .target = by_whom ? EVAL_MOD_SEQ : EVAL_EXISTS,
                                 .exists = true,
                                 .number = by_whom ? request->expect_mod_seq : 0};
}

void kv_expire(Candor__V1__KV_Service *service, const Candor__V1__ExpireRequest *request,
               Candor__V1__ExpireResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key) ||
        !kv_check_ttl(node, call, "ttl_ms", request->ttl_ms))
        return;
    struct write *write = kv_write_new(node, call, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_expire;
    write->request = request;
    write->ops[0] = (struct eval_op){.kind = EVAL_EXPIRE,
                                     .key = binary_slice(request->key),
                                     .ttl_ms = request->ttl_ms,
                                     .expect = expect_of(request)};
    kv_write_submit(write);
}

/* ---- Increment ------------------------------------------------------------------------------- */

static void refuse_increment(struct rpc_call *call, const struct eval_op *op, int64_t present)
{
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(text, sizeof text,
             "key: %" PRId64 " plus %" PRId64 " is not within [%" PRId64 ", %" PRId64 "]", present,
             op->delta, op->min, op->max);
    rpc_call_reply(call)->code = CANDOR__V1__CODE__CODE_OUT_OF_RANGE;
    rpc_call_reply(call)->message = rpc_call_string(call, text);
}

/* R34: a refusal, too, has waited for the commit of what it tells. */
static void respond_increment(struct write *write, const struct outcome *outcome)
{
    const struct write_result *result = &write->result;
    struct rpc_call *call = write->ticket.call;
    struct eval_answer answer = kv_answer_of(write);
    struct wire_pos room;
    Candor__V1__IncrementResponse response = CANDOR__V1__INCREMENT_RESPONSE__INIT;
    response.pos = wire_pos(&result->last, &room);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    response.value = answer.number;
    response.replayed = result->replayed;
    if (!answer.succeeded)
        refuse_increment(call, &write->ops[0], answer.number);
    write->ticket.reply(&response.base, call);
}

void kv_increment(Candor__V1__KV_Service *service, const Candor__V1__IncrementRequest *request,
                  Candor__V1__IncrementResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    bool has_min = request->lower_bound_case == CANDOR__V1__INCREMENT_REQUEST__LOWER_BOUND_MIN;
    bool has_max = request->upper_bound_case == CANDOR__V1__INCREMENT_REQUEST__UPPER_BOUND_MAX;
    if (!reply_check_hops(node, call) || !kv_check_key(node, call, "key", request->key))
        return;
    struct write *write = kv_write_new(node, call, 1, request->options, (ProtobufCClosure)closure);
    if (write == NULL)
        return;
    write->respond = respond_increment;
    write->request = request;
    write->ops[0] = (struct eval_op){.kind = EVAL_INCREMENT,
                                     .key = binary_slice(request->key),
                                     .delta = request->delta,
                                     .min = has_min ? request->min : INT64_MIN,
                                     .max = has_max ? request->max : INT64_MAX,
                                     .initial = request->initial};
    kv_write_submit(write);
}
