/* What handlers ask of a call, and how they finish it. */
#include "rpc/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "rpc/bundle_reply.h"
#include "rpc/context.h"
#include "rpc/text.h"

static void finish(struct rpc_call *call, const ProtobufCMessage *response)
{
    if (call->bundle != NULL)
        bundle_finish(call, response);
    else
        rpc_context_finish(rpc_context_of(call), (struct envelope_body){.message = response});
}

void rpc_call_respond(const ProtobufCMessage *response, void *closure_data)
{
    struct rpc_call *call = closure_data;
    ASSERT(call->method != NULL);
    if (response == NULL) {
        call_fail(call, CANDOR_INTERNAL, CANDOR_REASON_NONE, "the handler gave no answer");
        return;
    }
    ASSERT(response->descriptor == call->method->output);
    finish(call, response);
}

void rpc_call_fail(struct rpc_call *call, const struct candor_error *error)
{
    ASSERT(error->code != CANDOR_OK);
    char message[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", error->message);
    text_make_printable(message); /* it may quote the request, and may have been cut */
    call->reply.code = (Candor__V1__Code)error->code;
    call->reply.reason = (Candor__V1__Reason)error->reason;
    call->reply.message = message;
    finish(call, NULL);
}

void call_fail(struct rpc_call *call, enum candor_code code, enum candor_reason reason,
               const char *format, ...)
{
    struct candor_error error = {.code = code, .reason = reason};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    rpc_call_fail(call, &error);
}

void rpc_call_overloaded(struct rpc_call *call, const char *why)
{
    Candor__V1__RetryHint hint = CANDOR__V1__RETRY_HINT__INIT;
    hint.retry_after_ms = LIMIT_RPC_RETRY_AFTER_MS;
    call->reply.retry = &hint;
    call_fail(call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, "%s", why);
}

void *rpc_call_alloc(struct rpc_call *call, size_t bytes)
{
    if (call->bundle != NULL)
        return rpc_bundle_alloc(call->bundle, bytes);
    return arena_alloc(&rpc_context_of(call)->arena, bytes);
}

char *rpc_call_string(struct rpc_call *call, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = rpc_call_alloc(call, bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

uint64_t rpc_call_deadline_ns(const struct rpc_call *call)
{
    return call->deadline_ns;
}

const Candor__V1__RpcRequest *rpc_call_envelope(const struct rpc_call *call)
{
    return call->envelope;
}

Candor__V1__RpcReply *rpc_call_reply(struct rpc_call *call)
{
    return &call->reply;
}
