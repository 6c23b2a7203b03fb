/* The client's end: connections, calls under way, their replies and deadlines. */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/unpack.h"
#include "rpc/dialed.h"
#include "rpc/dispatch.h"
#include "rpc/envelope.h"
#include "rpc/names.h"
#include "rpc/rpc.h"

#define SP_HEADER_BYTES 4
#define CONNECT_SLICE_MS 50
#define DOUBT_NS NS_PER_S /* of silence: then a connection is in doubt, or a connect hangs */

/* How the caller wants its answer. */
struct completion {
    const ProtobufCMessageDescriptor *output; /* NULL: packed bytes */
    ProtobufCClosure typed;
    void (*packed)(struct slice response, struct rpc_exchange *exchange);
};

enum slot_phase { SLOT_FREE, SLOT_SENDING, SLOT_RECEIVING };

/* One context: a call in flight, or free. */
struct slot {
    struct rpc_client *client;
    struct slot *next_free;
    nng_ctx context;
    nng_aio *aio;
    pthread_mutex_t posting; /* held while the aio is given to NNG, which does not wait there */
    struct arena arena;      /* of the reply */
    enum slot_phase phase;
    struct rpc_exchange *exchange;
    struct completion completion;
    uint64_t begun_ns;
    uint64_t deadline_ns;
};

struct client_service {
    ProtobufCService base; /* first: invoke() gets a pointer to it */
    struct rpc_client *client;
    struct client_service *next;
};

struct rpc_client {
    nng_socket socket;
    struct dialed dialed;
    size_t message_bytes;
    atomic_uint_fast32_t doubted_pipe; /* the next call drops it */
    /* begin of the first call since the newest reply; 0: none */
    atomic_uint_fast64_t unanswered_ns;
    atomic_bool closing;
    pthread_mutex_t lock; /* of all below; a leaf: NNG is not called under it */
    pthread_cond_t idle;
    uint32_t busy_count; /* the others are in free_slots */
    uint32_t slot_count;
    struct slot *free_slots;
    struct slot *slots[LIMIT_RPC_CLIENT_CALLS];
    struct client_service *services;
};

/* ---- The end of a call ----------------------------------------------------------------------- */

static void complete_failed(struct completion completion, struct rpc_exchange *exchange)
{
    ASSERT(exchange->error.code != CANDOR_OK);
    ASSERT(completion.output != NULL || completion.packed != NULL);
    if (completion.output != NULL)
        completion.typed(NULL, exchange);
    else
        completion.packed((struct slice){0}, exchange);
}

/* After this another call may use the slot: the caller touches it no more. */
static void slot_release(struct slot *slot)
{
    struct rpc_client *client = slot->client;
    pthread_mutex_lock(&slot->posting); /* who posted has left NNG */
    arena_reset(&slot->arena);
    slot->exchange = NULL;
    slot->phase = SLOT_FREE;
    pthread_mutex_unlock(&slot->posting);
    pthread_mutex_lock(&client->lock);
    slot->next_free = client->free_slots;
    client->free_slots = slot;
    client->busy_count--;
    if (client->busy_count == 0)
        pthread_cond_signal(&client->idle);
    pthread_mutex_unlock(&client->lock);
}

__attribute__((format(printf, 4, 5))) static void slot_fail(struct slot *slot,
                                                            enum candor_code code,
                                                            enum candor_reason reason,
                                                            const char *format, ...)
{
    struct candor_error *error = &slot->exchange->error;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    error->reason = reason;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    complete_failed(slot->completion, slot->exchange);
    slot_release(slot);
}

/* What the reply's envelope says, as an error. */
static void take_outcome(const Candor__V1__RpcReply *reply, struct candor_error *error)
{
    error->code = (enum candor_code)reply->code;
    if ((int)reply->code < 0 || (int)reply->code > CANDOR_UNAUTHENTICATED)
        error->code = CANDOR_UNKNOWN;
    error->reason = (enum candor_reason)reply->reason;
    snprintf(error->message, sizeof error->message, "%s", reply->message);
}

/* False: the response does not decode, the error is set. */
static bool complete_ok(struct slot *slot, struct slice body)
{
    if (slot->completion.output == NULL) {
        slot->completion.packed(body, slot->exchange);
        return true;
    }
    ProtobufCMessage *response;
    if (unpack_message(slot->completion.output, &slot->arena, body, &response) != UNPACK_OK)
        return false;
    slot->completion.typed(response, slot->exchange);
    return true;
}

