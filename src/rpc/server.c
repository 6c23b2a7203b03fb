/* Opening, closing, and what a server tells about itself. */
#include "rpc/server_state.h"

#include <stdlib.h>

#include <nng/protocol/reqrep0/rep.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "net/listen.h"
#include "net/message_memory.h"
#include "rpc/arrival.h"
#include "rpc/bundle.h"
#include "rpc/connection.h"
#include "rpc/context.h"
#include "rpc/dispatch.h"
#include "rpc/tend.h"

#define SP_HEADER_BYTES 4        /* the request id before the body */
#define MESSAGE_BYTES_LEAST 4096 /* a failure must fit */
#define CANCEL_AGAIN_NS 10000000 /* between attempts to cancel the calls that receive */

/* ---- Opening --------------------------------------------------------------------------------- */

/* No call is under way. The contexts go before the socket. */
static void server_free(struct rpc_server *server)
{
    while (server->all != NULL) {
        struct rpc_context *context = server->all;
        server->all = context->next_of_all;
        rpc_context_free(context);
    }
    if (server->socket_open)
        nng_close(server->socket);
    if (server->budget != NULL)
        message_memory_end(server->budget);
    connections_free(server);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server->services);
    free(server);
}

static int server_start(struct rpc_server *server)
{
    int error = nng_rep0_open(&server->socket);
    if (error != 0)
        return error;
    server->socket_open = true;
    server->budget = message_memory_begin(server->socket, server->options.memory_bytes);
    error = connections_watch(server);
    if (error == 0)
        error = nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ,
                                    server->options.message_bytes + SP_HEADER_BYTES);
    if (error == 0)
        error = nng_listen(server->socket, server->options.address, NULL, 0);
    return error;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct rpc_server *server_new(const struct rpc_server_options *options)
{
    struct rpc_server *server = memory_zeroed(1, sizeof *server);
    server->options = *options;
    server->event = context_event;
    if (server->options.calls == 0)
        server->options.calls = LIMIT_RPC_CALLS;
    if (server->options.connections == 0)
        server->options.connections = LIMIT_RPC_CONNECTIONS;
    if (server->options.idle_ms == 0)
        server->options.idle_ms = LIMIT_RPC_IDLE_MS;
    server->evictions = LIMIT_RPC_EVICTIONS;
    if (server->options.memory_bytes == 0)
        server->options.memory_bytes =
            max_size(LIMIT_RPC_MEMORY_BYTES, LIMIT_RPC_MEMORY_MESSAGES * options->message_bytes);
    server->service_count = options->service_count + 1 + (options->bundle != NULL);
    server->services = memory_zeroed(server->service_count, sizeof(ProtobufCService *));
    for (size_t i = 0; i < options->service_count; i++)
        server->services[i] = options->services[i];
    server->services[options->service_count] = dispatch_reflection();
    if (options->bundle != NULL)
        server->services[options->service_count + 1] = bundle_service();
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    return server;
}

enum candor_code rpc_server_open(const struct rpc_server_options *options, struct rpc_server **out,
                                 struct candor_error *err)
{
    *out = NULL;
    ASSERT_U64(options->message_bytes, >=, MESSAGE_BYTES_LEAST);
    ASSERT_U64(options->message_bytes, <=, LIMIT_PEER_MESSAGE_BYTES_MAX);
    ASSERT_U64(options->calls, <=, LIMIT_RPC_CALLS);
    struct rpc_server *server = server_new(options);
    int error = server_start(server);
    if (error != 0) {
        server_free(server);
        return listen_refused(options->address, error, err);
    }
    rpc_contexts_receive(server);
    if (!tend_begin(server)) {
        rpc_server_close(server);
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot serve %s: no thread is to be had", options->address);
    }
    *out = server;
    return CANDOR_OK;
}

/* ---- Closing --------------------------------------------------------------------------------- */

/* A thread may be about to receive when its call is cancelled: then the cancellation misses, and is
 * tried again. */
static void cancel_receiving(struct rpc_server *server)
{
    for (struct rpc_context *at = server->all; at != NULL; at = at->next_of_all)
        if (atomic_load(&at->state) == CONTEXT_RECEIVING)
            nng_aio_cancel(at->aio);
}

static void wait_a_little(struct rpc_server *server)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += CANCEL_AGAIN_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_clockwait(&server->changed, &server->lock, CLOCK_MONOTONIC, &until);
}

void rpc_server_close(struct rpc_server *server)
{
    if (server == NULL)
        return;
    tend_end(server);
    pthread_mutex_lock(&server->lock);
    server->closing = true;
    while (server->idle_count < server->all_count) {
        cancel_receiving(server);
        wait_a_little(server);
    }
    pthread_mutex_unlock(&server->lock);
    server_free(server);
}

/* ---- What it holds --------------------------------------------------------------------------- */

void rpc_server_stats(struct rpc_server *server, struct rpc_server_stats *out)
{
    pthread_mutex_lock(&server->lock);
    *out = (struct rpc_server_stats){
        .calls = server->calls,
        .connections = server->connection_count,
        .contexts = server->all_count,
        .memory_bytes = budget_used(server->budget),
        .memory_limit_bytes = server->budget->limit_bytes,
    };
    pthread_mutex_unlock(&server->lock);
}
