/* One connection to a node: opening, closing, and the ways into it. */
#include "rpc/client_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/protocol/reqrep0/req.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/names.h"
#include "net/start.h"
#include "rpc/coalesce.h"
#include "rpc/dispatch.h"
#include "rpc/exchange.h"
#include "rpc/slot.h"

#define SP_HEADER_BYTES 4

/* ---- A call ---------------------------------------------------------------------------------- */

/* In a message of its own, of this class. */
static void call_alone(struct rpc_client *client, const char *method, struct envelope_body body,
                       struct rpc_exchange *exchange, enum rpc_class class)
{
    struct slot *slot = slot_take(client, &exchange->error);
    nng_msg *message = slot != NULL ? exchange_pack(client, method, body, exchange) : NULL;
    if (message == NULL) {
        if (class != RPC_ALONE)
            coalesce_next(client, class);
        exchange_fail(exchange);
        if (slot != NULL)
            slot_release(slot);
        return;
    }
    slot->deadline_ns = clock_boot_ns() + exchange_deadline_ms(exchange) * NS_PER_MS;
    slot->cargo = class == RPC_ALONE ? &exchange_cargo : &coalesce_cargo;
    slot->exchange = exchange;
    slot->class = class;
    slot_send(slot, message);
}

static void service_invoke(ProtobufCService *base, unsigned method_index,
                           const ProtobufCMessage *input, ProtobufCClosure closure,
                           void *closure_data)
{
    struct client_service *service = (struct client_service *)base;
    struct rpc_exchange *exchange = closure_data;
    char method[LIMIT_RPC_METHOD_BYTES];
    dispatch_name(base->descriptor, method_index, method);
    exchange_begin(exchange);
    exchange->output = base->descriptor->methods[method_index].output;
    exchange->typed = closure;
    call_alone(service->client, method, (struct envelope_body){.message = input}, exchange,
               RPC_ALONE);
}

ProtobufCService *rpc_client_service(struct rpc_client *client,
                                     const ProtobufCServiceDescriptor *descriptor)
{
    pthread_mutex_lock(&client->lock);
    struct client_service *service = client->services;
    while (service != NULL && service->base.descriptor != descriptor)
        service = service->next;
    if (service == NULL) {
        service = calloc(1, sizeof *service);
        ASSERT(service != NULL);
        *service = (struct client_service){
            .base = {.descriptor = descriptor, .invoke = service_invoke},
            .client = client,
            .next = client->services,
        };
        client->services = service;
    }
    pthread_mutex_unlock(&client->lock);
    return &service->base;
}

