/* The life of one call: receive, run, reply. */
#include "rpc/server.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/logging.h"
#include "rpc/envelope.h"
#include "rpc/text.h"

#define UNREAD_LOG_AGAIN_NS (10 * NS_PER_S)

#define FRESHNESS_BYTES 4096 /* arena room kept for the freshness callback */

/* ---- Contexts -------------------------------------------------------------------------------- */

static void call_event(void *closure);

struct rpc_call *call_new(struct rpc_server *server)
{
    struct rpc_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->server = server;
    arena_init_counted(&call->arena, LIMIT_RPC_UNPACK_SLACK_BYTES, server->budget);
    if (nng_ctx_open(&call->context, server->socket) != 0) {
        free(call);
        return NULL;
    }
    if (nng_aio_alloc(&call->aio, call_event, call) != 0) {
        nng_ctx_close(call->context);
        free(call);
        return NULL;
    }
    return call;
}

void call_free(struct rpc_call *call)
{
    while (atomic_load(&call->inside) > 0)
        sched_yield();
    nng_aio_stop(call->aio);
    nng_aio_free(call->aio);
    nng_ctx_close(call->context);
    arena_free(&call->arena);
    free(call);
}

/* NNG may run the whole round on another thread before it returns. */
static void receive(struct rpc_call *call)
{
    atomic_fetch_add(&call->inside, 1);
    nng_aio_set_timeout(call->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(call->context, call->aio);
    atomic_fetch_sub(&call->inside, 1);
}

static void send_reply(struct rpc_call *call, nng_msg *message)
{
    atomic_fetch_add(&call->inside, 1);
    nng_aio_set_msg(call->aio, message);
    nng_aio_set_timeout(call->aio, LIMIT_RPC_REPLY_WAIT_MS);
    nng_ctx_send(call->context, call->aio);
    atomic_fetch_sub(&call->inside, 1);
}

void call_forget(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    ASSERT(atomic_load(&call->state) == CALL_IDLE);
    if (call->next_of_all != NULL)
        call->next_of_all->previous_of_all = call->previous_of_all;
    if (call->previous_of_all != NULL)
        call->previous_of_all->next_of_all = call->next_of_all;
    else
        server->all = call->next_of_all;
    server->all_count--;
}

/* Under the lock: an idle call, or a new one, becomes one that receives; NULL when enough do. */
static struct rpc_call *take_idle(struct rpc_server *server)
{
    if (server->closing || server->receiving >= LIMIT_RPC_RECEIVERS)
        return NULL;
    struct rpc_call *call = server->idle;
    if (call != NULL) {
        server->idle = call->next_idle;
        server->idle_count--;
        if (server->idle_count < server->idle_least)
            server->idle_least = server->idle_count;
    } else {
        call = call_new(server);
        /* no memory: the next call that ends receives instead */
        if (call == NULL)
            return NULL;
        call->next_of_all = server->all;
        if (server->all != NULL)
            server->all->previous_of_all = call;
        server->all = call;
        server->all_count++;
    }
    server->receiving++;
    atomic_store(&call->state, CALL_RECEIVING);
    return call;
}

void calls_receive(struct rpc_server *server)
{
    for (;;) {
        pthread_mutex_lock(&server->lock);
        struct rpc_call *call = take_idle(server);
        pthread_mutex_unlock(&server->lock);
        if (call == NULL)
            return;
        receive(call);
    }
}

/* The end of a round: the call receives again, or rests while enough others receive. `left`: it had
 * arrived. */
static void call_again(struct rpc_call *call, bool left)
{
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    if (left)
        connection_left(call);
    bool receives = !server->closing && server->receiving < LIMIT_RPC_RECEIVERS;
    if (receives) {
        server->receiving++;
        atomic_store(&call->state, CALL_RECEIVING);
    } else {
        atomic_store(&call->state, CALL_IDLE);
        call->next_idle = server->idle;
        server->idle = call;
        server->idle_count++;
        pthread_cond_broadcast(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
    if (receives)
        receive(call);
}

/* ---- A reply --------------------------------------------------------------------------------- */

static void fill_freshness(struct rpc_call *call)
{
    const struct rpc_server_options *options = &call->server->options;
    if (call->reply.freshness != NULL || options->freshness == NULL)
        return;
    call->arena.limit_bytes = call->arena.used_bytes + FRESHNESS_BYTES;
    options->freshness(options->closure, call);
}

static size_t pack(struct rpc_call *call, const ProtobufCMessage *response, nng_msg **out)
{
    const struct rpc_server *server = call->server;
    struct envelope_room room = {.budget = server->budget, .pipe = call->connection->pipe};
    struct envelope_body body = {.message = response};
    return envelope_pack(&call->reply.base, ENVELOPE_REPLY_BODY, body,
                         server->options.message_bytes, &room, out);
}

/* What is said instead of a reply that cannot be packed. */
static nng_msg *pack_substitute(struct rpc_call *call, size_t bytes)
{
    size_t limit_bytes = call->server->options.message_bytes;
    bool too_large = bytes > limit_bytes;
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    Candor__V1__RetryHint hint = CANDOR__V1__RETRY_HINT__INIT;
    hint.retry_after_ms = LIMIT_RPC_RETRY_AFTER_MS;
    Candor__V1__Freshness *freshness = call->reply.freshness;
    candor__v1__rpc_reply__init(&call->reply);
    call->reply.code = CANDOR__V1__CODE__CODE_RESOURCE_EXHAUSTED;
    call->reply.reason =
        too_large ? CANDOR__V1__REASON__REASON_TOO_LARGE : CANDOR__V1__REASON__REASON_OVERLOADED;
    if (too_large)
        snprintf(text, sizeof text, "the reply has %zu bytes, over the message limit of %zu", bytes,
                 limit_bytes);
    else
        snprintf(text, sizeof text, "there is no memory left for a reply of %zu bytes", bytes);
    call->reply.message = text;
    call->reply.retry = too_large ? NULL : &hint;
    call->reply.freshness = freshness;
    nng_msg *message;
    pack(call, NULL, &message);
    return message;
}

/* NULL: there is no memory even for saying so. */
static nng_msg *pack_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    nng_msg *message;
    size_t bytes = pack(call, response, &message);
    return message != NULL ? message : pack_substitute(call, bytes);
}

/* Once per call. After the send another thread may already receive the next request here. */
void call_finish(struct rpc_call *call, const ProtobufCMessage *response)
{
    ASSERT(atomic_load(&call->state) == CALL_RUNNING); /* finished before */
    bool gone = connection_finished(call);
    nng_msg *message = NULL;
    if (!gone) {
        fill_freshness(call);
        message = pack_reply(call, response);
    }
    arena_reset(&call->arena);
    if (message == NULL) {
        if (!gone) /* its caller learns that the outcome is unknown */
            nng_pipe_close((nng_pipe){.id = call->connection->pipe});
        call_again(call, true);
        return;
    }
    int running = CALL_RUNNING;
    bool once = atomic_compare_exchange_strong(&call->state, &running, CALL_SENDING);
    ASSERT(once);
    send_reply(call, message);
}

/* Once in a while: strangers who read nothing must not fill the log. */
static void tell_unread(struct rpc_server *server)
{
    uint64_t count = atomic_fetch_add(&server->unread_count, 1) + 1;
    uint64_t now_ns = clock_boot_ns();
    uint64_t before_ns = atomic_load(&server->unread_logged_ns);
    if (before_ns != 0 && now_ns - before_ns < UNREAD_LOG_AGAIN_NS)
        return;
    if (atomic_compare_exchange_strong(&server->unread_logged_ns, &before_ns, now_ns))
        log_warn("replies_not_read", "connections_closed=%" PRIu64 " wait_ms=%d", count,
                 LIMIT_RPC_REPLY_WAIT_MS);
}

/* Its peer reads no replies: they would be held for it without end. */
static void drop_connection(struct rpc_call *call)
{
    if (!atomic_exchange(&call->connection->unread, true))
        tell_unread(call->server);
    nng_pipe_close((nng_pipe){.id = call->connection->pipe});
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
    call_again(call, true);
}

/* ---- A request ------------------------------------------------------------------------------- */

static void call_reset(struct rpc_call *call)
{
    candor__v1__rpc_request__init(&call->blank);
    candor__v1__rpc_reply__init(&call->reply);
    call->envelope = &call->blank;
    call->method = NULL;
    call->arrived_ns = clock_boot_ns();
    call->deadline_ns = call->arrived_ns + LIMIT_RPC_DEADLINE_MS_DEFAULT * NS_PER_MS;
}

/* Counts the call, and lets another context receive in its place once half of them are taken. */
static enum admission arrived(struct rpc_call *call, uint32_t pipe)
{
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    server->receiving--;
    atomic_store(&call->state, CALL_RUNNING); /* under the lock: close cancels only what receives */
    bool few = server->receiving < LIMIT_RPC_RECEIVERS / 2;
    enum admission admission = connection_arrived(call, pipe);
    pthread_mutex_unlock(&server->lock);
    if (few)
        calls_receive(server);
    return admission;
}

static void take_request(struct rpc_call *call, nng_msg *message)
{
    uint32_t pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(message));
    call_reset(call);
    enum admission admission = arrived(call, pipe);
    if (admission == ADMISSION_RUN) {
        request_run(call, message);
        return;
    }
    nng_msg_free(message);
    switch (admission) {
    case ADMISSION_REFUSE:
        rpc_call_overloaded(call, "too many calls are under way here");
        return;
    case ADMISSION_CLOSE:
        drop_connection(call);
        connection_finished(call);
        call_again(call, true);
        return;
    default:
        call_again(call, false);
        return;
    }
}

static void received(struct rpc_call *call, int error)
{
    if (error == 0) {
        nng_msg *message = nng_aio_get_msg(call->aio);
        nng_aio_set_msg(call->aio, NULL);
        take_request(call, message);
        return;
    }
    /* Only close cancels: call_again() then ends the round. After any other error it goes on. */
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    ASSERT((error != NNG_ECLOSED && error != NNG_ECANCELED) || server->closing);
    server->receiving--;
    pthread_mutex_unlock(&server->lock);
    call_again(call, false);
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

/* ---- What handlers ask of a call ------------------------------------------------------------- */

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
