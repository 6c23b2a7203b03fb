/* One call: its request packed, its end. */
#include "rpc/exchange.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/unpack.h"

/* ---- The beginning --------------------------------------------------------------------------- */

void exchange_begin(struct rpc_exchange *exchange)
{
    exchange->error = (struct candor_error){.code = CANDOR_OK};
    exchange->reply = NULL;
}

uint64_t exchange_deadline_ms(const struct rpc_exchange *exchange)
{
    if (exchange->deadline_ms == 0)
        return LIMIT_RPC_DEADLINE_MS_DEFAULT;
    return min_u64(exchange->deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX);
}

nng_msg *exchange_pack(struct rpc_client *client, const char *method, struct envelope_body body,
                       struct rpc_exchange *exchange)
{
    Candor__V1__RpcRequest envelope = CANDOR__V1__RPC_REQUEST__INIT;
    Candor__V1__RequestId request_id = CANDOR__V1__REQUEST_ID__INIT;
    union { /* protobuf-c wants them writable, and does not write */
        const char *constant;
        char *text;
    } name = {.constant = method};
    envelope.method = name.text;
    envelope.deadline_ms = (uint32_t)exchange_deadline_ms(exchange);
    if (exchange->request_id != NULL) {
        request_id = *exchange->request_id;
        envelope.request_id = &request_id;
    }
    envelope.hops = exchange->hops;
    envelope.n_hops = exchange->hop_count;
    nng_msg *message;
    size_t bytes = envelope_pack(&envelope.base, ENVELOPE_REQUEST_BODY, body, client->message_bytes,
                                 NULL, &message);
    if (message == NULL && bytes <= client->message_bytes)
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "no memory for a request of %zu bytes", bytes);
    else if (message == NULL)
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "the request has %zu bytes, over the message limit of %zu", bytes,
                         client->message_bytes);
    return message;
}

/* ---- The end --------------------------------------------------------------------------------- */

void exchange_fail(struct rpc_exchange *exchange)
{
    ASSERT(exchange->error.code != CANDOR_OK);
    ASSERT(exchange->output != NULL || exchange->packed != NULL);
    if (exchange->output != NULL)
        exchange->typed(NULL, exchange);
    else
        exchange->packed((struct slice){0}, exchange);
}

/* What the reply's envelope says, as an error. */
static void take_outcome(const Candor__V1__RpcReply *reply, struct candor_error *error)
{
    error->code = (enum candor_code)reply->code;
    if ((int)reply->code < 0 || (int)reply->code > CANDOR_UNAUTHENTICATED)
        error->code = CANDOR_UNKNOWN;
    error->reason = (enum candor_reason)reply->reason;
    text_copy(error->message, sizeof error->message, reply->message);
}

/* False: the response does not decode. */
static bool complete_ok(struct rpc_exchange *exchange, struct arena *arena, struct slice body)
{
    if (exchange->output == NULL) {
        exchange->packed(body, exchange);
        return true;
    }
    ProtobufCMessage *response;
    if (unpack_message(exchange->output, arena, body, &response) != UNPACK_OK)
        return false;
    exchange->typed(response, exchange);
    return true;
}

void exchange_end(struct slot *slot, struct rpc_exchange *exchange, Candor__V1__RpcReply *reply)
{
    exchange->reply = reply;
    take_outcome(reply, &exchange->error);
    if (exchange->error.code != CANDOR_OK) {
        exchange_fail(exchange);
        return;
    }
    const ProtobufCMessageDescriptor *output = exchange->output;
    if (complete_ok(exchange, &slot->arena, slice_of(reply->body.data, reply->body.len)))
        return;
    candor_error_set(&exchange->error, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                     "the response of %s does not decode as %s", slot->client->dialed.address,
                     output->name);
    exchange_fail(exchange);
}

/* ---- In a message of its own ----------------------------------------------------------------- */

void exchange_answered(struct slot *slot, Candor__V1__RpcReply *reply)
{
    exchange_end(slot, slot->exchange, reply);
}

void exchange_failed(struct slot *slot, const struct candor_error *error)
{
    slot->exchange->error = *error;
    exchange_fail(slot->exchange);
}

const struct cargo exchange_cargo = {.answered = exchange_answered, .failed = exchange_failed};
