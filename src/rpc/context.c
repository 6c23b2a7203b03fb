/* The life of an NNG context: it receives, and sends its reply. */
#include "rpc/context.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/logging.h"
#include "net/at_once.h"
#include "rpc/connection.h"

#define UNREAD_LOG_AGAIN_NS (10 * NS_PER_S)

#define FRESHNESS_BYTES 4096 /* arena room kept for the freshness callback */

/* ---- Contexts -------------------------------------------------------------------------------- */

struct rpc_context *rpc_context_new(struct rpc_server *server)
{
    struct rpc_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    context->call.server = server;
    arena_init_counted(&context->arena, LIMIT_RPC_UNPACK_SLACK_BYTES, server->budget);
    if (nng_ctx_open(&context->context, server->socket) != 0) {
        free(context);
        return NULL;
    }
    if (nng_aio_alloc(&context->aio, server->event, context) != 0) {
        nng_ctx_close(context->context);
        free(context);
        return NULL;
    }
    return context;
}

void rpc_context_free(struct rpc_context *context)
{
    while (atomic_load(&context->inside) > 0)
        sched_yield();
    nng_aio_stop(context->aio);
    nng_aio_free(context->aio);
    nng_ctx_close(context->context);
    arena_free(&context->arena);
    free(context);
}

