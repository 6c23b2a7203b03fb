/* Many calls in one message: each is run as if it had come alone, and the message is answered when
 * the last of them is finished (rpc.proto, Rpc.Bundle). */
#include "rpc/server.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

#define REPLIES_FIELD 1 /* BundleResponse.replies */
#define SMALL_BYTES 16

/* Of one call: its reply, packed, with its frame. */
struct part {
    struct rpc_call call; /* first: part_of() */
    bool shares_freshness;
    struct slice reply;
    uint8_t small[SMALL_BYTES]; /* of what says that there was no room for the reply */
};

/* Its memory is its message's. */
struct rpc_bundle {
    struct rpc_context *context;
    const Candor__V1__BundleRequest *request;
    struct part *parts;
    size_t count;
    size_t begun;       /* by the one thread that runs it */
    atomic_size_t open; /* calls that are not finished, and one while it is run */

    pthread_mutex_t lock; /* of all below, and of the context's arena */
    size_t reply_bytes;
    /* The freshness of those that leave it out; fill NULL: there are none. */
    void (*fill)(void *closure, struct rpc_call *call);
    void *fill_closure;
};

static struct part *part_of(struct rpc_call *call)
{
    return (struct part *)call;
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

/* Once; the bundle is gone then. */
static void answer(struct rpc_bundle *bundle)
{
    struct rpc_context *context = bundle->context;
    struct slice *pieces = arena_alloc(&context->arena, (bundle->count + 1) * sizeof *pieces);
    if (pieces == NULL) {
        /* No write is repeated for it: nothing says that it had no effect. */
        request_fail(&context->call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OUTCOME_UNKNOWN,
                     "there is no memory left for the bundle's replies");
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

static void close_one(struct rpc_bundle *bundle)
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
                      size_t frame_bytes, uint8_t *out, struct part *part)
{
    memcpy(out, frame, frame_bytes);
    envelope_put(layout, out + frame_bytes);
    part->reply = slice_of(out, frame_bytes + layout->bytes);
}

static void put_substitute(struct part *part, enum candor_reason why)
{
    Candor__V1__RpcReply reply = CANDOR__V1__RPC_REPLY__INIT;
    reply.code = CANDOR__V1__CODE__CODE_RESOURCE_EXHAUSTED;
    reply.reason = (Candor__V1__Reason)why;
    struct envelope_layout layout;
    uint8_t frame[ENVELOPE_FRAME_BYTES];
    envelope_measure(&reply.base, ENVELOPE_REPLY_BODY, (struct envelope_body){0}, &layout);
    size_t frame_bytes = envelope_frame(frame, REPLIES_FIELD, layout.bytes);
    ASSERT_U64(frame_bytes + layout.bytes, <=, SMALL_BYTES);
    put_reply(&layout, frame, frame_bytes, part->small, part);
}

static void pack(struct part *part, const ProtobufCMessage *response)
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
    close_one(call->bundle);
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

/* ---- Running --------------------------------------------------------------------------------- */

/* What the call leaves out is the bundle's. */
static void complete(const struct rpc_bundle *bundle, Candor__V1__RpcRequest *call)
{
    const Candor__V1__RpcRequest *outer = bundle->context->call.envelope;
    if (call->method[0] == '\0')
        call->method = bundle->request->method;
    if (call->deadline_ms == 0)
        call->deadline_ms = outer->deadline_ms;
    if (call->credentials[0] == '\0')
        call->credentials = outer->credentials;
    if (call->n_hops == 0) {
        call->n_hops = outer->n_hops;
        call->hops = outer->hops;
    }
    if (call->request_id != NULL && call->request_id->client_id.len == 0 &&
        outer->request_id != NULL)
        call->request_id->client_id = outer->request_id->client_id;
}

static void begin_part(struct rpc_bundle *bundle, size_t index)
{
    const struct rpc_call *outer = &bundle->context->call;
    struct rpc_call *call = &bundle->parts[index].call;
    call->server = outer->server;
    call->bundle = bundle;
    call->connection = outer->connection;
    call->arrived_ns = outer->arrived_ns;
    call->deadline_ns = outer->deadline_ns;
    call->envelope = &call->own;
    candor__v1__rpc_reply__init(&call->reply);
    call->own = *bundle->request->calls[index];
    complete(bundle, &call->own);
    if (!request_take(call, &call->own))
        return;
    call->deadline_ns = min_u64(call->deadline_ns, outer->deadline_ns);
    request_invoke(call);
}

bool rpc_bundle_run(struct rpc_bundle *bundle, uint64_t until_ns)
{
    while (bundle->begun < bundle->count) {
        begin_part(bundle, bundle->begun++);
        if (bundle->begun < bundle->count && clock_boot_ns() >= until_ns)
            return false;
    }
    close_one(bundle);
    return true;
}

void rpc_bundle_refuse(struct rpc_bundle *bundle)
{
    struct rpc_call *call = &bundle->context->call;
    pthread_mutex_destroy(&bundle->lock);
    rpc_call_overloaded(call, "too much is waiting already");
}

/* ---- The beginning --------------------------------------------------------------------------- */

/* NULL: the call was failed. */
static struct rpc_bundle *bundle_new(struct rpc_context *context,
                                     const Candor__V1__BundleRequest *request)
{
    struct rpc_bundle *bundle = arena_alloc(&context->arena, sizeof *bundle);
    size_t parts_bytes = (request->n_calls + 1) * sizeof *bundle->parts;
    struct part *parts = arena_alloc(&context->arena, parts_bytes);
    if (bundle == NULL || parts == NULL) {
        rpc_call_overloaded(&context->call, "there is no memory left for bundles");
        return NULL;
    }
    memset(parts, 0, parts_bytes);
    *bundle = (struct rpc_bundle){
        .context = context, .request = request, .parts = parts, .count = request->n_calls};
    atomic_init(&bundle->open, request->n_calls + 1);
    pthread_mutex_init(&bundle->lock, NULL);
    return bundle;
}

static void run_bundle(Candor__V1__Rpc_Service *service, const Candor__V1__BundleRequest *request,
                       Candor__V1__BundleResponse_Closure closure, void *closure_data)
{
    (void)service;
    (void)closure;
    struct rpc_call *call = closure_data;
    const struct rpc_server_options *options = &call->server->options;
    if (call->bundle != NULL) {
        request_fail(call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                     "method: a bundle holds no bundles");
        return;
    }
    if (request->n_calls > LIMIT_BUNDLE_CALLS) {
        request_fail(call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                     "calls: %zu; the limit is %d", request->n_calls, LIMIT_BUNDLE_CALLS);
        return;
    }
    struct rpc_context *context = rpc_context_of(call);
    if (!connection_grow(context, (uint32_t)request->n_calls)) {
        rpc_call_overloaded(call, "too many calls are under way here");
        return;
    }
    struct rpc_bundle *bundle = bundle_new(context, request);
    if (bundle == NULL)
        return;
    options->bundle(options->closure, bundle);
}

ProtobufCService *bundle_service(void)
{
    static Candor__V1__Rpc_Service service = {
        .base = {.descriptor = &candor__v1__rpc__descriptor,
                 .invoke = protobuf_c_service_invoke_internal},
        .bundle = run_bundle,
    };
    return &service.base;
}
