/* Calls that wait for a message in flight travel together in the next one (rpc.h, enum
 * rpc_class). */
#include "rpc/coalesce.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/unpack.h"
#include "rpc/envelope.h"
#include "rpc/exchange.h"
#include "rpc/outgoing.h"
#include "rpc/slot.h"

static void linger(struct rpc_client *client);
static const struct cargo bundle_cargo;

/* ---- Sending --------------------------------------------------------------------------------- */

static void send(struct rpc_client *client, enum rpc_class class, struct outgoing *outgoing)
{
    struct candor_error error = {0};
    struct slot *slot = slot_take(client, &error);
    nng_msg *message = slot != NULL ? outgoing_pack(client, outgoing, &error) : NULL;
    if (message == NULL) {
        outgoing_fail(outgoing, &error);
        outgoing_recycle(client, outgoing);
        if (slot != NULL)
            slot_release(slot);
        coalesce_next(client, class);
        return;
    }
    slot->cargo = &bundle_cargo;
    slot->class = class;
    slot->outgoing = outgoing;
    slot->deadline_ns = outgoing->deadline_ns;
    slot_send(slot, message);
}

void coalesce_next(struct rpc_client *client, enum rpc_class class)
{
    pthread_mutex_lock(&client->lock);
    struct coalescer *of = &client->coalescers[class];
    bool room = of->in_flight <= LIMIT_BUNDLE_IN_FLIGHT;
    struct outgoing *outgoing = room ? outgoing_take(client, class) : NULL;
    if (outgoing == NULL) /* else its place is taken at once */
        of->in_flight--;
    pthread_mutex_unlock(&client->lock);
    if (outgoing != NULL)
        send(client, class, outgoing);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

bool coalesce(struct rpc_client *client, const char *method, struct slice body,
              struct rpc_exchange *exchange)
{
    struct coalescer *of = &client->coalescers[exchange->class];
    struct outgoing_call it;
    outgoing_measure(&it, method, body, exchange);
    pthread_mutex_lock(&client->lock);
    bool full = client->waiting_count >= LIMIT_BUNDLE_WAITING;
    bool may_wait = !full && !atomic_load(&client->no_bundles) && !atomic_load(&client->closing);
    bool waits =
        may_wait && of->in_flight >= LIMIT_BUNDLE_IN_FLIGHT && outgoing_wait(client, &it, exchange);
    if (!waits && !full)
        of->in_flight++;
    bool lingers = waits && !client->lingering;
    client->lingering = client->lingering || lingers;
    client->busy_count += lingers; /* the client stays until this thread has left it */
    pthread_mutex_unlock(&client->lock);
    if (full) {
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                         "%d calls wait for %s", LIMIT_BUNDLE_WAITING, client->dialed.address);
        exchange_fail(exchange);
    }
    if (lingers) {
        linger(client);
        slot_idle(client);
    }
    return waits || full;
}

/* ---- Not for long ---------------------------------------------------------------------------- */

/* One that has waited for long enough; NULL: none has. Counted as in flight. */
static struct outgoing *take_late(struct rpc_client *client, enum rpc_class *class)
{
    uint64_t linger_ns = LIMIT_BUNDLE_LINGER_MS * NS_PER_MS;
    uint64_t now_ns = clock_boot_ns();
    for (*class = RPC_ALONE + 1; *class < RPC_CLASSES; (*class)++) {
        const struct outgoing *first = client->coalescers[*class].first;
        if (first == NULL || saturating_sub(now_ns, first->since_ns) < linger_ns)
            continue;
        client->coalescers[*class].in_flight++;
        return outgoing_take(client, *class);
    }
    return NULL;
}

static void linger_event(void *closure)
{
    struct rpc_client *client = closure;
    bool over = nng_aio_result(client->linger) != 0; /* it closes */
    for (;;) {
        enum rpc_class class;
        pthread_mutex_lock(&client->lock);
        struct outgoing *outgoing = over ? NULL : take_late(client, &class);
        bool again = !over && client->waiting_count > 0;
        if (outgoing == NULL)
            client->lingering = again;
        pthread_mutex_unlock(&client->lock);
        if (outgoing == NULL && again)
            linger(client);
        if (outgoing == NULL)
            return;
        send(client, class, outgoing);
    }
}

static void linger(struct rpc_client *client)
{
    nng_sleep_aio(LIMIT_BUNDLE_LINGER_MS, client->linger);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* Its reply did not fit in beside the others': it is sent again, in a message of its own. */
static void send_alone(struct slot *from, const struct bundled *call)
{
    struct rpc_client *client = from->client;
    struct rpc_exchange *exchange = call->exchange;
    uint64_t left_ns = saturating_sub(from->deadline_ns, clock_boot_ns());
    Candor__V1__RpcRequest rest = CANDOR__V1__RPC_REQUEST__INIT;
    rest.deadline_ms = (uint32_t)max_u64(1, left_ns / NS_PER_MS);
    struct slot *slot = slot_take(client, &exchange->error);
    if (slot == NULL) {
        exchange_fail(exchange);
        return;
    }
    struct envelope_body body = {.packed =
                                     slice_of(from->outgoing->bytes + call->at, call->length)};
    nng_msg *message;
    envelope_pack(&rest.base, ENVELOPE_SAME, body, client->message_bytes, NULL, &message);
    if (message == NULL) {
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "no memory for a request of %u bytes", call->length);
        exchange_fail(exchange);
        slot_release(slot);
        return;
    }
    slot->cargo = &exchange_cargo;
    slot->exchange = exchange;
    slot->deadline_ns = from->deadline_ns;
    slot_send(slot, message);
}

