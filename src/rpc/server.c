#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/logging.h"
#include "rpc/dispatch.h"
#include "rpc/envelope.h"
#include "rpc/rpc.h"
#include "rpc/text.h"
#include "rpc/unpack.h"

#define SP_HEADER_BYTES 4        /* the request id before the body */
#define MESSAGE_BYTES_LEAST 4096 /* a failure must fit */
#define FRESHNESS_BYTES 4096     /* arena room kept for the freshness callback */
#define CLIENT_ID_BYTES 16

/* One context goes round: RECEIVING, RUNNING, SENDING. IDLE only while the server closes. */
enum call_state { CALL_IDLE, CALL_RECEIVING, CALL_RUNNING, CALL_SENDING };

struct rpc_call {
    struct rpc_server *server;
    atomic_int state;
    bool open; /* context and aio */
    nng_ctx context;
    nng_aio *aio;
    nng_pipe pipe; /* that the request came over */
    struct arena arena;
    uint64_t deadline_ns;
    Candor__V1__RpcRequest blank; /* the envelope until one decodes */
    const Candor__V1__RpcRequest *envelope;
    const ProtobufCMethodDescriptor *method; /* NULL before it is found */
    Candor__V1__RpcReply reply;
    char message[CANDOR_ERROR_MESSAGE_BYTES]; /* reply.message of a failure */
};

struct rpc_server {
    struct rpc_server_options options;
    nng_socket socket;
    bool socket_open;
    ProtobufCService **services; /* the caller's, then reflection */
    size_t service_count;
    struct rpc_call *calls;
    uint32_t call_count;
    atomic_uint_fast32_t dropped_pipe; /* the newest one: logged once */
    pthread_mutex_t
        lock; /* of idle_count, the change of closing, every use of a context; before any lock of NNG */
    pthread_cond_t idle;
    atomic_bool closing;
    uint32_t idle_count;
};

/* ---- The round of a call ------------------------------------------------------------------------ */

/* Under the lock, so that close either sees the receive and cancels it or is seen here. */
static void call_receive(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    if (atomic_load(&server->closing)) {
        atomic_store(&call->state, CALL_IDLE);
        server->idle_count++;
        pthread_cond_signal(&server->idle);
    } else {
        atomic_store(&call->state, CALL_RECEIVING);
        nng_aio_set_timeout(call->aio, NNG_DURATION_INFINITE);
        nng_ctx_recv(call->context, call->aio);
    }
    pthread_mutex_unlock(&server->lock);
}

static void fill_freshness(struct rpc_call *call)
{
    const struct rpc_server_options *options = &call->server->options;
    if (call->reply.freshness != NULL || options->freshness == NULL)
        return;
    call->arena.limit_bytes = call->arena.used_bytes + FRESHNESS_BYTES;
    options->freshness(options->closure, call);
}

static nng_msg *pack_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    size_t limit_bytes = call->server->options.message_bytes;
    struct envelope_body body = {.message = response};
    nng_msg *message;
    size_t bytes =
        envelope_pack(&call->reply.base, ENVELOPE_REPLY_BODY, body, limit_bytes, &message);
    if (message != NULL)
        return message;

    Candor__V1__Freshness *freshness = call->reply.freshness;
    candor__v1__rpc_reply__init(&call->reply);
    call->reply.code = CANDOR__V1__CODE__CODE_RESOURCE_EXHAUSTED;
    call->reply.reason = CANDOR__V1__REASON__REASON_TOO_LARGE;
    snprintf(call->message, sizeof call->message,
             "the reply has %zu bytes, over the message limit of %zu", bytes, limit_bytes);
    call->reply.message = call->message;
    call->reply.freshness = freshness;
    envelope_pack(&call->reply.base, ENVELOPE_REPLY_BODY, (struct envelope_body){0}, limit_bytes,
                  &message);
    ASSERT(message != NULL);
    return message;
}

/* Once per call. After the send another thread may already receive the next request here. */
static void call_finish(struct rpc_call *call, const ProtobufCMessage *response)
{
    int running = CALL_RUNNING;
    ASSERT(atomic_load(&call->state) == CALL_RUNNING); /* finished before */
    fill_freshness(call);
    nng_msg *message = pack_reply(call, response);
    ASSERT(atomic_compare_exchange_strong(&call->state, &running, CALL_SENDING));
    nng_aio_set_msg(call->aio, message);
    nng_aio_set_timeout(call->aio, LIMIT_RPC_REPLY_WAIT_MS);
    /* Under the lock: the round ends (call_receive) only after this thread has left NNG. A thread that leaves the
     * context's last use while the socket closes would lock what is gone. */
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    nng_ctx_send(call->context, call->aio);
    pthread_mutex_unlock(&server->lock);
}

/* The ProtobufCClosure that handlers get. */
static void respond(const ProtobufCMessage *response, void *closure_data)
{
    struct rpc_call *call = closure_data;
    ASSERT(call->method != NULL);
    if (response == NULL) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_INTERNAL, CANDOR_REASON_NONE, "the handler gave no answer");
        rpc_call_fail(call, &error);
        return;
    }
    ASSERT(response->descriptor == call->method->output);
    call_finish(call, response);
}