static void take_reply(struct slot *slot, struct slice bytes)
{
    const char *address = slot->client->dialed.address;
    struct rpc_exchange *exchange = slot->exchange;
    ProtobufCMessage *message;
    unpack_limit(&slot->arena, bytes.length);
    if (unpack_message(&candor__v1__rpc_reply__descriptor, &slot->arena, bytes, &message) !=
        UNPACK_OK) {
        slot_fail(slot, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                  "the reply of %s does not decode as candor.v1.RpcReply", address);
        return;
    }
    exchange->reply = (Candor__V1__RpcReply *)message;
    if (!envelope_is_sound(bytes, exchange->reply->checksum)) {
        exchange->reply = NULL;
        slot_fail(slot, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                  "the reply of %s was damaged on its way: its checksum does not match", address);
        return;
    }
    take_outcome(exchange->reply, &exchange->error);
    struct slice body = slice_of(exchange->reply->body.data, exchange->reply->body.len);
    if (exchange->error.code != CANDOR_OK) {
        complete_failed(slot->completion, exchange);
    } else if (!complete_ok(slot, body)) {
        slot_fail(slot, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                  "the response of %s does not decode as %s", address,
                  slot->completion.output->name);
        return;
    }
    slot_release(slot);
}

/* ---- Sending and receiving ------------------------------------------------------------------- */

static int timeout_ms(uint64_t until_ns)
{
    uint64_t ms = ns_to_ms_up(saturating_sub(until_ns, clock_boot_ns()));
    return (int)max_u64(ms, 1); /* zero would mean: do not wait at all, and NNG mishandles it */
}

/* Posts the next step unless the client closes. Under the slot's own lock, so that close cancels it
 * or is seen here, and so that this thread has left NNG before the call can end and its context be
 * closed (slot_release). */
static bool post(struct slot *slot, enum slot_phase phase, uint64_t until_ns)
{
    pthread_mutex_lock(&slot->posting);
    bool open = !atomic_load(&slot->client->closing);
    if (open) {
        slot->phase = phase;
        nng_aio_set_timeout(slot->aio, timeout_ms(until_ns));
        if (phase == SLOT_SENDING)
            nng_ctx_send(slot->context, slot->aio);
        else
            nng_ctx_recv(slot->context, slot->aio);
    }
    pthread_mutex_unlock(&slot->posting);
    return open;
}

static void fail_cancelled(struct slot *slot, bool was_sent)
{
    slot_fail(slot, CANDOR_CANCELLED, was_sent ? CANDOR_REASON_OUTCOME_UNKNOWN : CANDOR_REASON_NONE,
              "the connection to %s was closed by this process", slot->client->dialed.address);
}

static void free_message(struct slot *slot)
{
    nng_msg *message = nng_aio_get_msg(slot->aio);
    nng_aio_set_msg(slot->aio, NULL);
    if (message != NULL)
        nng_msg_free(message);
}

/* A message waits in the aio. In slices, because a connection may be lost or come at any time; in
 * short ones while there is none, so that a name that does not resolve is told soon. */
static void send_request(struct slot *slot)
{
    uint64_t since_ns;
    bool connected = dialed_pipe(&slot->client->dialed, &since_ns) != 0;
    uint64_t slice_ms = connected ? LIMIT_RPC_CONNECT_GRACE_MS : CONNECT_SLICE_MS;
    uint64_t slice_ns = clock_boot_ns() + slice_ms * NS_PER_MS;
    if (post(slot, SLOT_SENDING, min_u64(slice_ns, slot->deadline_ns)))
        return;
    free_message(slot);
    fail_cancelled(slot, false);
}

/* A call timed out. Its connection, or the one it waited for, is the present one: a loss would have
 * ended it before. Any reply lifts the doubt, so that calls with short deadlines count together and
 * a busy peer is left alone. */
static void doubt_connection(struct rpc_client *client)
{
    uint64_t since_ns;
    uint32_t pipe = dialed_pipe(&client->dialed, &since_ns);
    uint64_t unanswered_ns = atomic_load(&client->unanswered_ns);
    if (pipe == 0 || unanswered_ns == 0)
        return;
    if (saturating_sub(clock_boot_ns(), max_u64(unanswered_ns, since_ns)) >= DOUBT_NS)
        atomic_store(&client->doubted_pipe, pipe);
}

/* There is no connection, and it is not waited for any longer. */
static void fail_unconnected(struct slot *slot)
{
    struct rpc_client *client = slot->client;
    char why[CANDOR_ERROR_MESSAGE_BYTES];
    if (dialed_obstacle(&client->dialed, why, sizeof why) == OBSTACLE_NONE)
        snprintf(why, sizeof why, "nothing answers at %s%s", client->dialed.address,
                 names_pending(client->dialed.host) ? ": its name is still being looked up" : "");
    slot_fail(slot, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE, "%s", why);
}

