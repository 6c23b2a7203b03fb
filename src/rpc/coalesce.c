/* Calls that wait for a message in flight travel together in the next one (rpc.h, enum
 * rpc_class). */
#include "rpc/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/unpack.h"

#define CALLS_FIELD 1 /* BundleRequest.calls */
#define BUNDLE_METHOD "/candor.v1.Rpc/Bundle"

static void linger(struct rpc_client *client);

/* ---- Outgoing ones --------------------------------------------------------------------------- */

/* Under the lock. NULL: no memory. */
static struct outgoing *outgoing_new(struct rpc_client *client)
{
    struct outgoing *outgoing = client->spare;
    if (outgoing == NULL) {
        outgoing = malloc(sizeof *outgoing);
    } else {
        client->spare = outgoing->next;
        client->spare_count--;
    }
    if (outgoing != NULL) {
        outgoing->next = NULL;
        outgoing->count = 0;
        outgoing->length = 0;
    }
    return outgoing;
}

void coalesce_recycle(struct rpc_client *client, struct outgoing *outgoing)
{
    pthread_mutex_lock(&client->lock);
    bool keep = client->spare_count < LIMIT_BUNDLE_SPARE;
    if (keep) {
        outgoing->next = client->spare;
        client->spare = outgoing;
        client->spare_count++;
    }
    pthread_mutex_unlock(&client->lock);
    if (!keep)
        free(outgoing);
}

/* Deadlines within a factor of two: all calls of a message share the earliest. */
static bool is_near(const struct outgoing *outgoing, uint64_t now_ns, uint64_t deadline_ns)
{
    uint64_t first_ns = saturating_sub(outgoing->first_deadline_ns, now_ns);
    uint64_t left_ns = saturating_sub(deadline_ns, now_ns);
    return left_ns >= first_ns / 2 && left_ns / 2 <= first_ns;
}

/* A request, measured and packed: what BundleRequest.calls holds of it. */
struct packing {
    Candor__V1__RpcRequest envelope;
    Candor__V1__RequestId request_id;
    struct envelope_layout layout;
    uint8_t frame[ENVELOPE_FRAME_BYTES];
    size_t frame_bytes;
};

static void measure(struct packing *it, const char *method, struct slice body,
                    const struct rpc_exchange *exchange)
{
    union { /* protobuf-c wants them writable, and does not write */
        const char *constant;
        char *text;
    } name = {.constant = method};
    candor__v1__rpc_request__init(&it->envelope);
    it->envelope.method = name.text;
    if (exchange->request_id != NULL) {
        it->request_id = *exchange->request_id;
        it->envelope.request_id = &it->request_id;
    }
    envelope_measure(&it->envelope.base, ENVELOPE_REQUEST_BODY,
                     (struct envelope_body){.packed = body}, &it->layout);
    it->frame_bytes = envelope_frame(it->frame, CALLS_FIELD, it->layout.bytes);
}

static bool has_room(const struct outgoing *outgoing, size_t bytes)
{
    return outgoing->count < LIMIT_BUNDLE_CALLS &&
           outgoing->length + bytes <= LIMIT_BUNDLE_REQUEST_BYTES;
}

