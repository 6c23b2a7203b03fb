/* Reads: served on NNG's threads, straight from a state view, by the read contract (docs/consistency.md).
 *
 * The state is opened first and the core's view copied after it, so that a view speaks of data that are at least
 * as new as it says. */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

/* One read being served. */
struct reading {
    struct node *node;
    struct rpc_call *call;
    ProtobufCClosure reply;
    const ProtobufCMessage *request;
    struct core_read read;
    /* Fills `response` from the data. False: the call was failed. */
    bool (*fill)(struct reading *reading, const struct state_view *data);
    struct core_view view;
    /* The response, and what it points to. */
    ProtobufCMessage *response;
    union {
        Candor__V1__GetResponse get;
        Candor__V1__MultiGetResponse multi_get;
        Candor__V1__ScanResponse scan;
    };
    Candor__V1__KeyValue item;
    Candor__V1__KeyValue *items; /* malloc'd */
    Candor__V1__KeyValue **list; /* malloc'd */
    size_t item_count;
    size_t item_capacity;
    size_t item_bytes;
};

/* ---- Waiting: for a session's position, for confirmed leadership, for the commit of what was read ------------- */

struct wait_ticket {
    struct ticket ticket;
    struct job job;
    struct reading reading;
    uint64_t rewinds;        /* of the core when it said that the wait is over */
    struct state_view *data; /* COMMIT: what was read, kept open; else NULL */
};

static void serve(struct reading *reading, const struct wait_ticket *waited);
static void answer_from(struct reading *reading, struct state_view *data);

static void run_again(struct job *job)
{
    struct wait_ticket *wait =
        (struct wait_ticket *)((uint8_t *)job - offsetof(struct wait_ticket, job));
    struct reading reading = wait->reading; /* the reply frees the ticket */
    struct state_view *data = wait->data;
    if (data == NULL) {
        serve(&reading, wait);
        return;
    }
    view_read_without_peers(&reading.node->view, &reading.view);
    answer_from(&reading, data);
}

/* Archives are files. */
static void run_lost(struct job *job)
{
    struct wait_ticket *wait =
        (struct wait_ticket *)((uint8_t *)job - offsetof(struct wait_ticket, job));
    lost_reply(&wait->ticket, wait->ticket.event.core.wait.pos);
}

static void wait_finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct wait_ticket *wait = (struct wait_ticket *)ticket;
    wait->job.run = run_lost;
    if (outcome->reason == CANDOR_REASON_SESSION_LOST && background_push(ticket->node, &wait->job))
        return;
    if (outcome->code != CANDOR_OK) {
        if (wait->data != NULL)
            state_view_end(wait->data);
        reply_outcome_failed(ticket, outcome);
        return;
    }
    struct core_view view;
    view_read_without_peers(&ticket->node->view, &view);
    wait->rewinds = view.rewinds;
    wait->job.run = run_again;
    struct state_view *data = wait->data;
    if (background_push(ticket->node, &wait->job))
        return;
    if (data != NULL)
        state_view_end(data);
    reply_fail_busy(ticket->node, ticket->call);
}

/* Takes `data`, which may be NULL. */
static void wait_for(const struct reading *reading, enum core_wait kind, struct pos pos,
                     struct state_view *data)
{
    struct node *node = reading->node;
    struct rpc_call *call = reading->call;
    struct wait_ticket *wait = ticket_new(node, call, reading->reply, sizeof *wait);
    if (wait != NULL) {
        wait->reading = *reading;
        wait->data = data;
        wait->ticket.finished = wait_finished;
        wait->ticket.event.core.type = CORE_EVENT_WAIT;
        wait->ticket.event.core.wait.kind = kind;
        wait->ticket.event.core.wait.pos = pos;
        wait->ticket.event.core.wait.deadline_ns = reply_deadline_ns(call);
        if (ticket_push(&wait->ticket))
            return;
    }
    if (data != NULL)
        state_view_end(data);
    reply_fail_busy(node, call);
}

/* ---- Deciding --------------------------------------------------------------------------------------------------- */

/* Data and a view that speaks of them. The writer may be ahead of the core for a moment; when it stays so, a
 * rollback or a snapshot is going on, and the node is SYNCING. */
static struct state_view *open_data(struct node *node, struct core_view *view)
{
    for (int attempt = 1;; attempt++) {
        struct state_view *data = state_view_begin(node->state);
        view_read_without_peers(&node->view, view);
        bool same = view->rewinds == state_view_rewinds(data);
        bool proven = !view->proven || view->evidence_seq <= state_view_applied(data).seq;
        if (same && proven)
            return data;
        if (attempt == LIMIT_READ_ATTEMPTS) {
            view->proven = false;
            if (!same)
                view->applied = 0;
            return data;
        }
        state_view_end(data);
    }
}

