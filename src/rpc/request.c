/* From the bytes of a request to its handler. */
#include "rpc/request.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/unpack.h"
#include "rpc/bundle_reply.h"
#include "rpc/call.h"
#include "rpc/context.h"
#include "rpc/dispatch.h"
#include "rpc/envelope.h"
#include "rpc/text.h"

#define CLIENT_ID_BYTES 16

/* ---- Envelope -------------------------------------------------------------------------------- */

static void fail_unpack(struct rpc_call *call, enum unpack_result result, const char *name)
{
    if (result == UNPACK_NO_MEMORY)
        rpc_call_overloaded(call, "there is no memory left for requests of this size");
    else if (result == UNPACK_TOO_LARGE)
        call_fail(call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                  "%s unfolds to more memory than a message of its size may take", name);
    else
        call_fail(call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                  "the bytes do not decode as %s", name);
}

/* The name of the first envelope field that cannot be taken as it is; NULL: all can. */
static const char *bad_field(const Candor__V1__RpcRequest *envelope)
{
    if (!text_is_printable(envelope->method) || strlen(envelope->method) >= LIMIT_RPC_METHOD_BYTES)
        return "method";
    if (!text_is_printable(envelope->credentials))
        return "credentials";
    for (size_t i = 0; i < envelope->n_hops; i++)
        if (!text_is_printable(envelope->hops[i]) ||
            strlen(envelope->hops[i]) >= LIMIT_NODE_ID_BYTES)
            return "hops";
    if (envelope->request_id != NULL && envelope->request_id->client_id.len != CLIENT_ID_BYTES)
        return "request_id.client_id";
    return NULL;
}

bool request_take(struct rpc_call *call, const Candor__V1__RpcRequest *envelope)
{
    const char *bad = bad_field(envelope);
    if (bad != NULL) {
        call_fail(call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                  "RpcRequest.%s is malformed", bad);
        return false;
    }
    call->envelope = envelope;
    uint64_t deadline_ms =
        envelope->deadline_ms == 0 ? LIMIT_RPC_DEADLINE_MS_DEFAULT : envelope->deadline_ms;
    call->deadline_ns =
        call->arrived_ns + min_u64(deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX) * NS_PER_MS;
    return true;
}

static bool take_envelope(struct rpc_context *context, struct slice bytes)
{
    struct rpc_call *call = &context->call;
    ProtobufCMessage *message;
    enum unpack_result result =
        unpack_message(&candor__v1__rpc_request__descriptor, &context->arena, bytes, &message);
    if (result != UNPACK_OK) {
        fail_unpack(call, result, candor__v1__rpc_request__descriptor.name);
        return false;
    }
    const Candor__V1__RpcRequest *envelope = (const Candor__V1__RpcRequest *)message;
    bool counted = envelope->checksum != 0 || call->server->options.checksums;
    if (counted && !envelope_is_sound(bytes, envelope->checksum)) {
        call_fail(call, CANDOR_UNAVAILABLE, CANDOR_REASON_MALFORMED,
                  "the request was damaged on its way: its checksum does not match");
        return false;
    }
    return request_take(call, envelope);
}

/* ---- Its handler ----------------------------------------------------------------------------- */

/* Its caller has stopped waiting: what the handler would do is lost work, and keeps others
 * waiting. */
static bool expired(struct rpc_call *call)
{
    uint64_t now_ns = clock_boot_ns();
    if (now_ns < call->deadline_ns)
        return false;
    call_fail(call, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
              "the deadline had passed before the call was begun, %llu ms after it arrived",
              (unsigned long long)((now_ns - call->arrived_ns) / NS_PER_MS));
    return true;
}

static enum unpack_result unpack_body(struct rpc_call *call, ProtobufCMessage **out)
{
    const ProtobufCMessageDescriptor *input = call->method->input;
    struct slice body = slice_of(call->envelope->body.data, call->envelope->body.len);
    if (call->bundle != NULL)
        return bundle_unpack(call->bundle, input, body, out);
    struct arena *arena = &rpc_context_of(call)->arena;
    enum unpack_result result = unpack_message(input, arena, body, out);
    arena->limit_bytes = arena->used_bytes + LIMIT_RPC_CALL_ROOM_BYTES;
    arena->pass_bytes = arena->held_bytes + LIMIT_RPC_REPLY_PASS_BYTES;
    return result;
}

void request_invoke(struct rpc_call *call)
{
    const struct rpc_server *server = call->server;
    struct dispatch_target target;
    if (!dispatch_find(server->services, server->service_count, call->envelope->method, &target)) {
        call_fail(call, CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD,
                  "no such method: \"%s\"", call->envelope->method);
        return;
    }
    call->method = target.method;
    ProtobufCMessage *request;
    enum unpack_result result = unpack_body(call, &request);
    if (result != UNPACK_OK)
        fail_unpack(call, result, target.method->input->name);
    else if (!expired(call))
        target.service->invoke(target.service, target.method_index, request, rpc_call_respond,
                               call);
}

void request_run(struct rpc_context *context, nng_msg *message)
{
    struct slice bytes = slice_of(nng_msg_body(message), nng_msg_len(message));
    unpack_limit(&context->arena, bytes.length);
    context->arena.pass_bytes = LIMIT_RPC_REQUEST_PASS_BYTES;
    bool taken = take_envelope(context, bytes); /* copies: the call no longer needs the message */
    nng_msg_free(message);
    if (taken)
        request_invoke(&context->call);
}