/* NNG may run the whole round on another thread before it returns. */
static void receive(struct rpc_context *context)
{
    atomic_fetch_add(&context->inside, 1);
    nng_aio_set_timeout(context->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(context->context, context->aio);
    atomic_fetch_sub(&context->inside, 1);
}

static void send_reply(struct rpc_context *context, nng_msg *message)
{
    at_once_begin(context->aio);
    atomic_fetch_add(&context->inside, 1);
    nng_aio_set_msg(context->aio, message);
    nng_aio_set_timeout(context->aio, LIMIT_RPC_REPLY_WAIT_MS);
    nng_ctx_send(context->context, context->aio);
    atomic_fetch_sub(&context->inside, 1);
    at_once_end(); /* the context receives again already */
}

void rpc_context_forget(struct rpc_context *context)
{
    struct rpc_server *server = context->call.server;
    ASSERT(atomic_load(&context->state) == CONTEXT_IDLE);
    if (context->next_of_all != NULL)
        context->next_of_all->previous_of_all = context->previous_of_all;
    if (context->previous_of_all != NULL)
        context->previous_of_all->next_of_all = context->next_of_all;
    else
        server->all = context->next_of_all;
    server->all_count--;
}

/* Under the lock: an idle context, or a new one, becomes one that receives; NULL when enough do. */
static struct rpc_context *take_idle(struct rpc_server *server)
{
    if (server->closing || server->receiving >= LIMIT_RPC_RECEIVERS)
        return NULL;
    struct rpc_context *context = server->idle;
    if (context != NULL) {
        server->idle = context->next_idle;
        server->idle_count--;
        if (server->idle_count < server->idle_least)
            server->idle_least = server->idle_count;
    } else {
        context = rpc_context_new(server);
        /* no memory: the next call that ends receives instead */
        if (context == NULL)
            return NULL;
        context->next_of_all = server->all;
        if (server->all != NULL)
            server->all->previous_of_all = context;
        server->all = context;
        server->all_count++;
    }
    server->receiving++;
    atomic_store(&context->state, CONTEXT_RECEIVING);
    return context;
}

void rpc_contexts_receive(struct rpc_server *server)
{
    for (;;) {
        pthread_mutex_lock(&server->lock);
        struct rpc_context *context = take_idle(server);
        pthread_mutex_unlock(&server->lock);
        if (context == NULL)
            return;
        receive(context);
    }
}

void rpc_context_again(struct rpc_context *context, bool left)
{
    struct rpc_server *server = context->call.server;
    pthread_mutex_lock(&server->lock);
    if (left)
        connection_left(context);
    bool receives = !server->closing && server->receiving < LIMIT_RPC_RECEIVERS;
    if (receives) {
        server->receiving++;
        atomic_store(&context->state, CONTEXT_RECEIVING);
    } else {
        atomic_store(&context->state, CONTEXT_IDLE);
        context->next_idle = server->idle;
        server->idle = context;
        server->idle_count++;
        pthread_cond_broadcast(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
    if (receives)
        receive(context);
}

/* ---- A reply --------------------------------------------------------------------------------- */

struct rpc_context *rpc_context_of(struct rpc_call *call)
{
    ASSERT(call->bundle == NULL);
    return (struct rpc_context *)call;
}

static void fill_freshness(struct rpc_context *context)
{
    const struct rpc_server_options *options = &context->call.server->options;
    if (context->call.reply.freshness != NULL || options->freshness == NULL)
        return;
    context->arena.limit_bytes = context->arena.used_bytes + FRESHNESS_BYTES;
    options->freshness(options->closure, &context->call);
}

static size_t pack(struct rpc_context *context, struct envelope_body body, nng_msg **out)
{
    const struct rpc_server *server = context->call.server;
    struct envelope_room room = {.budget = server->budget, .pipe = context->call.connection->pipe};
    return envelope_pack(&context->call.reply.base, ENVELOPE_REPLY_BODY, body,
                         server->options.message_bytes, &room, out);
}

/* What is said instead of a reply that cannot be packed. */
static nng_msg *pack_substitute(struct rpc_context *context, size_t bytes)
{
    Candor__V1__RpcReply *reply = &context->call.reply;
    size_t limit_bytes = context->call.server->options.message_bytes;
    bool too_large = bytes > limit_bytes;
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    Candor__V1__RetryHint hint = CANDOR__V1__RETRY_HINT__INIT;
    hint.retry_after_ms = LIMIT_RPC_RETRY_AFTER_MS;
    Candor__V1__Freshness *freshness = reply->freshness;
    candor__v1__rpc_reply__init(reply);
    reply->code = CANDOR__V1__CODE__CODE_RESOURCE_EXHAUSTED;
    reply->reason =
        too_large ? CANDOR__V1__REASON__REASON_TOO_LARGE : CANDOR__V1__REASON__REASON_OVERLOADED;
    if (too_large)
        snprintf(text, sizeof text, "the reply has %zu bytes, over the message limit of %zu", bytes,
                 limit_bytes);
    else
        snprintf(text, sizeof text, "there is no memory left for a reply of %zu bytes", bytes);
    reply->message = text;
    reply->retry = too_large ? NULL : &hint;
    reply->freshness = freshness;
    nng_msg *message;
    pack(context, (struct envelope_body){0}, &message);
    return message;
}

/* NULL: there is no memory even for saying so. */
static nng_msg *pack_reply(struct rpc_context *context, struct envelope_body body)
{
    nng_msg *message;
    size_t bytes = pack(context, body, &message);
    return message != NULL ? message : pack_substitute(context, bytes);
}

void rpc_context_finish(struct rpc_context *context, struct envelope_body body)
{
    ASSERT(atomic_load(&context->state) == CONTEXT_RUNNING); /* finished before */
    bool gone = connection_finished(&context->call);
    nng_msg *message = NULL;
    if (!gone) {
        fill_freshness(context);
        message = pack_reply(context, body);
    }
    arena_reset(&context->arena);
    if (message == NULL) {
        if (!gone) /* its caller learns that the outcome is unknown */
            nng_pipe_close((nng_pipe){.id = context->call.connection->pipe});
        rpc_context_again(context, true);
        return;
    }
    int running = CONTEXT_RUNNING;
    bool once = atomic_compare_exchange_strong(&context->state, &running, CONTEXT_SENDING);
    ASSERT(once);
    send_reply(context, message);
}

/* Once in a while: strangers who read nothing must not fill the log. */
static void tell_unread(struct rpc_server *server)
{
    uint64_t count = atomic_fetch_add(&server->unread_count, 1) + 1;
    uint64_t now_ns = clock_boot_ns();
    uint64_t before_ns = atomic_load(&server->unread_logged_ns);
    if (before_ns != 0 && saturating_sub(now_ns, before_ns) < UNREAD_LOG_AGAIN_NS)
        return;
    if (atomic_compare_exchange_strong(&server->unread_logged_ns, &before_ns, now_ns))
        log_warn("replies_not_read", "connections_closed=%" PRIu64 " wait_ms=%d", count,
                 LIMIT_RPC_REPLY_WAIT_MS);
}

void rpc_context_drop_connection(struct rpc_context *context)
{
    struct rpc_call *call = &context->call;
    if (!atomic_exchange(&call->connection->unread, true))
        tell_unread(call->server);
    nng_pipe_close((nng_pipe){.id = call->connection->pipe});
}

void rpc_context_sent(struct rpc_context *context, int error)
{
    nng_msg *message = nng_aio_get_msg(context->aio);
    if (error != 0 && message != NULL) {
        nng_aio_set_msg(context->aio, NULL);
        nng_msg_free(message);
    }
    if (error == NNG_ETIMEDOUT)
        rpc_context_drop_connection(context);
    rpc_context_again(context, true);
}
