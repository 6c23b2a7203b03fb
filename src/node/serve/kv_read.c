/* Reads: taken up on NNG's threads, served by the pool of readers straight from a state view, by the read contract
 * (docs/consistency.md); single keys at once, by at most half of NNG's threads. A page of the state that must come from
 * the disk thus never keeps a heartbeat waiting.
 *
 * The state is opened first and the core's view copied after it, so that a view speaks of data that are at least
 * as new as it says. What waits keeps nothing open, but for a short time what was read (LIMIT_READ_HOLD_MS). */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

struct reading;

/* One read, from its request to its reply; in its call's arena. */
struct read_call {
    struct ticket ticket; /* of what it waits for */
    struct job job;
    const ProtobufCMessage *request;
    struct core_read read;
    /* Fills `response` from the data. False: the call was failed. */
    bool (*fill)(struct reading *reading, struct state_view *data);
    /* The core said that the wait for a session or for confirmed leadership is over ... */
    bool waited;
    /* ... when its rewinds were these. */
    uint64_t rewinds;
    /* COMMIT: what was read, kept open for a moment; else NULL. */
    struct state_view *data;
};

/* What a reader has in hand while it serves one. */
struct reading {
    struct read_call *of;
    struct node *node;
    struct rpc_call *call;
    const ProtobufCMessage *request;
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
    bool no_memory;
};

static void serve(struct reading *reading);
static void answer_from(struct reading *reading, struct state_view *data);

static struct read_call *read_of_job(struct job *job)
{
    return (struct read_call *)((uint8_t *)job - offsetof(struct read_call, job));
}

/* ---- Readers ---------------------------------------------------------------------------------------------------- */

static void reading_begin(struct reading *reading, struct read_call *of)
{
    reading->of = of;
    reading->node = of->ticket.node;
    reading->call = of->ticket.call;
    reading->request = of->request;
    reading->items = NULL;
    reading->list = NULL;
    reading->item_count = reading->item_capacity = reading->item_bytes = 0;
    reading->no_memory = false;
}

/* What was kept open; NULL: nothing. The caller ends it. */
static struct state_view *take_data(struct read_call *of)
{
    struct state_view *data = of->data;
    of->data = NULL;
    if (data != NULL)
        atomic_fetch_sub(&of->ticket.node->held_views, 1);
    return data;
}

/* Nobody waits any more: the time is better spent on those who do. */
static bool came_too_late(const struct reading *reading)
{
    if (rpc_call_gone(reading->call))
        reply_fail_now(reading->node, reading->call, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                       "nobody waits for the answer any more");
    else if (clock_boot_ns() >= rpc_call_deadline_ns(reading->call))
        reply_fail_now(reading->node, reading->call, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                       "the deadline passed before a reader took it up");
    else
        return false;
    return true;
}

static void run_read(struct job *job)
{
    struct reading reading;
    reading_begin(&reading, read_of_job(job));
    struct state_view *data = take_data(reading.of);
    if (data != NULL) {
        view_read_without_peers(&reading.node->view, &reading.view);
        answer_from(&reading, data);
    } else if (!came_too_late(&reading)) {
        serve(&reading);
    }
}

/* ---- Waiting: for a session's position, for confirmed leadership, for the commit of what was read ------------- */

static void drop_data(struct read_call *of)
{
    struct state_view *data = take_data(of);
    if (data != NULL)
        state_view_end(data);
}

/* Archives are files. */
static void run_lost(struct job *job)
{
    struct read_call *of = read_of_job(job);
    lost_reply(&of->ticket, of->ticket.event.core.wait.token.pos);
}

static void wait_until(struct read_call *of, enum core_wait kind, struct token token,
                       uint64_t deadline_ns)
{
    struct core_event *event = &of->ticket.event.core;
    event->type = CORE_EVENT_WAIT;
    event->wait.kind = kind;
    event->wait.token = token;
    event->wait.deadline_ns = deadline_ns;
    if (ticket_push(&of->ticket))
        return;
    drop_data(of);
    reply_fail_busy(of->ticket.node, of->ticket.call);
}

static void wait_for(const struct reading *reading, enum core_wait kind, struct token token)
{
    wait_until(reading->of, kind, token, reply_deadline_ns(reading->call));
}

/* What was read is kept open for a moment only, and by few: the pages that it holds cannot be used again meanwhile, and
 * views are counted. */