static bool worth_waiting(struct slot *slot, bool connected, uint64_t since_ns, uint64_t now_ns)
{
    uint64_t grace_ns = LIMIT_RPC_CONNECT_GRACE_MS * NS_PER_MS;
    char why[CANDOR_ERROR_MESSAGE_BYTES];
    if (now_ns >= slot->deadline_ns)
        return false;
    return connected || (now_ns < max_u64(slot->begun_ns, since_ns) + grace_ns &&
                         dialed_obstacle(&slot->client->dialed, why, sizeof why) == OBSTACLE_NONE);
}

static void send_timed_out(struct slot *slot)
{
    struct rpc_client *client = slot->client;
    uint64_t since_ns;
    bool connected = dialed_pipe(&client->dialed, &since_ns) != 0;
    if (worth_waiting(slot, connected, since_ns, clock_boot_ns())) {
        dialed_redial(&client->dialed, DOUBT_NS);
        send_request(slot);
        return;
    }
    free_message(slot);
    doubt_connection(client);
    if (connected)
        slot_fail(slot, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                  "%s took no request up to the deadline", client->dialed.address);
    else
        fail_unconnected(slot);
}

static void sent(struct slot *slot, int error)
{
    struct rpc_client *client = slot->client;
    if (error == 0) {
        if (!post(slot, SLOT_RECEIVING, slot->deadline_ns))
            fail_cancelled(slot, true);
        return;
    }
    if (error == NNG_ETIMEDOUT) {
        send_timed_out(slot);
        return;
    }
    free_message(slot);
    if (error == NNG_ECANCELED || error == NNG_ECLOSED)
        fail_cancelled(slot, false);
    else
        slot_fail(slot, CANDOR_INTERNAL, CANDOR_REASON_NONE, "cannot send to %s: %s",
                  client->dialed.address, nng_strerror(error));
}

static void receive_failed(struct slot *slot, int error)
{
    struct rpc_client *client = slot->client;
    if (error == NNG_ECANCELED || error == NNG_ECLOSED) {
        fail_cancelled(slot, true);
    } else if (error == NNG_ETIMEDOUT) {
        doubt_connection(client);
        slot_fail(slot, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_OUTCOME_UNKNOWN,
                  "%s did not answer in time", client->dialed.address);
    } else { /* ECONNRESET: REQ fails what was sent over a connection that is lost (R48) */
        slot_fail(slot, CANDOR_UNAVAILABLE, CANDOR_REASON_OUTCOME_UNKNOWN,
                  "the connection to %s was lost: %s", client->dialed.address, nng_strerror(error));
    }
}

static void received(struct slot *slot, int error)
{
    if (error != 0) {
        receive_failed(slot, error);
        return;
    }
    nng_msg *message = nng_aio_get_msg(slot->aio);
    nng_aio_set_msg(slot->aio, NULL);
    atomic_store(&slot->client->unanswered_ns, 0);
    take_reply(slot, slice_of(nng_msg_body(message), nng_msg_len(message)));
    nng_msg_free(message);
}

static void slot_event(void *closure)
{
    struct slot *slot = closure;
    int error = nng_aio_result(slot->aio);
    ASSERT(slot->phase != SLOT_FREE);
    if (slot->phase == SLOT_SENDING)
        sent(slot, error);
    else
        received(slot, error);
}

/* ---- The beginning of a call ----------------------------------------------------------------- */

static struct slot *slot_new(struct rpc_client *client)
{
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->client = client;
    if (nng_ctx_open(&slot->context, client->socket) != 0)
        goto failed;
    if (nng_aio_alloc(&slot->aio, slot_event, slot) != 0) {
        nng_ctx_close(slot->context);
        goto failed;
    }
    pthread_mutex_init(&slot->posting, NULL);
    arena_init(&slot->arena, LIMIT_RPC_UNPACK_SLACK_BYTES);
    arena_alloc(&slot->arena, 1); /* a small first block: it is the one that is kept */
    return slot;
failed:
    free(slot);
    return NULL;
}

/* The call is counted already. */
static struct slot *slot_add(struct rpc_client *client)
{
    struct slot *slot = slot_new(client);
    pthread_mutex_lock(&client->lock);
    if (slot != NULL)
        client->slots[client->slot_count++] = slot;
    else if (--client->busy_count == 0)
        pthread_cond_signal(&client->idle);
    pthread_mutex_unlock(&client->lock);
    return slot;
}

