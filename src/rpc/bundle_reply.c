/* Many calls in one message: their memory, and the reply of all, when the last is finished. */
#include "rpc/bundle_reply.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "rpc/connection.h"
#include "rpc/context.h"
#include "rpc/envelope.h"

#define REPLIES_FIELD 1 /* BundleResponse.replies */

static struct bundle_part *part_of(struct rpc_call *call)
{
    return (struct bundle_part *)call;
}

/* ---- Its memory ------------------------------------------------------------------------------ */

void *rpc_bundle_alloc(struct rpc_bundle *bundle, size_t bytes)
{
    pthread_mutex_lock(&bundle->lock);
    void *memory = arena_alloc(&bundle->context->arena, bytes);
    pthread_mutex_unlock(&bundle->lock);
    return memory;
}

enum unpack_result bundle_unpack(struct rpc_bundle *bundle,
                                 const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                                 ProtobufCMessage **out)
{
    pthread_mutex_lock(&bundle->lock);
    enum unpack_result result = unpack_message(descriptor, &bundle->context->arena, bytes, out);
    pthread_mutex_unlock(&bundle->lock);
    return result;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* No write is repeated for it: nothing says that it had no effect. */
static void answer_no_memory(struct rpc_bundle *bundle)
{
    struct rpc_context *context = bundle->context;
    char text[] = "there is no memory left for the bundle's replies";
    context->call.reply.code = CANDOR__V1__CODE__CODE_RESOURCE_EXHAUSTED;
    context->call.reply.reason = CANDOR__V1__REASON__REASON_OUTCOME_UNKNOWN;
    context->call.reply.message = text;
    pthread_mutex_destroy(&bundle->lock);
    rpc_context_finish(context, (struct envelope_body){0});
}

/* Once; the bundle is gone then. */
static void answer(struct rpc_bundle *bundle)
{
    struct rpc_context *context = bundle->context;
    struct slice *pieces = arena_alloc(&context->arena, (bundle->count + 1) * sizeof *pieces);
    if (pieces == NULL) {
        answer_no_memory(bundle);
        return;
    }
    for (size_t i = 0; i < bundle->count; i++)
        pieces[i] = bundle->parts[i].reply;
    if (bundle->fill != NULL)
        bundle->fill(bundle->fill_closure, &context->call);
    struct envelope_body body = {.pieces = pieces, .piece_count = bundle->count};
    pthread_mutex_destroy(&bundle->lock);
    rpc_context_finish(context, body);
}

void bundle_close_one(struct rpc_bundle *bundle)
{
    if (atomic_fetch_sub(&bundle->open, 1) == 1)
        answer(bundle);
}

/* ---- The end of one call --------------------------------------------------------------------- */

static size_t reply_limit(const struct rpc_server *server)
{
    size_t half = server->options.message_bytes / 2;
    return half < LIMIT_BUNDLE_REPLY_BYTES ? half : LIMIT_BUNDLE_REPLY_BYTES;
}

/* Where the reply goes; NULL: there is no room for it. */
static uint8_t *take_room(struct rpc_bundle *bundle, size_t bytes, enum candor_reason *why)
{
    uint8_t *room = NULL;
    *why = CANDOR_REASON_BUNDLE_FULL;
    pthread_mutex_lock(&bundle->lock);
    if (bundle->reply_bytes + bytes <= reply_limit(bundle->context->call.server)) {
        room = arena_alloc(&bundle->context->arena, bytes);
        *why = CANDOR_REASON_OUTCOME_UNKNOWN;
    }
    if (room != NULL)
        bundle->reply_bytes += bytes;
    pthread_mutex_unlock(&bundle->lock);
    return room;
}

static void put_reply(const struct envelope_layout *layout, const uint8_t *frame,
                      size_t frame_bytes, uint8_t *out, struct bundle_part *part)
{
    memcpy(out, frame, frame_bytes);
    envelope_put(layout, out + frame_bytes);
    part->reply = slice_of(out, frame_bytes + layout->bytes);
}

static void put_substitute(struct bundle_part *part, enum candor_reason why)
{
    Candor__V1__RpcReply reply = CANDOR__V1__RPC_REPLY__INIT;
    reply.code = CANDOR__V1__CODE__CODE_RESOURCE_EXHAUSTED;
    reply.reason = (Candor__V1__Reason)why;
    struct envelope_layout layout;
    uint8_t frame[ENVELOPE_FRAME_BYTES];
    envelope_measure(&reply.base, ENVELOPE_REPLY_BODY, (struct envelope_body){0}, &layout);
    size_t frame_bytes = envelope_frame(frame, REPLIES_FIELD, layout.bytes);
    ASSERT_U64(frame_bytes + layout.bytes, <=, BUNDLE_SMALL_BYTES);
    put_reply(&layout, frame, frame_bytes, part->small, part);
}

static void pack(struct bundle_part *part, const ProtobufCMessage *response)
{
    struct rpc_call *call = &part->call;
    const struct rpc_server_options *options = &call->server->options;
    if (part->shares_freshness)
        call->reply.freshness = NULL;
    else if (call->reply.freshness == NULL && options->freshness != NULL)
        options->freshness(options->closure, call);
    struct envelope_layout layout;
    uint8_t frame[ENVELOPE_FRAME_BYTES];
    envelope_measure(&call->reply.base, ENVELOPE_REPLY_BODY,
                     (struct envelope_body){.message = response}, &layout);
    size_t frame_bytes = envelope_frame(frame, REPLIES_FIELD, layout.bytes);
    enum candor_reason why;
    uint8_t *out = take_room(call->bundle, frame_bytes + layout.bytes, &why);
    if (out != NULL)
        put_reply(&layout, frame, frame_bytes, out, part);
    else
        put_substitute(part, why);
}

void bundle_finish(struct rpc_call *call, const ProtobufCMessage *response)
{
    if (!connection_finished(call))
        pack(part_of(call), response);
    bundle_close_one(call->bundle);
}

bool rpc_call_share_freshness(struct rpc_call *call,
                              void (*fill)(void *closure, struct rpc_call *call), void *closure)
{
    struct rpc_bundle *bundle = call->bundle;
    if (bundle == NULL)
        return false;
    pthread_mutex_lock(&bundle->lock);
    if (bundle->fill == NULL) {
        bundle->fill = fill;
        bundle->fill_closure = closure;
    }
    bool shares = bundle->fill_closure == closure;
    pthread_mutex_unlock(&bundle->lock);
    part_of(call)->shares_freshness = shares;
    return shares;
}

const Candor__V1__SessionToken *rpc_call_token(const struct rpc_call *call)
{
    return call->bundle != NULL ? call->bundle->request->token : NULL;
}
