/* Get and MultiGet. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/kv_read.h"
#include "node/serve/reply.h"
#include "node/shared/bytes.h"
#include "node/shared/node_state.h"
#include "state/state.h"
#include "topology/topology.h"

/* ---- Get ------------------------------------------------------------------------------------- */

static void fill_missing(Candor__V1__KeyValue *item, ProtobufCBinaryData key)
{
    candor__v1__key_value__init(item);
    item->key = key;
}

static bool fill_get(struct reading *reading, struct state_view *data)
{
    const Candor__V1__GetRequest *request = (const Candor__V1__GetRequest *)reading->request;
    struct state_item item;
    candor__v1__get_response__init(&reading->get);
    if (state_get(data, binary_slice(request->key), &item))
        kv_read_fill_item(reading, &reading->item, &item);
    else
        fill_missing(&reading->item, request->key);
    reading->get.item = &reading->item;
    reading->response = &reading->get.base;
    return true;
}

void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
            Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct read_call *of = kv_read_new(service, closure_data, (ProtobufCClosure)closure,
                                       &request->base, request->options);
    if (of != NULL && kv_check_key(of->ticket.node, closure_data, "key", request->key))
        kv_read_submit_short(of, fill_get);
}

/* ---- MultiGet -------------------------------------------------------------------------------- */

static bool fail_too_large(struct reading *reading, const char *field, size_t most)
{
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(text, sizeof text, "%s: the answer would be larger than limits.message, %zu bytes",
             field, most);
    reply_fail(reading->node, reading->call, &reading->view, CANDOR_RESOURCE_EXHAUSTED,
               CANDOR_REASON_TOO_LARGE, text);
    return false;
}

static bool fill_multi_get(struct reading *reading, struct state_view *data)
{
    const Candor__V1__MultiGetRequest *request =
        (const Candor__V1__MultiGetRequest *)reading->request;
    size_t count = request->n_keys;
    size_t most_bytes = reading->node->topology->limit_message_bytes;
    reading->items = malloc((count + 1) * sizeof *reading->items);
    reading->list = malloc((count + 1) * sizeof *reading->list);
    if (reading->items == NULL || reading->list == NULL)
        return kv_read_fail_without_memory(reading);
    for (size_t i = 0; i < count; i++) {
        struct state_item item;
        reading->list[i] = &reading->items[i];
        if (state_get(data, binary_slice(request->keys[i]), &item))
            kv_read_fill_item(reading, &reading->items[i], &item);
        else
            fill_missing(&reading->items[i], request->keys[i]);
        reading->item_bytes += 32 + reading->items[i].key.len + reading->items[i].value.len;
        if (reading->item_bytes > most_bytes)
            return fail_too_large(reading, "keys", most_bytes);
    }
    candor__v1__multi_get_response__init(&reading->multi_get);
    reading->multi_get.n_items = count;
    reading->multi_get.items = reading->list;
    reading->response = &reading->multi_get.base;
    return true;
}

static bool check_keys(struct node *node, struct rpc_call *call,
                       const Candor__V1__MultiGetRequest *request)
{
    char field[64];
    if (request->n_keys > LIMIT_BATCH_OPS) {
        snprintf(field, sizeof field, "keys: %zu; the limit is %d", request->n_keys,
                 LIMIT_BATCH_OPS);
        reply_fail_now(node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE, field);
        return false;
    }
    for (size_t i = 0; i < request->n_keys; i++) {
        size_t length = request->keys[i].len;
        if (length >= 1 && length <= LIMIT_KEY_BYTES)
            continue;
        snprintf(field, sizeof field, "keys[%zu]", i);
        return kv_check_key(node, call, field, request->keys[i]);
    }
    return true;
}

void kv_multi_get(Candor__V1__KV_Service *service, const Candor__V1__MultiGetRequest *request,
                  Candor__V1__MultiGetResponse_Closure closure, void *closure_data)
{
    struct read_call *of = kv_read_new(service, closure_data, (ProtobufCClosure)closure,
                                       &request->base, request->options);
    if (of != NULL && check_keys(of->ticket.node, closure_data, request))
        kv_read_submit(of, fill_multi_get);
}