static void wait_for_commit(const struct reading *reading, struct pos pos, struct state_view *data)
{
    struct node *node = reading->node;
    uint64_t until_ns = reply_deadline_ns(reading->call);
    if (atomic_fetch_add(&node->held_views, 1) < LIMIT_READ_HOLDS) {
        reading->of->data = data;
        until_ns = min_u64(until_ns, clock_boot_ns() + LIMIT_READ_HOLD_MS * NS_PER_MS);
    } else {
        atomic_fetch_sub(&node->held_views, 1);
        state_view_end(data);
    }
    wait_until(reading->of, CORE_WAIT_COMMIT, (struct token){pos, 0}, until_ns);
}

/* Not committed within that moment: goes on waiting without the data, and reads again afterwards. Committed by then is
 * at least what was read now, so each attempt asks for no more than the one before has reached; the deadline ends it. */
static bool wait_on_without_data(struct read_call *of, const struct outcome *outcome)
{
    const struct core_event *event = &of->ticket.event.core;
    uint64_t deadline_ns = reply_deadline_ns(of->ticket.call);
    bool held = of->data != NULL && outcome->reason == CANDOR_REASON_NO_MAJORITY;
    if (!held || clock_boot_ns() >= deadline_ns)
        return false;
    drop_data(of);
    wait_until(of, CORE_WAIT_COMMIT, event->wait.token, deadline_ns);
    return true;
}

/* On the node thread. */
static void wait_finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct read_call *of = (struct read_call *)ticket;
    struct node *node = ticket->node;
    if (wait_on_without_data(of, outcome))
        return;
    if (outcome->code != CANDOR_OK) {
        drop_data(of);
        of->job.run = run_lost;
        if (outcome->reason != CANDOR_REASON_SESSION_LOST || !pool_push(&node->slow, &of->job))
            reply_outcome_failed(ticket, outcome);
        return;
    }
    if (ticket->event.core.wait.kind != CORE_WAIT_COMMIT) {
        struct core_view view;
        view_read_without_peers(&node->view, &view);
        of->waited = true;
        of->rewinds = view.rewinds;
    }
    /* Taken already: the core bounds how many wait. */
    if (pool_push_always(&node->readers, &of->job))
        return;
    drop_data(of);
    reply_fail_busy(node, ticket->call);
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
        reading->of->ticket.reply(reading->response, reading->call);
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

/* Fills the response. False: the call was failed, by `fill` or because what is stored is not what was put there. */
static bool read_data(struct reading *reading, struct state_view *data)
{
    struct candor_error err = {0};
    if (!reading->of->fill(reading, data))
        return false;
    if (state_view_check(data, &err) == CANDOR_OK)
        return true;
    reply_fail_now(reading->node, reading->call, err.code, err.reason, err.message);
    node_state_failed(reading->node, &err);
    return false;
}

static const struct core_read_decision served = {CORE_SERVE, CANDOR_OK, CANDOR_REASON_NONE};

/* Without another question; ends `data`. */
static void answer_from(struct reading *reading, struct state_view *data)
{
    struct pos applied = state_view_applied(data);
    if (read_data(reading, data))
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
        wait_for_commit(reading, applied, data);
}

static void serve_or_refuse(struct reading *reading, const struct core_read *read,
                            struct core_read_decision decision, struct state_view *data)
{
    struct pos applied = state_view_applied(data);
    bool answer = true;
    if (decision.decision == CORE_SERVE) {
        answer = read_data(reading, data);
        /* Once more, since reading took time and a bound grows. */
        decision = decide(reading, read, applied.seq);
    }
    if (answer)
        conclude(reading, decision, &applied);
    finish_reading(reading, data);
}

