/* Many calls in one message: each is run as if it had come alone, and the message is answered when
 * the last of them is finished (rpc.proto, Rpc.Bundle). */
#include "rpc/bundle.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "rpc/bundle_reply.h"
#include "rpc/call.h"
#include "rpc/connection.h"
#include "rpc/context.h"
#include "rpc/request.h"

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
    bundle_close_one(bundle);
    return true;
}

static const char *find(const char *const *methods, const char *method)
{
    while (*methods != NULL && strcmp(*methods, method) != 0)
        methods++;
    return *methods;
}

bool rpc_bundle_is_of(const struct rpc_bundle *bundle, const char *const *methods)
{
    const Candor__V1__BundleRequest *request = bundle->request;
    bool common = find(methods, request->method) != NULL;
    for (size_t i = 0; i < request->n_calls; i++) {
        const char *own = request->calls[i]->method;
        if (own[0] == '\0' ? !common : find(methods, own) == NULL)
            return false;
    }
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
    struct bundle_part *parts = arena_alloc(&context->arena, parts_bytes);
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
        call_fail(call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                  "method: a bundle holds no bundles");
        return;
    }
    if (request->n_calls > LIMIT_BUNDLE_CALLS) {
        call_fail(call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
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