static struct slot *slot_take(struct rpc_client *client, struct candor_error *error)
{
    pthread_mutex_lock(&client->lock);
    bool closing = atomic_load(&client->closing);
    bool room = !closing && client->busy_count < LIMIT_RPC_CLIENT_CALLS;
    struct slot *slot = room ? client->free_slots : NULL;
    if (slot != NULL)
        client->free_slots = slot->next_free;
    if (room)
        client->busy_count++;
    uint32_t busy_count = client->busy_count;
    pthread_mutex_unlock(&client->lock);
    if (closing)
        candor_error_set(error, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                         "the connection to %s was closed by this process", client->dialed.address);
    if (slot == NULL && room)
        slot = slot_add(client);
    if (slot == NULL && room)
        candor_error_set(error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE, "out of memory");
    if (!room && !closing)
        candor_error_set(error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                         "%u calls are in flight to %s", busy_count, client->dialed.address);
    return slot;
}

static uint64_t deadline_ms(const struct rpc_exchange *exchange)
{
    if (exchange->deadline_ms == 0)
        return LIMIT_RPC_DEADLINE_MS_DEFAULT;
    return min_u64(exchange->deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX);
}

static nng_msg *pack_request(struct rpc_client *client, const char *method,
                             struct envelope_body body, struct rpc_exchange *exchange)
{
    Candor__V1__RpcRequest envelope = CANDOR__V1__RPC_REQUEST__INIT;
    Candor__V1__RequestId request_id = CANDOR__V1__REQUEST_ID__INIT;
    union { /* protobuf-c wants them writable, and does not write */
        const char *constant;
        char *text;
    } name = {.constant = method};
    envelope.method = name.text;
    envelope.deadline_ms = (uint32_t)deadline_ms(exchange);
    if (exchange->request_id != NULL) {
        request_id = *exchange->request_id;
        envelope.request_id = &request_id;
    }
    envelope.hops = exchange->hops;
    envelope.n_hops = exchange->hop_count;
    nng_msg *message;
    size_t bytes = envelope_pack(&envelope.base, ENVELOPE_REQUEST_BODY, body, client->message_bytes,
                                 NULL, &message);
    if (message == NULL && bytes <= client->message_bytes)
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "no memory for a request of %zu bytes", bytes);
    else if (message == NULL)
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "the request has %zu bytes, over the message limit of %zu", bytes,
                         client->message_bytes);
    return message;
}

/* Only asks: whoever calls is not kept (rpc/dialed.h). */
static void fix_connection(struct rpc_client *client)
{
    uint32_t doubted = (uint32_t)atomic_exchange(&client->doubted_pipe, 0);
    if (doubted != 0)
        dialed_drop(&client->dialed, doubted);
    else
        dialed_redial(&client->dialed, DOUBT_NS);
}

static void call_begin(struct rpc_client *client, const char *method, struct envelope_body body,
                       struct completion completion, struct rpc_exchange *exchange)
{
    exchange->error = (struct candor_error){.code = CANDOR_OK};
    exchange->reply = NULL;

    struct slot *slot = slot_take(client, &exchange->error);
    if (slot == NULL) {
        complete_failed(completion, exchange);
        return;
    }
    slot->begun_ns = clock_boot_ns();
    slot->deadline_ns = slot->begun_ns + deadline_ms(exchange) * NS_PER_MS;
    slot->exchange = exchange;
    slot->completion = completion;
    nng_msg *message = pack_request(client, method, body, exchange);
    if (message == NULL) {
        complete_failed(completion, exchange);
        slot_release(slot);
        return;
    }
    fix_connection(client);
    uint_fast64_t answered = 0;
    atomic_compare_exchange_strong(&client->unanswered_ns, &answered, slot->begun_ns);
    nng_aio_set_msg(slot->aio, message);
    send_request(slot);
}

static void service_invoke(ProtobufCService *base, unsigned method_index,
                           const ProtobufCMessage *input, ProtobufCClosure closure,
                           void *closure_data)
{
    struct client_service *service = (struct client_service *)base;
    char method[LIMIT_RPC_METHOD_BYTES];
    dispatch_name(base->descriptor, method_index, method);
    struct completion completion = {.output = base->descriptor->methods[method_index].output,
                                    .typed = closure};
    call_begin(service->client, method, (struct envelope_body){.message = input}, completion,
               closure_data);
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
    call_begin(client, method, (struct envelope_body){.packed = body},
               (struct completion){.packed = closure}, exchange);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

const char *rpc_client_address(const struct rpc_client *client)
{
    return client->dialed.address;
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
    int error = nng_req0_open(&client->socket);
    if (error != 0) {
        free(client);
        return open_failed(error, CANDOR_UNAVAILABLE, "open a socket", err);
    }
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->idle, NULL);
    /* R48 */
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