void rpc_call_fail(struct rpc_call *call, const struct candor_error *error)
{
    ASSERT(error->code != CANDOR_OK);
    call->reply.code = (Candor__V1__Code)error->code;
    call->reply.reason = (Candor__V1__Reason)error->reason;
    snprintf(call->message, sizeof call->message, "%s", error->message);
    text_make_printable(call->message); /* it may quote the request, and may have been cut */
    call->reply.message = call->message;
    call_finish(call, NULL);
}

__attribute__((format(printf, 4, 5))) static void fail(struct rpc_call *call, enum candor_code code,
                                                       enum candor_reason reason,
                                                       const char *format, ...)
{
    struct candor_error error = {.code = code, .reason = reason};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    rpc_call_fail(call, &error);
}

/* ---- A request ---------------------------------------------------------------------------------- */

static void fail_unpack(struct rpc_call *call, enum unpack_result result, const char *name)
{
    if (result == UNPACK_TOO_LARGE)
        fail(call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
             "%s unfolds to more memory than a message of its size may take", name);
    else
        fail(call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
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

static bool take_envelope(struct rpc_call *call, struct slice bytes)
{
    ProtobufCMessage *message;
    enum unpack_result result =
        unpack_message(&candor__v1__rpc_request__descriptor, &call->arena, bytes, &message);
    if (result != UNPACK_OK) {
        fail_unpack(call, result, candor__v1__rpc_request__descriptor.name);
        return false;
    }
    const Candor__V1__RpcRequest *envelope = (const Candor__V1__RpcRequest *)message;
    const char *bad = bad_field(envelope);
    if (bad != NULL) {
        fail(call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED, "RpcRequest.%s is malformed",
             bad);
        return false;
    }
    call->envelope = envelope;
    uint64_t deadline_ms =
        envelope->deadline_ms == 0 ? LIMIT_RPC_DEADLINE_MS_DEFAULT : envelope->deadline_ms;
    call->deadline_ns =
        clock_boot_ns() + min_u64(deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX) * NS_PER_MS;
    return true;
}

static void call_run(struct rpc_call *call)
{
    const struct rpc_server *server = call->server;
    struct dispatch_target target;
    if (!dispatch_find(server->services, server->service_count, call->envelope->method, &target)) {
        fail(call, CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD, "no such method: \"%s\"",
             call->envelope->method);
        return;
    }
    call->method = target.method;
    ProtobufCMessage *request;
    struct slice body = slice_of(call->envelope->body.data, call->envelope->body.len);
    enum unpack_result result = unpack_message(target.method->input, &call->arena, body, &request);
    if (result != UNPACK_OK) {
        fail_unpack(call, result, target.method->input->name);
        return;
    }
    call->arena.limit_bytes = call->arena.used_bytes + LIMIT_RPC_CALL_ROOM_BYTES;
    target.service->invoke(target.service, target.method_index, request, respond, call);
}

static void call_reset(struct rpc_call *call)
{
    arena_reset(&call->arena);
    candor__v1__rpc_request__init(&call->blank);
    candor__v1__rpc_reply__init(&call->reply);
    call->envelope = &call->blank;
    call->method = NULL;
    call->deadline_ns = clock_boot_ns() + LIMIT_RPC_DEADLINE_MS_DEFAULT * NS_PER_MS;
}

static void received(struct rpc_call *call, int error)
{
    if (error != 0) {
        /* Only close cancels: call_receive() then ends the round. After any other error it goes on. */
        ASSERT((error != NNG_ECLOSED && error != NNG_ECANCELED) ||
               atomic_load(&call->server->closing));
        call_receive(call);
        return;
    }
    nng_msg *message = nng_aio_get_msg(call->aio);
    nng_aio_set_msg(call->aio, NULL);
    call->pipe = nng_msg_get_pipe(message);
    struct slice bytes = slice_of(nng_msg_body(message), nng_msg_len(message));
    call_reset(call);
    unpack_limit(&call->arena, bytes.length);
    atomic_store(&call->state, CALL_RUNNING);
    bool taken = take_envelope(call, bytes); /* copies: the call no longer needs the message */
    nng_msg_free(message);
    if (taken)
        call_run(call);
}

/* Its peer reads no replies: it would keep contexts from everyone else. */
static void drop_connection(struct rpc_call *call)
{
    uint32_t pipe = (uint32_t)nng_pipe_id(call->pipe);
    if (atomic_exchange(&call->server->dropped_pipe, pipe) != pipe)
        log_warn("replies_not_read", "pipe=%" PRIu32 " wait_ms=%d", pipe, LIMIT_RPC_REPLY_WAIT_MS);
    nng_pipe_close(call->pipe);
}

static void sent(struct rpc_call *call, int error)
{
    nng_msg *message = nng_aio_get_msg(call->aio);
    if (error != 0 && message != NULL) {
        nng_aio_set_msg(call->aio, NULL);
        nng_msg_free(message);
    }
    if (error == NNG_ETIMEDOUT)
        drop_connection(call);
    call_receive(call);
}

static void call_event(void *closure)
{
    struct rpc_call *call = closure;
    int error = nng_aio_result(call->aio);
    switch ((enum call_state)atomic_load(&call->state)) {
    case CALL_RECEIVING:
        received(call, error);
        return;
    case CALL_SENDING:
        sent(call, error);
        return;
    case CALL_IDLE:
    case CALL_RUNNING:
        break;
    }
    ASSERT(!"an event in RECEIVING or SENDING only");
}

/* ---- What handlers ask of a call ------------------------------------------------------------------ */

void *rpc_call_alloc(struct rpc_call *call, size_t bytes)
{
    return arena_alloc(&call->arena, bytes);
}

char *rpc_call_string(struct rpc_call *call, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = arena_alloc(&call->arena, bytes);
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

/* ---- Opening and closing -------------------------------------------------------------------------- */

/* No call is under way. The aios go before the contexts and the socket: freeing one waits until NNG's timer thread
 * has left its cancel function, which uses both, and which may be late by as much as that thread was kept waiting. */
static void server_free(struct rpc_server *server)
{
    for (uint32_t i = 0; i < server->call_count; i++)
        if (server->calls[i].open)
            nng_aio_stop(server->calls[i].aio);
    for (uint32_t i = 0; i < server->call_count; i++)
        if (server->calls[i].open)
            nng_aio_free(server->calls[i].aio);
    for (uint32_t i = 0; i < server->call_count; i++)
        if (server->calls[i].open)
            nng_ctx_close(server->calls[i].context);
    if (server->socket_open)
        nng_close(server->socket);
    for (uint32_t i = 0; i < server->call_count; i++)
        arena_free(&server->calls[i].arena);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server->calls);
    free(server->services);
    free(server);
}

static int call_open(struct rpc_server *server, struct rpc_call *call)
{
    call->server = server;
    arena_init(&call->arena, LIMIT_RPC_UNPACK_SLACK_BYTES);
    arena_alloc(&call->arena, 1); /* a small first block: it is the one that is kept */
    int error = nng_ctx_open(&call->context, server->socket);
    if (error != 0)
        return error;
    error = nng_aio_alloc(&call->aio, call_event, call);
    if (error != 0)
        nng_ctx_close(call->context);
    call->open = error == 0;
    return error;
}

static int server_start(struct rpc_server *server)
{
    int error = nng_rep0_open(&server->socket);
    if (error != 0)
        return error;
    server->socket_open = true;
    error = nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ,
                                server->options.message_bytes + SP_HEADER_BYTES);
    for (uint32_t i = 0; i < server->call_count && error == 0; i++)
        error = call_open(server, &server->calls[i]);
    if (error == 0)
        error = nng_listen(server->socket, server->options.address, NULL, 0);
    return error;
}

static struct rpc_server *server_new(const struct rpc_server_options *options)
{
    struct rpc_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->options = *options;
    server->call_count = options->contexts == 0 ? LIMIT_RPC_CONTEXTS : options->contexts;
    server->calls = calloc(server->call_count, sizeof *server->calls);
    server->service_count = options->service_count + 1;
    server->services = calloc(server->service_count, sizeof(ProtobufCService *));
    ASSERT(server->calls != NULL && server->services != NULL);
    for (size_t i = 0; i < options->service_count; i++)
        server->services[i] = options->services[i];
    server->services[options->service_count] = dispatch_reflection();
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, NULL);
    return server;
}

enum candor_code rpc_server_open(const struct rpc_server_options *options, struct rpc_server **out,
                                 struct candor_error *err)
{
    *out = NULL;
    ASSERT_U64(options->message_bytes, >=, MESSAGE_BYTES_LEAST);
    ASSERT_U64(options->message_bytes, <=, LIMIT_MESSAGE_BYTES_MAX);
    ASSERT_U64(options->contexts, <=, LIMIT_RPC_CONTEXTS);
    struct rpc_server *server = server_new(options);
    int error = server_start(server);
    if (error != 0) {
        server_free(server);
        return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                                "cannot listen on %s: %s", options->address, nng_strerror(error));
    }
    for (uint32_t i = 0; i < server->call_count; i++)
        call_receive(&server->calls[i]);
    *out = server;
    return CANDOR_OK;
}

void rpc_server_close(struct rpc_server *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->closing, true);
    for (uint32_t i = 0; i < server->call_count; i++)
        if (atomic_load(&server->calls[i].state) == CALL_RECEIVING)
            nng_aio_cancel(server->calls[i].aio);
    while (server->idle_count < server->call_count)
        pthread_cond_wait(&server->idle, &server->lock);
    pthread_mutex_unlock(&server->lock);
    server_free(server);
}