static void serve(struct reading *reading)
{
    const struct read_call *of = reading->of;
    struct state_view *data = open_data(reading->node, &reading->view);
    struct core_read read = of->read;
    bool linearizable = read.level == CORE_READ_LINEARIZABLE;
    bool still_true = of->waited && of->rewinds == state_view_rewinds(data);
    if (linearizable && still_true) {
        serve_confirmed(reading, data);
        return;
    }
    if (still_true)
        read.token.pos.seq = 0; /* the core said so, and nothing was taken back since */
    struct core_read_decision decision = decide(reading, &read, state_view_applied(data).seq);
    if (decision.decision != CORE_WAIT) {
        serve_or_refuse(reading, &read, decision, data);
        return;
    }
    state_view_end(data);
    wait_for(reading, linearizable ? CORE_WAIT_LINEARIZABLE : CORE_WAIT_SESSION, read.token);
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

/* Checks what all reads have in common. NULL: the call was failed. */
static struct read_call *read_new(Candor__V1__KV_Service *service, struct rpc_call *call,
                                  ProtobufCClosure reply, const ProtobufCMessage *request,
                                  const Candor__V1__ReadOptions *options)
{
    struct node *node = ((struct kv_service *)service)->node;
    struct candor_error err = {0};
    struct core_read read;
    if (!reply_check_hops(node, call))
        return NULL;
    if (read_options(options, &read, &err) != CANDOR_OK) {
        reply_fail_now(node, call, err.code, err.reason, err.message);
        return NULL;
    }
    struct read_call *of = ticket_new(node, call, reply, sizeof *of);
    if (of == NULL) {
        reply_fail_busy(node, call);
        return NULL;
    }
    of->ticket.finished = wait_finished;
    of->ticket.cancellable = true;
    of->request = request;
    of->read = read;
    return of;
}

/* Hands it to a reader: NNG's thread goes back to its sockets. */
static void submit(struct read_call *of,
                   bool (*fill)(struct reading *reading, struct state_view *data))
{
    struct node *node = of->ticket.node;
    of->fill = fill;
    of->job.run = run_read;
    if (!pool_push(&node->readers, &of->job))
        reply_fail_busy(node, of->ticket.call);
}

/* A lookup of one key is served at once, on NNG's thread, while less than half of NNG's threads do so: a wake-up costs
 * more than it. Should all of these wait for pages from the disk, the other half still takes heartbeats, and further
 * reads go to the readers. */
static void submit_short(struct read_call *of,
                         bool (*fill)(struct reading *reading, struct state_view *data))
{
    struct node *node = of->ticket.node;
    if (atomic_fetch_add(&node->short_reads, 1) < node->short_read_limit) {
        of->fill = fill;
        of->job.run = run_read;
        run_read(&of->job); /* may end `of` */
    } else {
        submit(of, fill);
    }
    atomic_fetch_sub(&node->short_reads, 1);
}

/* One call less; the node goes on. The client may ask again. */
static bool fail_without_memory(struct reading *reading)
{
    reply_fail(reading->node, reading->call, &reading->view, CANDOR_RESOURCE_EXHAUSTED,
               CANDOR_REASON_OVERLOADED, "there is no memory for the answer");
    return false;
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

static bool fill_get(struct reading *reading, struct state_view *data)
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
    struct read_call *of = read_new(service, closure_data, (ProtobufCClosure)closure,
                                    &request->base, request->options);
    if (of != NULL && kv_check_key(of->ticket.node, closure_data, "key", request->key))
        submit_short(of, fill_get);
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

static bool fill_multi_get(struct reading *reading, struct state_view *data)
{
    const Candor__V1__MultiGetRequest *request =
        (const Candor__V1__MultiGetRequest *)reading->request;
    size_t count = request->n_keys;
    size_t most_bytes = reading->node->topology->limit_message_bytes;
    reading->items = malloc((count + 1) * sizeof *reading->items);
    reading->list = malloc((count + 1) * sizeof *reading->list);
    if (reading->items == NULL || reading->list == NULL)
        return fail_without_memory(reading);
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
    struct read_call *of = read_new(service, closure_data, (ProtobufCClosure)closure,
                                    &request->base, request->options);
    if (of != NULL && check_keys(of->ticket.node, closure_data, request))
        submit(of, fill_multi_get);
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

/* Room for one more. */
static bool grow_items(struct reading *reading)
{
    if (reading->item_count < reading->item_capacity)
        return true;
    size_t capacity = reading->item_capacity == 0 ? 64 : reading->item_capacity * 2;
    Candor__V1__KeyValue *items = realloc(reading->items, capacity * sizeof *items);
    if (items == NULL)
        return false;
    reading->items = items;
    reading->item_capacity = capacity;
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
    if (!grow_items(reading)) {
        reading->no_memory = true;
        return false;
    }
    Candor__V1__KeyValue *to = &reading->items[reading->item_count++];
    fill_item(to, item);
    if (request->keys_only)
        to->value = (ProtobufCBinaryData){0};
    reading->item_bytes += bytes;
    return true;
}

static bool fill_scan(struct reading *reading, struct state_view *data)
{
    const Candor__V1__ScanRequest *request = (const Candor__V1__ScanRequest *)reading->request;
    struct state_scan scan;
    struct bound low;
    struct bound high;
    candor__v1__scan_response__init(&reading->scan);
    if (scan_range(request, &scan, &low, &high))
        state_scan(data, &scan, add_item, reading);
    reading->list = malloc((reading->item_count + 1) * sizeof *reading->list);
    if (reading->no_memory || reading->list == NULL)
        return fail_without_memory(reading);
    for (size_t i = 0; i < reading->item_count; i++)
        reading->list[i] = &reading->items[i];
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
    struct read_call *of = read_new(service, closure_data, (ProtobufCClosure)closure,
                                    &request->base, request->options);
    if (of != NULL && check_range(of->ticket.node, closure_data, request))
        submit(of, fill_scan);
}
