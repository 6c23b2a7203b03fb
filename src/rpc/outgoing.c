/* Calls that wait to travel together: what a message of many holds. */
#include "rpc/outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "rpc/exchange.h"

#define CALLS_FIELD 1 /* BundleRequest.calls */
#define BUNDLE_METHOD "/candor.v1.Rpc/Bundle"

/* ---- Their memory ---------------------------------------------------------------------------- */

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

void outgoing_recycle(struct rpc_client *client, struct outgoing *outgoing)
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

void outgoing_measure(struct outgoing_call *it, const char *method, struct slice body,
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

static void append(struct outgoing *outgoing, const struct outgoing_call *it, uint64_t now_ns,
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

bool outgoing_wait(struct rpc_client *client, const struct outgoing_call *it,
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

struct outgoing *outgoing_take(struct rpc_client *client, enum rpc_class class)
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

/* ---- As a message ---------------------------------------------------------------------------- */

nng_msg *outgoing_pack(struct rpc_client *client, const struct outgoing *outgoing,
                       struct candor_error *error)
{
    struct rpc_exchange exchange = {
        .deadline_ms = (uint32_t)max_u64(1, saturating_sub(outgoing->deadline_ns, clock_boot_ns()) /
                                                NS_PER_MS)};
    struct envelope_body body = {.packed = slice_of(outgoing->bytes, outgoing->length)};
    nng_msg *message = exchange_pack(client, BUNDLE_METHOD, body, &exchange);
    *error = exchange.error;
    return message;
}

void outgoing_fail(struct outgoing *outgoing, const struct candor_error *error)
{
    for (uint32_t i = 0; i < outgoing->count; i++) {
        struct rpc_exchange *exchange = outgoing->calls[i].exchange;
        exchange->error = *error;
        exchange_fail(exchange);
    }
}
