/* One message in flight: sent, answered, or given up. */
#include "rpc/slot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/unpack.h"
#include "net/at_once.h"
#include "net/names.h"
#include "rpc/envelope.h"

#define CONNECT_SLICE_MS 50
#define DOUBT_NS NS_PER_S /* of silence: then a connection is in doubt, or a connect hangs */

/* ---- The end of a message -------------------------------------------------------------------- */

void slot_idle(struct rpc_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->busy_count--;
    if (client->busy_count == 0)
        pthread_cond_signal(&client->idle);
    pthread_mutex_unlock(&client->lock);
}

void slot_release(struct slot *slot)
{
    struct rpc_client *client = slot->client;
    pthread_mutex_lock(&slot->posting); /* who posted has left NNG */
    arena_reset(&slot->arena);
    slot->cargo = NULL;
    slot->exchange = NULL;
    slot->outgoing = NULL;
    slot->phase = SLOT_FREE;
    pthread_mutex_unlock(&slot->posting);
    pthread_mutex_lock(&client->lock);
    slot->next_free = client->free_slots;
    client->free_slots = slot;
    pthread_mutex_unlock(&client->lock);
    slot_idle(client);
}

static void leave(struct slot *slot)
{
    if (slot->cargo->left != NULL)
        slot->cargo->left(slot);
}

__attribute__((format(printf, 4, 5))) static void
fail(struct slot *slot, enum candor_code code, enum candor_reason reason, const char *format, ...)
{
    struct candor_error error = {.code = code, .reason = reason};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    leave(slot);
    slot->cargo->failed(slot, &error);
    slot_release(slot);
}

static void take_reply(struct slot *slot, struct slice bytes)
{
    const char *address = slot->client->dialed.address;
    ProtobufCMessage *message;
    unpack_limit(&slot->arena, bytes.length);
    enum unpack_result result =
        unpack_message(&candor__v1__rpc_reply__descriptor, &slot->arena, bytes, &message);
    if (result == UNPACK_NO_MEMORY) {
        fail(slot, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OUTCOME_UNKNOWN,
             "out of memory: a reply of %s came and could not be kept", address);
        return;
    }
    if (result != UNPACK_OK) {
        fail(slot, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
             "the reply of %s does not decode as candor.v1.RpcReply", address);
        return;
    }
    Candor__V1__RpcReply *reply = (Candor__V1__RpcReply *)message;
    if (!envelope_is_sound(bytes, reply->checksum)) {
        fail(slot, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
             "the reply of %s was damaged on its way: its checksum does not match", address);
        return;
    }
    leave(slot);
    slot->cargo->answered(slot, reply);
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
    bool sends = phase == SLOT_SENDING;
    if (sends)
        at_once_begin(slot->aio);
    pthread_mutex_lock(&slot->posting);
    bool open = !atomic_load(&slot->client->closing);
    if (open) {
        slot->phase = phase;
        nng_aio_set_timeout(slot->aio, timeout_ms(until_ns));
        if (sends)
            nng_ctx_send(slot->context, slot->aio);
        else
            nng_ctx_recv(slot->context, slot->aio);
    }
    pthread_mutex_unlock(&slot->posting);
    if (sends)
        at_once_end(); /* a message that went out is received for already when this returns */
    return open;
}

static void fail_cancelled(struct slot *slot, bool was_sent)
{
    fail(slot, CANDOR_CANCELLED, was_sent ? CANDOR_REASON_OUTCOME_UNKNOWN : CANDOR_REASON_NONE,
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
    fail(slot, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE, "%s", why);
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
        fail(slot, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
             "%s took no request up to the deadline", client->dialed.address);
    else
        fail_unconnected(slot);
}

static void sent(struct slot *slot, int error)
{
    struct rpc_client *client = slot->client;
    if (error == 0) {
        atomic_fetch_add_explicit(&client->messages, 1, memory_order_relaxed);
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
        fail(slot, error == NNG_ENOMEM ? CANDOR_RESOURCE_EXHAUSTED : CANDOR_INTERNAL,
             CANDOR_REASON_NONE, "cannot send to %s: %s", client->dialed.address,
             nng_strerror(error));
}

static void receive_failed(struct slot *slot, int error)
{
    struct rpc_client *client = slot->client;
    if (error == NNG_ECANCELED || error == NNG_ECLOSED) {
        fail_cancelled(slot, true);
    } else if (error == NNG_ETIMEDOUT) {
        doubt_connection(client);
        fail(slot, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_OUTCOME_UNKNOWN,
             "%s did not answer in time", client->dialed.address);
    } else { /* ECONNRESET: REQ fails what was sent over a connection that is lost (R48) */
        fail(slot, CANDOR_UNAVAILABLE, CANDOR_REASON_OUTCOME_UNKNOWN,
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

/* ---- The beginning --------------------------------------------------------------------------- */

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

struct slot *slot_take(struct rpc_client *client, struct candor_error *error)
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

/* Only asks: whoever calls is not kept (net/dialed.h). */
static void fix_connection(struct rpc_client *client)
{
    uint32_t doubted = (uint32_t)atomic_exchange(&client->doubted_pipe, 0);
    if (doubted != 0)
        dialed_drop(&client->dialed, doubted);
    else
        dialed_redial(&client->dialed, DOUBT_NS);
}

void slot_send(struct slot *slot, nng_msg *message)
{
    struct rpc_client *client = slot->client;
    slot->begun_ns = clock_boot_ns();
    fix_connection(client);
    uint_fast64_t answered = 0;
    atomic_compare_exchange_strong(&client->unanswered_ns, &answered, slot->begun_ns);
    nng_aio_set_msg(slot->aio, message);
    send_request(slot);
}