static struct core_read_decision decide(const struct reading *reading, const struct core_read *read,
                                        uint64_t applied)
{
    struct core_freshness fresh;
    core_view_freshness(&reading->view, applied, clock_boot_ns(), &fresh);
    return core_decide_read(&reading->view, &fresh, read);
}

static void conclude(struct reading *reading, struct core_read_decision decision,
                     const struct pos *applied)
{
    if (decision.decision == CORE_SERVE) {
        struct reply_room room;
        reply_freshness(reading->call, &reading->view, applied->seq, applied, &room);
        reading->reply(reading->response, reading->call);
    } else {
        reply_fail(reading->node, reading->call, &reading->view, decision.code, decision.reason,
                   "");
    }
}

/* Ends `data`. */
static void finish_reading(struct reading *reading, struct state_view *data)
{
    state_view_end(data);
    free(reading->items);
    free(reading->list);
}

static const struct core_read_decision served = {CORE_SERVE, CANDOR_OK, CANDOR_REASON_NONE};

/* Without another question; ends `data`. */
static void answer_from(struct reading *reading, struct state_view *data)
{
    struct pos applied = state_view_applied(data);
    if (reading->fill(reading, data))
        conclude(reading, served, &applied);
    finish_reading(reading, data);
}

/* Leadership was confirmed after the read arrived, and what was committed then is applied. What is shown must be
 * committed, too (R32). */
static void serve_confirmed(struct reading *reading, struct state_view *data)
{
    bool speaks_of_it = reading->view.rewinds == state_view_rewinds(data);
    struct pos applied = state_view_applied(data);
    if (speaks_of_it && reading->view.commit >= applied.seq)
        answer_from(reading, data);
    else
        wait_for(reading, CORE_WAIT_COMMIT, applied, data);
}

static void serve_or_refuse(struct reading *reading, const struct core_read *read,
                            struct core_read_decision decision, struct state_view *data)
{
    struct pos applied = state_view_applied(data);
    bool answer = true;
    if (decision.decision == CORE_SERVE) {
        answer = reading->fill(reading, data);
        /* Once more, since reading took time and a bound grows. */
        decision = decide(reading, read, applied.seq);
    }
    if (answer)
        conclude(reading, decision, &applied);
    finish_reading(reading, data);
}

static void serve(struct reading *reading, const struct wait_ticket *waited)
{
    struct state_view *data = open_data(reading->node, &reading->view);
    struct core_read read = reading->read;
    bool linearizable = read.level == CORE_READ_LINEARIZABLE;
    bool still_true = waited != NULL && waited->rewinds == state_view_rewinds(data);
    if (linearizable && still_true) {
        serve_confirmed(reading, data);
        return;
    }
    if (still_true)
        read.token.seq = 0; /* the core said so, and nothing was taken back since */
    struct core_read_decision decision = decide(reading, &read, state_view_applied(data).seq);
    if (decision.decision != CORE_WAIT) {
        serve_or_refuse(reading, &read, decision, data);
        return;
    }
    state_view_end(data);
    wait_for(reading, linearizable ? CORE_WAIT_LINEARIZABLE : CORE_WAIT_SESSION, read.token, NULL);
}

/* ---- Requests ----------------------------------------------------------------------------------------------------- */

bool kv_check_key(struct node *node, struct rpc_call *call, const char *field,
                  ProtobufCBinaryData key)
{
    if (key.len >= 1 && key.len <= LIMIT_KEY_BYTES)
        return true;
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(text, sizeof text, "%s: %zu bytes; a key has 1 to %d", field, key.len,
             LIMIT_KEY_BYTES);
    if (key.len == 0)
        reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, text);
    else
        reply_fail_now(node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE, text);
    return false;
}

static enum candor_code read_options(const Candor__V1__ReadOptions *options, struct core_read *out,
                                     struct candor_error *err)
{
    *out = (struct core_read){.level = CORE_READ_EVENTUAL};
    if (options == NULL)
        return CANDOR_OK;
    switch (options->level) {
    case CANDOR__V1__READ_LEVEL__READ_LEVEL_DEFAULT:
    case CANDOR__V1__READ_LEVEL__READ_LEVEL_EVENTUAL:
        break;
    case CANDOR__V1__READ_LEVEL__READ_LEVEL_BOUNDED:
        out->level = CORE_READ_BOUNDED;
        break;
    case CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION:
        out->level = CORE_READ_SESSION;
        break;
    case CANDOR__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE:
        out->level = CORE_READ_LINEARIZABLE;
        break;
    default:
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "options.level: unknown value %d", (int)options->level);
    }
    out->max_staleness_ms = options->max_staleness_ms;
    out->allow_syncing = options->allow_syncing;
    return wire_read_token(options->token, &out->token, &out->token_cluster_id, err);
}

