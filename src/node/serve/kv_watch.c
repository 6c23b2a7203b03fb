/* Watch: what has happened in a range of keys, or the wait for it (R41). It is a SESSION read of
 * its cursor's position, whose answer comes from the log, and at first from the state. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "log/log.h"
#include "node/serve/key_range.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/kv_read.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/serve/watch_lost.h"
#include "node/serve/watch_page.h"
#include "node/serve/watch_token.h"
#include "node/serve/watchers.h"
#include "node/shared/bytes.h"
#include "node/shared/node_state.h"
#include "rpc/rpc.h"
#include "state/state.h"
#include "topology/topology.h"
#include "wire/wire.h"

/* One watch, from its request to its answer; in its call's arena. */
struct watch_call {
    struct read_call read; /* first */
    struct watcher watcher;
    struct key_bound end;
    uint64_t asked_seq; /* of the request's cursor */
    /* Half of its time: where thousands read the log its next turn may come too late to tell where
     * it has come to. */
    uint64_t scan_until_ns;
    bool begun;               /* `watcher.seen` is where it goes on */
    bool in_state;            /* the present state is being told ... */
    struct slice state_after; /* ... up to this key */
};

/* What an answer points to; malloc'd. */
struct watch_answer {
    struct watch_page page;
    Candor__V1__WatchResponse response;
    Candor__V1__WatchCursor next;
    struct candor_token seen;
    struct wire_token token;
    uint64_t seq;    /* of the newest record that was looked at */
    bool state_told; /* to its end */
    bool state_looked_at;
};

static struct watch_call *watch_of_reading(const struct reading *reading)
{
    return (struct watch_call *)reading->of;
}

static const Candor__V1__WatchRequest *request_of(const struct watch_call *watch)
{
    return (const Candor__V1__WatchRequest *)watch->read.request;
}

static struct watch_call *watch_of_watcher(struct watcher *watcher)
{
    return (struct watch_call *)((uint8_t *)watcher - offsetof(struct watch_call, watcher));
}

/* ---- Going on -------------------------------------------------------------------------------- */

static void go_on(struct watch_call *watch)
{
    watch->read.read.token = watch->watcher.seen;
    watch->read.next = NULL;
    kv_reads_again(&watch->read);
}

static void woken(struct node *node, struct watcher *first)
{
    (void)node;
    struct read_call *list = NULL;
    struct watcher *next;
    for (struct watcher *watcher = first; watcher != NULL; watcher = next) {
        struct watch_call *watch = watch_of_watcher(watcher);
        next = watcher->next;
        watch->read.read.token = watcher->seen;
        watch->read.next = list;
        list = &watch->read;
    }
    kv_reads_again(list);
}

static void caller_gone(struct ticket *ticket)
{
    struct watch_call *watch = (struct watch_call *)ticket;
    watchers_gone(ticket->node, &watch->watcher);
}

/* Nothing has happened: the call waits for it, or its time is over. True: it is to be answered. */
static bool wait_or_answer(struct reading *reading, struct state_view *data)
{
    struct watch_call *watch = watch_of_reading(reading);
    struct node *node = reading->node;
    if (clock_boot_ns() >= watch->watcher.until_ns)
        return true;
    watch->watcher.rewinds = state_view_rewinds(data);
    ticket_watch_caller(&watch->read.ticket);
    switch (watchers_wait(node, &watch->watcher)) {
    case WATCHERS_WAITS:
        break;
    case WATCHERS_GO_ON:
        go_on(watch);
        break;
    case WATCHERS_REFUSE: /* what was looked at is not looked at again */
        if (watch->watcher.seen.pos.seq > watch->asked_seq)
            return true;
        reply_fail_busy(node, reading->call);
        break;
    }
    return false;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static void free_answer(void *closure)
{
    struct watch_answer *answer = closure;
    watch_page_free(&answer->page);
    free(answer);
}

/* NULL: no memory, and the call was failed. */
static struct watch_answer *new_answer(struct reading *reading)
{
    const Candor__V1__WatchRequest *request = request_of(watch_of_reading(reading));
    struct watch_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        kv_read_fail_without_memory(reading);
        return NULL;
    }
    reading->answer = answer;
    reading->free_answer = free_answer;
    answer->page.most_bytes =
        (size_t)min_u64(LIMIT_WATCH_BYTES, reading->node->topology->limit_message_bytes / 2);
    answer->page.most_records = request->limit == 0
                                    ? LIMIT_WATCH_RECORDS
                                    : (size_t)min_u64(request->limit, LIMIT_WATCH_RECORDS);
    candor__v1__watch_response__init(&answer->response);
    return answer;
}