static void take_one(struct slot *slot, const struct bundled *call, Candor__V1__RpcReply *reply,
                     const Candor__V1__RpcReply *bundle)
{
    if (reply->reason == CANDOR__V1__REASON__REASON_BUNDLE_FULL) {
        call->exchange->sent_again = true;
        send_alone(slot, call);
        return;
    }
    if (reply->freshness == NULL)
        reply->freshness = bundle->freshness;
    exchange_end(slot, call->exchange, reply);
}

/* Of an older version: none of them was executed. */
static void take_unknown(struct slot *slot)
{
    atomic_store(&slot->client->no_bundles, true);
    for (uint32_t i = 0; i < slot->outgoing->count; i++)
        send_alone(slot, &slot->outgoing->calls[i]);
}

/* Any but OK: no call has been told anything. */
static enum unpack_result take_reply(struct slot *slot, const Candor__V1__RpcReply *reply)
{
    const struct outgoing *outgoing = slot->outgoing;
    if (reply->reason == CANDOR__V1__REASON__REASON_UNKNOWN_METHOD) {
        take_unknown(slot);
        return UNPACK_OK;
    }
    if (reply->code != CANDOR__V1__CODE__CODE_OK) { /* all have the bundle's fate */
        for (uint32_t i = 0; i < outgoing->count; i++) {
            Candor__V1__RpcReply copy = *reply;
            exchange_end(slot, outgoing->calls[i].exchange, &copy);
        }
        return UNPACK_OK;
    }
    ProtobufCMessage *message;
    enum unpack_result result =
        unpack_message(&candor__v1__bundle_response__descriptor, &slot->arena,
                       slice_of(reply->body.data, reply->body.len), &message);
    if (result != UNPACK_OK)
        return result;
    const Candor__V1__BundleResponse *response = (const Candor__V1__BundleResponse *)message;
    if (response->n_replies != outgoing->count)
        return UNPACK_MALFORMED;
    for (uint32_t i = 0; i < outgoing->count; i++)
        take_one(slot, &outgoing->calls[i], response->replies[i], reply);
    return UNPACK_OK;
}

static void bundle_failed(struct slot *slot, const struct candor_error *error)
{
    outgoing_fail(slot->outgoing, error);
    outgoing_recycle(slot->client, slot->outgoing);
}

static void bundle_answered(struct slot *slot, Candor__V1__RpcReply *reply)
{
    enum unpack_result result = take_reply(slot, reply);
    if (result == UNPACK_OK) {
        outgoing_recycle(slot->client, slot->outgoing);
        return;
    }
    struct candor_error error;
    if (result == UNPACK_NO_MEMORY)
        candor_error_set(&error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OUTCOME_UNKNOWN,
                         "out of memory: a reply of %s came and could not be kept",
                         slot->client->dialed.address);
    else
        candor_error_set(&error, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                         "the reply of %s does not decode as candor.v1.BundleResponse",
                         slot->client->dialed.address);
    bundle_failed(slot, &error);
}

static void left(struct slot *slot)
{
    coalesce_next(slot->client, slot->class);
}

const struct cargo coalesce_cargo = {
    .left = left, .answered = exchange_answered, .failed = exchange_failed};
static const struct cargo bundle_cargo = {
    .left = left, .answered = bundle_answered, .failed = bundle_failed};

/* ---- The end --------------------------------------------------------------------------------- */

/* `closing` is set: nothing more begins to wait. */
void coalesce_cancel(struct rpc_client *client)
{
    struct candor_error error;
    candor_error_set(&error, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                     "the connection to %s was closed by this process", client->dialed.address);
    nng_aio_stop(client->linger);
    for (enum rpc_class class = RPC_ALONE + 1; class < RPC_CLASSES; class ++) {
        for (;;) {
            pthread_mutex_lock(&client->lock);
            struct outgoing *outgoing = outgoing_take(client, class);
            pthread_mutex_unlock(&client->lock);
            if (outgoing == NULL)
                break;
            outgoing_fail(outgoing, &error);
            outgoing_recycle(client, outgoing);
        }
    }
}

bool coalesce_init(struct rpc_client *client)
{
    return nng_aio_alloc(&client->linger, linger_event, client) == 0;
}

void coalesce_free(struct rpc_client *client)
{
    if (client->linger != NULL)
        nng_aio_free(client->linger);
    while (client->spare != NULL) {
        struct outgoing *next = client->spare->next;
        free(client->spare);
        client->spare = next;
    }
}