void rpc_client_call(struct rpc_client *client, const char *method, struct slice body,
                     void (*closure)(struct slice response, struct rpc_exchange *exchange),
                     struct rpc_exchange *exchange)
{
    exchange_begin(exchange);
    exchange->output = NULL;
    exchange->packed = closure;
    bool fits = exchange->class != RPC_ALONE && exchange->hop_count == 0 &&
                body.length + strlen(method) <= LIMIT_BUNDLE_CALL_BYTES;
    enum rpc_class class = fits ? exchange->class : RPC_ALONE;
    if (fits && coalesce(client, method, body, exchange))
        return;
    call_alone(client, method, (struct envelope_body){.packed = body}, exchange, class);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

const char *rpc_client_address(const struct rpc_client *client)
{
    return client->dialed.address;
}

void rpc_client_counts(const struct rpc_client *client, uint64_t *messages, uint64_t *connections)
{
    *messages = atomic_load(&client->messages);
    *connections = atomic_load(&client->dialed.connections);
}

bool rpc_client_hopeless(struct rpc_client *client, char *why, size_t size)
{
    return dialed_obstacle(&client->dialed, why, size) == OBSTACLE_LASTING;
}

/* No call is under way. The aios go before the contexts and the socket, as in the server: freeing
 * one waits until NNG's timer thread has left its cancel function, which uses both. */
static void client_free(struct rpc_client *client)
{
    for (uint32_t i = 0; i < client->slot_count; i++)
        nng_aio_stop(client->slots[i]->aio);
    for (uint32_t i = 0; i < client->slot_count; i++)
        nng_aio_free(client->slots[i]->aio);
    for (uint32_t i = 0; i < client->slot_count; i++)
        nng_ctx_close(client->slots[i]->context);
    dialed_close(&client->dialed);
    coalesce_free(client);
    for (uint32_t i = 0; i < client->slot_count; i++) {
        arena_free(&client->slots[i]->arena);
        pthread_mutex_destroy(&client->slots[i]->posting);
        free(client->slots[i]);
    }
    while (client->services != NULL) {
        struct client_service *next = client->services->next;
        free(client->services);
        client->services = next;
    }
    pthread_cond_destroy(&client->idle);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static enum candor_code open_failed(int error, enum candor_code code, const char *what,
                                    struct candor_error *err)
{
    if (error == NNG_ENOMEM)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "out of memory");
    return candor_error_set(err, code, CANDOR_REASON_NONE, "cannot %s: %s", what,
                            nng_strerror(error));
}

/* NNG would dial 99999 as 34463, and "7x" never. */
static bool port_is_good(const char *address, struct candor_error *err)
{
    char host[LIMIT_ADDRESS_BYTES];
    uint16_t port;
    if (!names_host_of(address, host) || names_port_of(address, &port))
        return true;
    candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                     "cannot dial \"%s\": an address ends with a port from 1 to 65535, as "
                     "tcp://127.0.0.1:7000 does",
                     address);
    return false;
}

enum candor_code rpc_client_open(const char *address, size_t message_bytes, struct rpc_client **out,
                                 struct candor_error *err)
{
    *out = NULL;
    if (!port_is_good(address, err))
        return CANDOR_INVALID_ARGUMENT;
    struct rpc_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "out of memory");
    client->message_bytes = message_bytes;
    int error = net_open_req(&client->socket);
    if (error != 0) {
        free(client);
        return open_failed(error, CANDOR_UNAVAILABLE, "open a socket", err);
    }
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->idle, NULL);
    error = coalesce_init(client) ? 0 : NNG_ENOMEM;
    /* R48 */
    if (error == 0)
        error = nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (error == 0)
        error =
            nng_socket_set_size(client->socket, NNG_OPT_RECVMAXSZ, message_bytes + SP_HEADER_BYTES);
    int dial_error = dialed_start(&client->dialed, client->socket, address, NULL, NULL);
    if (error == 0)
        error = dial_error;
    if (error != 0) {
        client_free(client);
        char what[LIMIT_ADDRESS_BYTES + 16];
        snprintf(what, sizeof what, "dial \"%s\"", address);
        return open_failed(error, CANDOR_INVALID_ARGUMENT, what, err);
    }
    *out = client;
    return CANDOR_OK;
}

/* The aios are cancelled with no lock of the client held. No slot is added meanwhile: a new one is
 * a busy one, whose call sees `closing` and ends by itself. */
void rpc_client_cancel(struct rpc_client *client)
{
    pthread_mutex_lock(&client->lock);
    atomic_store(&client->closing, true);
    uint32_t count = client->slot_count;
    pthread_mutex_unlock(&client->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = client->slots[i];
        pthread_mutex_lock(&slot->posting); /* who posts has posted, or sees that it closes */
        pthread_mutex_unlock(&slot->posting);
        nng_aio_cancel(slot->aio);
    }
    coalesce_cancel(client);
}

void rpc_client_close(struct rpc_client *client)
{
    if (client == NULL)
        return;
    rpc_client_cancel(client);
    pthread_mutex_lock(&client->lock);
    while (client->busy_count > 0)
        pthread_cond_wait(&client->idle, &client->lock);
    pthread_mutex_unlock(&client->lock);
    client_free(client);
}