static void fill_next(const struct watch_call *watch, struct watch_answer *answer)
{
    candor__v1__watch_cursor__init(&answer->next);
    answer->seen = watch->watcher.seen;
    answer->next.token = wire_token(&answer->seen, &answer->token);
    answer->next.in_state = watch->in_state;
    if (watch->in_state)
        answer->next.state_after = slice_binary(watch->state_after);
    answer->response.next = &answer->next;
}

static bool respond(struct reading *reading, struct watch_answer *answer)
{
    Candor__V1__WatchResponse *response = &answer->response;
    if (!watch_page_fill(&answer->page, &response->n_records, &response->records))
        return kv_read_fail_without_memory(reading);
    if (reading->item_count > 0) {
        response->state = kv_read_list_items(reading);
        response->n_state = reading->item_count;
        if (response->state == NULL)
            return kv_read_fail_without_memory(reading);
    }
    fill_next(watch_of_reading(reading), answer);
    reading->response = &response->base;
    return true;
}

/* The log begins behind the cursor. A replica that took a snapshot has a short one: the primary may
 * reach further. */
static bool fail_compacted(struct reading *reading, struct watch_answer *answer)
{
    struct reply_room room;
    const struct core_view *view = &reading->view;
    if (view->role != CANDOR_ROLE_PRIMARY) {
        reply_fail(reading->node, reading->call, view, CANDOR_FAILED_PRECONDITION,
                   CANDOR_REASON_COMPACTED, "");
        return false;
    }
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    answer->response.first_seq = log_first(reading->node->log);
    snprintf(text, sizeof text,
             "from: the log begins at %" PRIu64 " now: watch anew, with the present state first",
             answer->response.first_seq);
    rpc_call_reply(reading->call)->code = CANDOR__V1__CODE__CODE_OUT_OF_RANGE;
    rpc_call_reply(reading->call)->reason = CANDOR__V1__REASON__REASON_COMPACTED;
    rpc_call_reply(reading->call)->message = rpc_call_string(reading->call, text);
    reply_freshness(reading->call, view, view->applied, &(struct candor_pos){0}, &room);
    reading->of->ticket.reply(&answer->response.base, reading->call);
    return false;
}

/* ---- Reading the log ------------------------------------------------------------------------- */

static bool fail_reading(struct reading *reading, struct watch_answer *answer,
                         const struct candor_error *err)
{
    if (err->code == CANDOR_OUT_OF_RANGE && answer->seq + 1 < log_first(reading->node->log))
        return fail_compacted(reading, answer);
    if (err->code == CANDOR_OUT_OF_RANGE) { /* taken back meanwhile */
        reply_fail(reading->node, reading->call, &reading->view, CANDOR_FAILED_PRECONDITION,
                   CANDOR_REASON_SYNCING, "");
        return false;
    }
    reply_fail(reading->node, reading->call, &reading->view, CANDOR_UNAVAILABLE,
               CANDOR_REASON_STATE_DAMAGED, err->message);
    return false;
}

/* What was read is what the data's log holds: nothing was taken back since they were opened. */
static bool still_the_same(const struct reading *reading, struct state_view *data)
{
    struct state_view *now = state_view_begin(reading->node->state);
    bool same = state_view_rewinds(now) == state_view_rewinds(data);
    state_view_end(now);
    return same;
}

/* Up to `upto`, until something was found, or its turn is over. False: the call was failed. */
static bool read_log(struct reading *reading, struct state_view *data, struct watch_answer *answer,
                     uint64_t upto)
{
    const struct watch_call *watch = watch_of_reading(reading);
    const Candor__V1__WatchRequest *request = request_of(watch);
    struct watch_filter filter = {&watch->watcher.range, request->no_puts, request->no_deletes,
                                  watch->in_state ? &watch->state_after : NULL};
    struct watch_page *page = &answer->page;
    uint64_t until_ns = clock_boot_ns() + LIMIT_BUNDLE_SLICE_US * 1000;
    struct candor_error err = {0};
    while (answer->seq < upto && !page->full && !page->no_memory &&
           page->bytes < page->most_bytes && clock_boot_ns() < until_ns)
        if (watch_page_read(page, reading->node->log, &filter, &answer->seq, upto, &err) !=
            CANDOR_OK)
            return fail_reading(reading, answer, &err);
    if (page->no_memory && page->record_count == 0)
        return kv_read_fail_without_memory(reading);
    if (still_the_same(reading, data))
        return true;
    reply_fail(reading->node, reading->call, &reading->view, CANDOR_FAILED_PRECONDITION,
               CANDOR_REASON_SYNCING, "");
    return false;
}