static void append(struct outgoing *outgoing, const struct packing *it, uint64_t now_ns,
                   uint64_t deadline_ns, struct rpc_exchange *exchange)
{
    if (outgoing->count == 0) {
        outgoing->since_ns = now_ns;
        outgoing->first_deadline_ns = outgoing->deadline_ns = deadline_ns;
    }
    outgoing->deadline_ns = min_u64(outgoing->deadline_ns, deadline_ns);
    memcpy(outgoing->bytes + outgoing->length, it->frame, it->frame_bytes);
    outgoing->length += it->frame_bytes;
    envelope_put(&it->layout, outgoing->bytes + outgoing->length);
    outgoing->calls[outgoing->count++] =
        (struct bundled){exchange, (uint32_t)outgoing->length, (uint32_t)it->layout.bytes};
    outgoing->length += it->layout.bytes;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static nng_msg *pack(struct rpc_client *client, uint64_t now_ns, const struct outgoing *outgoing,
                     struct candor_error *error)
{
    struct rpc_exchange exchange = {
        .deadline_ms =
            (uint32_t)max_u64(1, saturating_sub(outgoing->deadline_ns, now_ns) / NS_PER_MS)};
    struct envelope_body body = {.packed = slice_of(outgoing->bytes, outgoing->length)};
    nng_msg *message = client_pack(client, BUNDLE_METHOD, body, &exchange);
    *error = exchange.error;
    return message;
}

static void send(struct rpc_client *client, enum rpc_class class, struct outgoing *outgoing)
{
    struct candor_error error = {0};
    struct slot *slot = slot_take(client, &error);
    nng_msg *message = slot != NULL ? pack(client, clock_boot_ns(), outgoing, &error) : NULL;
    if (message == NULL) {
        coalesce_fail(outgoing, &error);
        coalesce_recycle(client, outgoing);
        if (slot != NULL)
            slot_release(slot);
        coalesce_next(client, class);
        return;
    }
    slot->class = class;
    slot->outgoing = outgoing;
    slot->deadline_ns = outgoing->deadline_ns;
    slot_send(slot, message);
}

/* The first that waits; NULL: none. Under the lock. */
static struct outgoing *take_first(struct rpc_client *client, enum rpc_class class)
{
    struct coalescer *of = &client->coalescers[class];
    struct outgoing *outgoing = of->first;
    if (outgoing == NULL)
        return NULL;
    of->first = outgoing->next;
    if (of->first == NULL)
        of->newest = NULL;
    client->waiting_count -= outgoing->count;
    return outgoing;
}

void coalesce_next(struct rpc_client *client, enum rpc_class class)
{
    pthread_mutex_lock(&client->lock);
    struct coalescer *of = &client->coalescers[class];
    bool room = of->in_flight <= LIMIT_BUNDLE_IN_FLIGHT;
    struct outgoing *outgoing = room ? take_first(client, class) : NULL;
    if (outgoing == NULL) /* else its place is taken at once */
        of->in_flight--;
    pthread_mutex_unlock(&client->lock);
    if (outgoing != NULL)
        send(client, class, outgoing);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* Under the lock. False: there is no memory, and it goes alone. */
static bool wait_for_next(struct rpc_client *client, const struct packing *it,
                          struct rpc_exchange *exchange)
{
    struct coalescer *of = &client->coalescers[exchange->class];
    uint64_t now_ns = clock_boot_ns();
    uint64_t deadline_ns = now_ns + exchange_deadline_ms(exchange) * NS_PER_MS;
    struct outgoing *outgoing = of->newest;
    size_t bytes = it->frame_bytes + it->layout.bytes;
    if (outgoing == NULL || !has_room(outgoing, bytes) || !is_near(outgoing, now_ns, deadline_ns)) {
        outgoing = outgoing_new(client);
        if (outgoing == NULL)
            return false;
        if (of->newest != NULL)
            of->newest->next = outgoing;
        else
            of->first = outgoing;
        of->newest = outgoing;
    }
    append(outgoing, it, now_ns, deadline_ns, exchange);
    client->waiting_count++;
    return true;
}

bool coalesce(struct rpc_client *client, const char *method, struct slice body,
              struct rpc_exchange *exchange)
{
    struct coalescer *of = &client->coalescers[exchange->class];
    struct packing it;
    measure(&it, method, body, exchange);
    pthread_mutex_lock(&client->lock);
    bool full = client->waiting_count >= LIMIT_BUNDLE_WAITING;
    bool may_wait = !full && !atomic_load(&client->no_bundles) && !atomic_load(&client->closing);
    bool waits =
        may_wait && of->in_flight >= LIMIT_BUNDLE_IN_FLIGHT && wait_for_next(client, &it, exchange);
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
        client_idle(client);
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
        return take_first(client, *class);
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

void coalesce_fail(struct outgoing *outgoing, const struct candor_error *error)
{
    for (uint32_t i = 0; i < outgoing->count; i++) {
        struct rpc_exchange *exchange = outgoing->calls[i].exchange;
        exchange->error = *error;
        exchange_fail(exchange);
    }
}

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

bool coalesce_take(struct slot *slot, const Candor__V1__RpcReply *reply)
{
    const struct outgoing *outgoing = slot->outgoing;
    if (reply->reason == CANDOR__V1__REASON__REASON_UNKNOWN_METHOD) {
        take_unknown(slot);
        return true;
    }
    if (reply->code != CANDOR__V1__CODE__CODE_OK) { /* all have the bundle's fate */
        for (uint32_t i = 0; i < outgoing->count; i++) {
            Candor__V1__RpcReply copy = *reply;
            exchange_end(slot, outgoing->calls[i].exchange, &copy);
        }
        return true;
    }
    ProtobufCMessage *message;
    if (unpack_message(&candor__v1__bundle_response__descriptor, &slot->arena,
                       slice_of(reply->body.data, reply->body.len), &message) != UNPACK_OK)
        return false;
    const Candor__V1__BundleResponse *response = (const Candor__V1__BundleResponse *)message;
    if (response->n_replies != outgoing->count)
        return false;
    for (uint32_t i = 0; i < outgoing->count; i++)
        take_one(slot, &outgoing->calls[i], response->replies[i], reply);
    return true;
}

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
            struct outgoing *outgoing = take_first(client, class);
            pthread_mutex_unlock(&client->lock);
            if (outgoing == NULL)
                break;
            coalesce_fail(outgoing, &error);
            coalesce_recycle(client, outgoing);
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