/* Checks what all reads have in common. False: the call was failed. */
static bool begin(struct reading *reading, Candor__V1__KV_Service *service, struct rpc_call *call,
                  const Candor__V1__ReadOptions *options)
{
    reading->node = ((struct kv_service *)service)->node;
    reading->call = call;
    reading->items = NULL;
    reading->list = NULL;
    reading->item_count = reading->item_capacity = reading->item_bytes = 0;
    if (!reply_check_hops(reading->node, call))
        return false;
    struct candor_error err = {0};
    if (read_options(options, &reading->read, &err) != CANDOR_OK) {
        reply_fail_now(reading->node, call, err.code, err.reason, err.message);
        return false;
    }
    return true;
}

static void fill_item(Candor__V1__KeyValue *item, const struct state_item *from)
{
    candor__v1__key_value__init(item);
    item->key = slice_binary(from->key);
    item->value = slice_binary(from->value);
    item->found = true;
    item->mod_seq = from->mod_seq;
    item->version = from->version;
}

static void fill_missing(Candor__V1__KeyValue *item, ProtobufCBinaryData key)
{
    candor__v1__key_value__init(item);
    item->key = key;
}

/* ---- Get ------------------------------------------------------------------------------------------------------------ */

static bool fill_get(struct reading *reading, const struct state_view *data)
{
    const Candor__V1__GetRequest *request = (const Candor__V1__GetRequest *)reading->request;
    struct state_item item;
    candor__v1__get_response__init(&reading->get);
    if (state_get(data, binary_slice(request->key), &item))
        fill_item(&reading->item, &item);
    else
        fill_missing(&reading->item, request->key);
    reading->get.item = &reading->item;
    reading->response = &reading->get.base;
    return true;
}

void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
            Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct reading reading;
    reading.reply = (ProtobufCClosure)closure;
    reading.request = &request->base;
    reading.fill = fill_get;
    if (begin(&reading, service, closure_data, request->options) &&
        kv_check_key(reading.node, closure_data, "key", request->key))
        serve(&reading, NULL);
}

/* ---- MultiGet ---------------------------------------------------------------------------------------------------------- */

static bool fail_too_large(struct reading *reading, const char *field, size_t most)
{
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(text, sizeof text, "%s: the answer would be larger than limits.message, %zu bytes",
             field, most);
    reply_fail(reading->node, reading->call, &reading->view, CANDOR_RESOURCE_EXHAUSTED,
               CANDOR_REASON_TOO_LARGE, text);
    return false;
}