/* ---- The present state ----------------------------------------------------------------------- */

static bool add_item(const struct state_item *item, void *closure)
{
    struct reading *reading = closure;
    struct watch_answer *answer = reading->answer;
    struct watch_page *page = &answer->page;
    size_t bytes = item->key.length + item->value.length + 32;
    size_t count = page->record_count + reading->item_count;
    bool full = count >= page->most_records ||
                (count > 0 && page->bytes + reading->item_bytes + bytes > page->most_bytes);
    answer->state_told = false;
    if (full || !kv_read_has_room(reading))
        return false;
    kv_read_fill_item(reading, &reading->items[reading->item_count++], item);
    reading->item_bytes += bytes;
    answer->state_told = true;
    return true;
}

/* Behind what has happened to the keys that were told already. False: the call was failed. */
static bool read_state(struct reading *reading, struct state_view *data,
                       struct watch_answer *answer)
{
    struct watch_call *watch = watch_of_reading(reading);
    const struct state_scan scan = {.start = watch->watcher.range.start,
                                    .end = watch->watcher.range.end,
                                    .after = watch->state_after};
    answer->state_looked_at = true;
    answer->state_told = true;
    state_scan(data, &scan, add_item, reading);
    if (reading->no_memory && reading->item_count == 0)
        return kv_read_fail_without_memory(reading);
    if (reading->item_count > 0) /* valid as the data are: until it is packed */
        watch->state_after = binary_slice(reading->items[reading->item_count - 1].key);
    if (answer->state_told)
        watch->in_state = false;
    return true;
}

/* ---- One look -------------------------------------------------------------------------------- */

/* Without a cursor: where the watch begins. False: the call was failed. */
static bool begin(struct reading *reading, struct state_view *data, uint64_t upto)
{
    struct watch_call *watch = watch_of_reading(reading);
    uint64_t since = request_of(watch)->since_seq;
    watch->begun = true;
    if (since > upto + 1) {
        char text[CANDOR_ERROR_MESSAGE_BYTES];
        snprintf(text, sizeof text, "since_seq: the newest record that may be told is %" PRIu64,
                 upto);
        reply_fail(reading->node, reading->call, &reading->view, CANDOR_OUT_OF_RANGE,
                   CANDOR_REASON_NONE, text);
        return false;
    }
    watch->watcher.seen = watch_token_at(&reading->view, data, since > 0 ? since - 1 : upto);
    return true;
}

static bool look(struct reading *reading, struct state_view *data, struct watch_answer *answer,
                 uint64_t upto)
{
    struct watch_call *watch = watch_of_reading(reading);
    if (!read_log(reading, data, answer, upto))
        return false;
    bool all = answer->seq >= upto;
    if (watch->in_state && all && !read_state(reading, data, answer))
        return false;
    if (answer->seq > watch->watcher.seen.pos.seq)
        watch->watcher.seen = watch_token_at(&reading->view, data, answer->seq);
    if (answer->page.record_count > 0 || answer->state_looked_at)
        return respond(reading, answer);
    bool may_go_on =
        clock_boot_ns() < watch->scan_until_ns && !atomic_load(&reading->node->stopping);
    if (!all && !may_go_on)
        return respond(reading, answer);
    if (!all) { /* others have their turn */
        go_on(watch);
        return false;
    }
    return wait_or_answer(reading, data) && respond(reading, answer);
}

