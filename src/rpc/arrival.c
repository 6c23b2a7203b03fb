/* What NNG says of a context: a request has come, or a reply is sent. */
#include "rpc/arrival.h"

#include "base/assert.h"
#include "base/clock.h"
#include "rpc/call.h"
#include "rpc/connection.h"
#include "rpc/context.h"
#include "rpc/request.h"

static void context_reset(struct rpc_context *context)
{
    struct rpc_call *call = &context->call;
    candor__v1__rpc_request__init(&call->own);
    candor__v1__rpc_reply__init(&call->reply);
    call->envelope = &call->own;
    call->method = NULL;
    call->arrived_ns = clock_boot_ns();
    call->deadline_ns = call->arrived_ns + LIMIT_RPC_DEADLINE_MS_DEFAULT * NS_PER_MS;
}

/* Counts the call, and lets another context receive in its place once half of them are taken. */
static enum admission arrived(struct rpc_context *context, uint32_t pipe)
{
    struct rpc_server *server = context->call.server;
    pthread_mutex_lock(&server->lock);
    server->receiving--;
    /* Under the lock: close cancels only what receives. */
    atomic_store(&context->state, CONTEXT_RUNNING);
    bool few = server->receiving < LIMIT_RPC_RECEIVERS / 2;
    enum admission admission = connection_arrived(context, pipe);
    pthread_mutex_unlock(&server->lock);
    if (few)
        rpc_contexts_receive(server);
    return admission;
}

static void take_request(struct rpc_context *context, nng_msg *message)
{
    uint32_t pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(message));
    context_reset(context);
    enum admission admission = arrived(context, pipe);
    if (admission == ADMISSION_RUN) {
        request_run(context, message);
        return;
    }
    nng_msg_free(message);
    switch (admission) {
    case ADMISSION_REFUSE:
        rpc_call_overloaded(&context->call, "too many calls are under way here");
        return;
    case ADMISSION_CLOSE:
        rpc_context_drop_connection(context);
        connection_finished(&context->call);
        rpc_context_again(context, true);
        return;
    default:
        rpc_context_again(context, false);
        return;
    }
}

static void received(struct rpc_context *context, int error)
{
    if (error == 0) {
        nng_msg *message = nng_aio_get_msg(context->aio);
        nng_aio_set_msg(context->aio, NULL);
        take_request(context, message);
        return;
    }
    /* Only close cancels: rpc_context_again() then ends the round. After any other error it goes
     * on. */
    struct rpc_server *server = context->call.server;
    pthread_mutex_lock(&server->lock);
    ASSERT((error != NNG_ECLOSED && error != NNG_ECANCELED) || server->closing);
    server->receiving--;
    pthread_mutex_unlock(&server->lock);
    rpc_context_again(context, false);
}

void context_event(void *closure)
{
    struct rpc_context *context = closure;
    int error = nng_aio_result(context->aio);
    switch ((enum context_state)atomic_load(&context->state)) {
    case CONTEXT_RECEIVING:
        received(context, error);
        return;
    case CONTEXT_SENDING:
        rpc_context_sent(context, error);
        return;
    case CONTEXT_IDLE:
    case CONTEXT_RUNNING:
        break;
    }
    ASSERT(!"an event in RECEIVING or SENDING only");
}