static bool fill_multi_get(struct reading *reading, const struct state_view *data)
{
    const Candor__V1__MultiGetRequest *request =
        (const Candor__V1__MultiGetRequest *)reading->request;
    size_t count = request->n_keys;
    size_t most_bytes = reading->node->topology->limit_message_bytes;
    reading->items = memory_alloc((count + 1) * sizeof *reading->items);
    reading->list = memory_alloc((count + 1) * sizeof *reading->list);
    for (size_t i = 0; i < count; i++) {
        struct state_item item;
        reading->list[i] = &reading->items[i];
        if (state_get(data, binary_slice(request->keys[i]), &item))
            fill_item(&reading->items[i], &item);
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

static bool check_keys(struct reading *reading, const Candor__V1__MultiGetRequest *request)
{
    char field[64];
    if (request->n_keys > LIMIT_BATCH_OPS) {
        snprintf(field, sizeof field, "keys: %zu; the limit is %d", request->n_keys,
                 LIMIT_BATCH_OPS);
        reply_fail_now(reading->node, reading->call, CANDOR_RESOURCE_EXHAUSTED,
                       CANDOR_REASON_TOO_LARGE, field);
        return false;
    }
    for (size_t i = 0; i < request->n_keys; i++) {
        size_t length = request->keys[i].len;
        if (length >= 1 && length <= LIMIT_KEY_BYTES)
            continue;
        snprintf(field, sizeof field, "keys[%zu]", i);
        return kv_check_key(reading->node, reading->call, field, request->keys[i]);
    }
    return true;
}

void kv_multi_get(Candor__V1__KV_Service *service, const Candor__V1__MultiGetRequest *request,
                  Candor__V1__MultiGetResponse_Closure closure, void *closure_data)
{
    struct reading reading;
    reading.reply = (ProtobufCClosure)closure;
    reading.request = &request->base;
    reading.fill = fill_multi_get;
    if (begin(&reading, service, closure_data, request->options) && check_keys(&reading, request))
        serve(&reading, NULL);
}

/* ---- Scan ---------------------------------------------------------------------------------------------------------------- */

struct bound {
    uint8_t bytes[LIMIT_KEY_BYTES + 1];
    size_t length;
};

static struct slice bound_slice(const struct bound *bound)
{
    return slice_of(bound->bytes, bound->length);
}

/* The first bytes that every key with prefix `key` is below; false: there are none, it is all 0xff. */
static bool after_prefix(struct slice key, struct bound *out)
{
    memcpy(out->bytes, key.bytes, key.length);
    out->length = key.length;
    while (out->length > 0 && out->bytes[out->length - 1] == 0xff)
        out->length--;
    if (out->length == 0)
        return false;
    out->bytes[out->length - 1]++;
    return true;
}

/* The first possible key beyond `key`; false: there is none. */
static bool after_key(struct slice key, struct bound *out)
{
    if (key.length == LIMIT_KEY_BYTES)
        return after_prefix(key, out);
    memcpy(out->bytes, key.bytes, key.length);
    out->bytes[key.length] = 0;
    out->length = key.length + 1;
    return true;
}

/* The request's range, in its own direction, as an ascending [start, end). False: it is empty. */
static bool scan_range(const Candor__V1__ScanRequest *request, struct state_scan *scan,
                       struct bound *low, struct bound *high)
{
    *scan = (struct state_scan){.after = binary_slice(request->after), .reverse = request->reverse};
    if (request->prefix.len > 0) {
        scan->start = binary_slice(request->prefix);
        if (after_prefix(scan->start, high))
            scan->end = bound_slice(high);
        return true;
    }
    if (!request->reverse) {
        scan->start = binary_slice(request->start);
        scan->end = binary_slice(request->end);
        return true;
    }
    if (request->end.len > 0) { /* the first key not wanted, going down */
        if (!after_key(binary_slice(request->end), low))
            return false;
        scan->start = bound_slice(low);
    }
    if (request->start.len > 0 && after_key(binary_slice(request->start), high))
        scan->end = bound_slice(high);
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
    if (reading->item_count == reading->item_capacity) {
        reading->item_capacity = reading->item_capacity == 0 ? 64 : reading->item_capacity * 2;
        reading->items =
            memory_resize(reading->items, reading->item_capacity, sizeof *reading->items);
    }
    Candor__V1__KeyValue *to = &reading->items[reading->item_count++];
    fill_item(to, item);
    if (request->keys_only)
        to->value = (ProtobufCBinaryData){0};
    reading->item_bytes += bytes;
    return true;
}

static bool fill_scan(struct reading *reading, const struct state_view *data)
{
    const Candor__V1__ScanRequest *request = (const Candor__V1__ScanRequest *)reading->request;
    struct state_scan scan;
    struct bound low;
    struct bound high;
    candor__v1__scan_response__init(&reading->scan);
    if (scan_range(request, &scan, &low, &high))
        state_scan(data, &scan, add_item, reading);
    reading->list = memory_alloc((reading->item_count + 1) * sizeof *reading->list);
    for (size_t i = 0; i < reading->item_count; i++)
        reading->list[i] = &reading->items[i];
    reading->scan.n_items = reading->item_count;
    reading->scan.items = reading->list;
    reading->response = &reading->scan.base;
    return true;
}

static bool check_range(struct reading *reading, const Candor__V1__ScanRequest *request)
{
    if (request->prefix.len > 0 && (request->start.len > 0 || request->end.len > 0)) {
        reply_fail_now(reading->node, reading->call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
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
            return kv_check_key(reading->node, reading->call, keys[i].field, keys[i].key);
    return true;
}

void kv_scan(Candor__V1__KV_Service *service, const Candor__V1__ScanRequest *request,
             Candor__V1__ScanResponse_Closure closure, void *closure_data)
{
    struct reading reading;
    reading.reply = (ProtobufCClosure)closure;
    reading.request = &request->base;
    reading.fill = fill_scan;
    if (begin(&reading, service, closure_data, request->options) && check_range(&reading, request))
        serve(&reading, NULL);
}
