/* Scan: ranges of keys, in both directions. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/types.h"
#include "candor/v1/kv.pb-c.h"
#include "node/serve/key_range.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/kv_read.h"
#include "node/serve/reply.h"
#include "node/shared/bytes.h"
#include "state/state.h"

/* The request's range, in its own direction, as an ascending [start, end). False: it is empty. */
static bool scan_range(const Candor__V1__ScanRequest *request, struct state_scan *scan,
                       struct key_bound *low, struct key_bound *high)
{
    *scan = (struct state_scan){.after = binary_slice(request->after), .reverse = request->reverse};
    if (request->prefix.len > 0) {
        scan->start = binary_slice(request->prefix);
        if (key_after_prefix(scan->start, high))
            scan->end = key_bound_slice(high);
        return true;
    }
    if (!request->reverse) {
        scan->start = binary_slice(request->start);
        scan->end = binary_slice(request->end);
        return true;
    }
    if (request->end.len > 0) { /* the first key not wanted, going down */
        if (!key_after(binary_slice(request->end), low))
            return false;
        scan->start = key_bound_slice(low);
    }
    if (request->start.len > 0 && key_after(binary_slice(request->start), high))
        scan->end = key_bound_slice(high);
    return true;
}

static bool add_item(const struct state_item *item, void *closure)
{
    struct reading *reading = closure;
    const Candor__V1__ScanRequest *request = (const Candor__V1__ScanRequest *)reading->request;
    size_t most =
        request->limit == 0 ? LIMIT_SCAN_ITEMS : (size_t)min_u64(request->limit, LIMIT_SCAN_ITEMS);
    size_t bytes = item->key.length + (request->keys_only ? 0 : item->value.length) + 32;
    bool full = reading->item_count == most ||
                (reading->item_count > 0 && reading->item_bytes + bytes > LIMIT_SCAN_BYTES);
    if (full) {
        reading->scan.more = true;
        return false;
    }
    if (!kv_read_has_room(reading))
        return false;
    Candor__V1__KeyValue *to = &reading->items[reading->item_count++];
    kv_read_fill_item(reading, to, item);
    if (request->keys_only)
        to->value = (ProtobufCBinaryData){0};
    reading->item_bytes += bytes;
    return true;
}

static bool fill_scan(struct reading *reading, struct state_view *data)
{
    const Candor__V1__ScanRequest *request = (const Candor__V1__ScanRequest *)reading->request;
    struct state_scan scan;
    struct key_bound low;
    struct key_bound high;
    candor__v1__scan_response__init(&reading->scan);
    if (scan_range(request, &scan, &low, &high))
        state_scan(data, &scan, add_item, reading);
    if (reading->no_memory || kv_read_list_items(reading) == NULL)
        return kv_read_fail_without_memory(reading);
    reading->scan.n_items = reading->item_count;
    reading->scan.items = reading->list;
    reading->response = &reading->scan.base;
    return true;
}

static bool check_range(struct node *node, struct rpc_call *call,
                        const Candor__V1__ScanRequest *request)
{
    if (request->prefix.len > 0 && (request->start.len > 0 || request->end.len > 0)) {
        reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                       "prefix: excludes start and end");
        return false;
    }
    const struct {
        const char *field;
        ProtobufCBinaryData key;
    } keys[] = {{"start", request->start},
                {"end", request->end},
                {"prefix", request->prefix},
                {"after", request->after}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].key.len > LIMIT_KEY_BYTES)
            return kv_check_key(node, call, keys[i].field, keys[i].key);
    return true;
}

void kv_scan(Candor__V1__KV_Service *service, const Candor__V1__ScanRequest *request,
             Candor__V1__ScanResponse_Closure closure, void *closure_data)
{
    struct read_call *of = kv_read_new(service, closure_data, (ProtobufCClosure)closure,
                                       &request->base, request->options);
    if (of != NULL && check_range(of->ticket.node, closure_data, request))
        kv_read_submit(of, fill_scan);
}