static bool fill_watch(struct reading *reading, struct state_view *data)
{
    struct watch_call *watch = watch_of_reading(reading);
    const Candor__V1__WatchRequest *request = request_of(watch);
    uint64_t applied = state_view_applied(data).seq;
    uint64_t upto = core_view_watch_upto(&reading->view, applied, request->uncommitted);
    if (watch->in_state) /* all of it is committed: it has waited for that */
        upto = applied;
    bool from_now = !watch->begun && request->since_seq == 0 && !watch->in_state;
    struct watch_answer *answer = new_answer(reading);
    if (answer == NULL || (!watch->begun && !begin(reading, data, upto)))
        return false;
    if (from_now)
        return respond(reading, answer);
    answer->seq = watch->watcher.seen.pos.seq;
    uint64_t committed;
    if (core_decide_watch(&reading->view, applied, answer->seq, request->uncommitted, &committed) ==
        CORE_WATCH_COMPACTED)
        return fail_compacted(reading, answer);
    return look(reading, data, answer, upto);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static bool check_request(struct node *node, struct rpc_call *call,
                          const Candor__V1__WatchRequest *request)
{
    int ranges = (request->key.len > 0) + (request->prefix.len > 0) +
                 (request->start.len > 0 || request->end.len > 0);
    const char *wrong = NULL;
    if (ranges > 1)
        wrong = "key, prefix, start and end: at most one of key, prefix, and a range";
    else if (request->from != NULL && (request->since_seq != 0 || request->with_state))
        wrong = "from: excludes since_seq and with_state";
    else if (request->since_seq != 0 && request->with_state)
        wrong = "since_seq: excludes with_state";
    else if (request->no_puts && request->no_deletes)
        wrong = "no_puts, no_deletes: with both nothing is left to watch";
    if (wrong != NULL) {
        reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, wrong);
        return false;
    }
    const struct {
        const char *field;
        ProtobufCBinaryData key;
    } keys[] = {{"key", request->key},
                {"prefix", request->prefix},
                {"start", request->start},
                {"end", request->end},
                {"from.state_after",
                 request->from == NULL ? (ProtobufCBinaryData){0} : request->from->state_after}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].key.len > LIMIT_KEY_BYTES)
            return kv_check_key(node, call, keys[i].field, keys[i].key);
    return true;
}

static void set_range(struct watch_call *watch, const Candor__V1__WatchRequest *request)
{
    struct interval *range = &watch->watcher.range;
    if (request->key.len > 0) {
        range->start = binary_slice(request->key);
        if (key_after(range->start, &watch->end))
            range->end = key_bound_slice(&watch->end);
    } else if (request->prefix.len > 0) {
        range->start = binary_slice(request->prefix);
        if (key_after_prefix(range->start, &watch->end))
            range->end = key_bound_slice(&watch->end);
    } else {
        range->start = binary_slice(request->start);
        range->end = binary_slice(request->end);
    }
}

static void set_cursor(struct watch_call *watch, const Candor__V1__WatchRequest *request)
{
    watch->in_state = request->with_state;
    if (request->from != NULL) {
        watch->begun = true;
        watch->in_state = request->from->in_state;
        watch->state_after = binary_slice(request->from->state_after);
        watch->watcher.seen = watch->read.read.token;
        watch->asked_seq = watch->watcher.seen.pos.seq;
    }
    watch->read.committed = watch->in_state && !request->uncommitted;
}

static void lost(struct read_call *of)
{
    if (reply_came_too_late(of->ticket.node, of->ticket.call))
        return;
    const struct watch_call *watch = (const struct watch_call *)of;
    const Candor__V1__WatchRequest *request = request_of(watch);
    struct watch_filter filter = {&watch->watcher.range, request->no_puts, request->no_deletes,
                                  watch->in_state ? &watch->state_after : NULL};
    watch_lost_reply(&of->ticket, &filter, watch->in_state);
}

void kv_watch(Candor__V1__KV_Service *service, const Candor__V1__WatchRequest *request,
              Candor__V1__WatchResponse_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.level = CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION;
    options.token = request->from != NULL ? request->from->token : NULL;
    struct watch_call *watch = kv_read_new_of(sizeof *watch, service, call,
                                              (ProtobufCClosure)closure, &request->base, &options);
    if (watch == NULL || !check_request(watch->read.ticket.node, call, request))
        return;
    uint64_t wait_ms = request->wait_ms > 0 ? request->wait_ms : LIMIT_WATCH_WAIT_MS_DEFAULT;
    set_range(watch, request);
    set_cursor(watch, request);
    watch->watcher.uncommitted = request->uncommitted;
    watch->watcher.until_ns =
        min_u64(clock_boot_ns() + wait_ms * NS_PER_MS, reply_deadline_ns(call));
    uint64_t now_ns = clock_boot_ns();
    watch->scan_until_ns = now_ns + saturating_sub(watch->watcher.until_ns, now_ns) / 2;
    watch->watcher.woken = woken;
    watch->read.ticket.gone = caller_gone;
    watch->read.lost = lost;
    kv_read_submit(&watch->read, fill_watch);
}
