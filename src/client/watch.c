/* Watches: one long poll after the other, each from where the one before ended. */
#include <candor/watch.h>

#include <stdlib.h>

#include "base/bounded_unpack.h"
#include "base/clock.h"
#include "client/internal.h"

#define TIMEOUT_MS_DEFAULT 10000
#define TIMEOUT_MS_MAX 60000

struct candor_watch {
    struct candor_client *client;
    Candor__V1__WatchRequest request; /* `from` is `cursor` */
    uint8_t *bytes;                   /* of the range; malloc'd */
    Candor__V1__WatchCursor *cursor;  /* NULL: it has not begun */
    bool state_asked;                 /* until the present state was told */
    struct candor_result result;      /* of the newest call: the events point into it */
    struct candor_event *events;
    size_t count;
    size_t capacity;

    /* Of one that goes on by itself. */
    bool started;
    void (*told)(void *closure, const struct candor_changes *changes,
                 const struct candor_error *error, bool ended);
    void *closure;
    pthread_mutex_t lock; /* of what follows; not held while it is told */
    pthread_cond_t told_it;
    bool under_way; /* done() will come, and frees it where it is closed */
    bool telling;   /* in `told`, on `teller` */
    bool closed;
    bool closed_within; /* from `told`: whoever called that frees it */
    pthread_t teller;
};

/* ---- Opening --------------------------------------------------------------------------------- */

static enum candor_code check(const struct candor_watch_options *options, struct candor_error *err)
{
    int ranges = (options->key.length > 0) + (options->prefix.length > 0) +
                 (options->start.length > 0 || options->end.length > 0);
    int begins = (options->cursor.length > 0) + (options->since_seq > 0) + options->with_state;
    const char *wrong = NULL;
    if (ranges > 1)
        wrong = "key, prefix, start and end: at most one of key, prefix, and a range";
    else if (begins > 1)
        wrong = "cursor, since_seq and with_state: at most one of them";
    else if (options->no_puts && options->no_deletes)
        wrong = "no_puts, no_deletes: with both nothing is left to watch";
    if (wrong == NULL)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s", wrong);
}

static ProtobufCBinaryData keep(uint8_t **at, struct candor_bytes bytes)
{
    ProtobufCBinaryData kept = {bytes.length, bytes.length > 0 ? *at : NULL};
    if (bytes.length > 0)
        memcpy(*at, bytes.data, bytes.length);
    *at += bytes.length;
    return kept;
}

static bool keep_range(struct candor_watch *watch, const struct candor_watch_options *options)
{
    size_t length =
        options->key.length + options->prefix.length + options->start.length + options->end.length;
    candor__v1__watch_request__init(&watch->request);
    watch->bytes = malloc(length + 1);
    if (watch->bytes == NULL)
        return false;
    uint8_t *at = watch->bytes;
    watch->request.key = keep(&at, options->key);
    watch->request.prefix = keep(&at, options->prefix);
    watch->request.start = keep(&at, options->start);
    watch->request.end = keep(&at, options->end);
    return true;
}

static enum candor_code keep_cursor(struct candor_watch *watch, struct candor_bytes cursor,
                                    struct candor_error *err)
{
    bool no_memory = false;
    if (cursor.length == 0)
        return CANDOR_OK;
    if (cursor.length <= CANDOR_CURSOR_BYTES_MAX)
        watch->cursor = bounded_unpack(&candor__v1__watch_cursor__descriptor,
                                       slice_of(cursor.data, cursor.length), &no_memory);
    watch->request.from = watch->cursor;
    if (no_memory)
        return operation_out_of_memory(err);
    if (watch->cursor != NULL)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                            "cursor: these %zu bytes are none", cursor.length);
}

static void watch_free(struct candor_watch *watch)
{
    if (watch->cursor != NULL)
        candor__v1__watch_cursor__free_unpacked(watch->cursor, NULL);
    candor_result_free(&watch->result);
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->told_it);
    free(watch->events);
    free(watch->bytes);
    free(watch);
}

enum candor_code candor_watch_open(struct candor_client *client,
                                   const struct candor_watch_options *options,
                                   struct candor_watch **out, struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    *err = (struct candor_error){0};
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_watch(&arguments, options);
    arguments_need(&arguments, "out", out);
    if (!arguments_good(&arguments, err) || check(options, err) != CANDOR_OK)
        return err->code;
    struct candor_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || !keep_range(watch, options)) {
        free(watch);
        return operation_out_of_memory(err);
    }
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->told_it, NULL);
    watch->client = client;
    watch->request.since_seq = options->since_seq;
    watch->request.no_puts = options->no_puts;
    watch->request.no_deletes = options->no_deletes;
    watch->request.uncommitted = options->uncommitted;
    watch->request.limit = options->limit;
    watch->state_asked = options->with_state;
    if (keep_cursor(watch, options->cursor, err) != CANDOR_OK) {
        watch_free(watch);
        return err->code;
    }
    *out = watch;
    return CANDOR_OK;
}

size_t candor_watch_cursor(const struct candor_watch *watch, uint8_t out[CANDOR_CURSOR_BYTES_MAX])
{
    if (watch == NULL || out == NULL || watch->cursor == NULL ||
        candor__v1__watch_cursor__get_packed_size(watch->cursor) > CANDOR_CURSOR_BYTES_MAX)
        return 0;
    return candor__v1__watch_cursor__pack(watch->cursor, out);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static struct candor_bytes bytes_of(ProtobufCBinaryData binary)
{
    return (struct candor_bytes){binary.data, binary.len};
}

/* NULL: no memory. */
static struct candor_event *add(struct candor_watch *watch, enum candor_event_type type)
{
    if (watch->count == watch->capacity) {
        size_t capacity = watch->capacity == 0 ? 64 : 2 * watch->capacity;
        struct candor_event *events = realloc(watch->events, capacity * sizeof *events);
        if (events == NULL)
            return NULL;
        watch->events = events;
        watch->capacity = capacity;
    }
    struct candor_event *event = &watch->events[watch->count++];
    *event = (struct candor_event){.type = type};
    return event;
}

static bool add_at(struct candor_watch *watch, enum candor_event_type type, uint64_t seq)
{
    struct candor_event *event = add(watch, type);
    if (event != NULL)
        event->pos.seq = seq;
    return event != NULL;
}

static bool add_record(struct candor_watch *watch, const Candor__V1__WatchRecord *record,
                       bool taken_back)
{
    for (size_t i = 0; i < record->n_events; i++) {
        const Candor__V1__WatchEvent *from = record->events[i];
        bool put = from->type == CANDOR__V1__WATCH_EVENT_TYPE__WATCH_EVENT_TYPE_PUT;
        struct candor_event *event = add(watch, put ? CANDOR_EVENT_PUT : CANDOR_EVENT_DELETE);
        if (event == NULL)
            return false;
        convert_pos(record->pos, &event->pos);
        event->more = i + 1 < record->n_events;
        event->taken_back = taken_back;
        event->key = bytes_of(from->key);
        event->value = bytes_of(from->value);
        event->wall_ms = record->wall_ms;
        event->expired = from->expired;
        event->ttl_ms = from->ttl_ms;
    }
    return true;
}

static bool add_item(struct candor_watch *watch, const Candor__V1__KeyValue *item)
{
    struct candor_event *event = add(watch, CANDOR_EVENT_STATE);
    if (event == NULL)
        return false;
    event->pos.seq = item->mod_seq;
    event->key = bytes_of(item->key);
    event->value = bytes_of(item->value);
    event->version = item->version;
    return true;
}

static bool add_answer(struct candor_watch *watch, const Candor__V1__WatchResponse *response)
{
    bool in_state = watch->state_asked || (watch->cursor != NULL && watch->cursor->in_state);
    for (size_t i = 0; i < response->n_records; i++)
        if (!add_record(watch, response->records[i], false))
            return false;
    for (size_t i = 0; i < response->n_state; i++)
        if (!add_item(watch, response->state[i]))
            return false;
    bool ends = in_state && !response->next->in_state;
    return !ends || add_at(watch, CANDOR_EVENT_STATE_END, 0);
}

static bool add_rollback(struct candor_watch *watch, const Candor__V1__WatchRollback *rollback)
{
    if (!add_at(watch, CANDOR_EVENT_ROLLED_BACK, rollback->from_seq))
        return false;
    for (size_t i = 0; i < rollback->n_records; i++)
        if (!add_record(watch, rollback->records[i], true))
            return false;
    return true;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static uint64_t seq_of(const Candor__V1__WatchCursor *cursor)
{
    return cursor != NULL && cursor->token != NULL && cursor->token->pos != NULL
               ? cursor->token->pos->seq
               : 0;
}

/* A node that goes back, or tells what it does not know the order of, is not believed. */
static bool in_order(const struct candor_watch *watch, const Candor__V1__WatchResponse *response)
{
    uint64_t seen = seq_of(watch->cursor);
    if (response->next == NULL || seq_of(response->next) < seen)
        return false;
    for (size_t i = 0; i < response->n_records; i++) {
        const Candor__V1__Pos *pos = response->records[i]->pos;
        if (pos == NULL || pos->seq <= seen)
            return false;
        seen = pos->seq;
    }
    return seen <= seq_of(response->next);
}

/* The answer keeps its own. NULL: go on anew. False: no memory, and the watch is as before. */
static bool move_to(struct candor_watch *watch, const Candor__V1__WatchCursor *next)
{
    uint8_t packed[CANDOR_CURSOR_BYTES_MAX];
    Candor__V1__WatchCursor *cursor = NULL;
    if (next != NULL) {
        size_t length = candor__v1__watch_cursor__get_packed_size(next);
        if (length <= sizeof packed)
            cursor = candor__v1__watch_cursor__unpack(
                NULL, candor__v1__watch_cursor__pack(next, packed), packed);
        if (cursor == NULL)
            return false;
    }
    if (watch->cursor != NULL)
        candor__v1__watch_cursor__free_unpacked(watch->cursor, NULL);
    watch->cursor = watch->request.from = cursor;
    watch->request.since_seq = 0;
    return true;
}

static enum candor_code not_believed(struct candor_watch *watch, struct candor_error *err)
{
    return candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                            "node %s answers a watch out of order", watch->result.freshness.node);
}

static enum candor_code take_answer(struct candor_watch *watch, struct candor_error *err)
{
    const Candor__V1__WatchResponse *response = watch->result.memory;
    if (!in_order(watch, response))
        return not_believed(watch, err);
    if (!add_answer(watch, response) || !move_to(watch, response->next))
        return operation_out_of_memory(err);
    watch->state_asked = false;
    return CANDOR_OK;
}

/* What the program is told of, and the watch goes on from. */
static enum candor_code take_refusal(struct candor_watch *watch, struct candor_changes *out,
                                     struct candor_error *err)
{
    const Candor__V1__WatchResponse *response = watch->result.memory;
    enum candor_reason reason = watch->result.error.reason;
    bool told = false;
    if (response != NULL && reason == CANDOR_REASON_COMPACTED) {
        told = add_at(watch, CANDOR_EVENT_COMPACTED, response->first_seq) && move_to(watch, NULL);
        watch->state_asked |= told;
    } else if (response != NULL && reason == CANDOR_REASON_ROLLED_BACK &&
               response->rolled_back != NULL) {
        told = add_rollback(watch, response->rolled_back) && move_to(watch, response->next);
        watch->state_asked |= told && response->next == NULL;
        text_copy(out->archive_id, sizeof out->archive_id, response->rolled_back->archive_id);
    } else {
        *err = watch->result.error;
        return err->code;
    }
    return told ? CANDOR_OK : operation_out_of_memory(err);
}

static bool take(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    return operation_unpack(&candor__v1__watch_response__descriptor, body, result) != NULL;
}

static void begin_answer(struct candor_watch *watch, uint64_t timeout_ms)
{
    watch->count = 0;
    candor_result_free(&watch->result);
    watch->request.wait_ms = (uint32_t)min_u64(timeout_ms, TIMEOUT_MS_MAX);
    watch->request.with_state = watch->state_asked;
}

/* An attempt has half of the time: one that waits in vain leaves some for another. */
static struct call call_of(const struct candor_watch *watch)
{
    return (struct call){.method = "/candor.v1.KV/Watch",
                         .class = RPC_ALONE,
                         .deadline_ms = 2 * watch->request.wait_ms + watch->client->deadline_ms,
                         .take = take};
}

static enum candor_code conclude(struct candor_watch *watch, struct candor_changes *out,
                                 struct candor_error *err)
{
    *err = (struct candor_error){0};
    *out = (struct candor_changes){0};
    enum candor_code code = watch->result.error.code == CANDOR_OK ? take_answer(watch, err)
                                                                  : take_refusal(watch, out, err);
    out->freshness = watch->result.freshness;
    out->seen_seq = seq_of(watch->cursor);
    if (code == CANDOR_OK) {
        out->events = watch->events;
        out->count = watch->count;
    }
    return code;
}

enum candor_code candor_watch_next(struct candor_watch *watch, uint32_t timeout_ms,
                                   struct candor_changes *out, struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    struct arguments arguments = {0};
    arguments_need(&arguments, "watch", watch);
    arguments_need(&arguments, "out", out);
    if (!arguments_good(&arguments, err))
        return err->code;
    if (watch->started) {
        *out = (struct candor_changes){0};
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                                "the watch goes on by itself");
    }
    begin_answer(watch, timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : timeout_ms);
    struct call call = call_of(watch);
    (void)operation_call(watch->client, &call, &watch->request.base, WAITING(&watch->result));
    return conclude(watch, out, err);
}

/* ---- Going on by itself ---------------------------------------------------------------------- */

static void done(void *closure, struct candor_result *result);

/* False, with the error: it is not under way. Else the watch may be another thread's already. */
static bool ask(struct candor_watch *watch, struct candor_error *err)
{
    struct candor_sink sink = {.done = done, .closure = watch};
    begin_answer(watch, TIMEOUT_MS_DEFAULT);
    struct call call = call_of(watch);
    return operation_call(watch->client, &call, &watch->request.base, SUBMITTING(&sink, err)) ==
           CANDOR_OK;
}

static bool is_final(const struct candor_error *error)
{
    return error->code != CANDOR_OK && error->code != CANDOR_UNAVAILABLE &&
           error->code != CANDOR_DEADLINE_EXCEEDED && error->reason != CANDOR_REASON_OVERLOADED;
}

/* False: the program has closed the watch, which is gone. */
static bool tell(struct candor_watch *watch, const struct candor_changes *changes,
                 const struct candor_error *error, bool ended)
{
    pthread_mutex_lock(&watch->lock);
    watch->under_way = false;
    bool closed = watch->closed;
    watch->telling = !closed;
    watch->teller = pthread_self();
    pthread_mutex_unlock(&watch->lock);
    if (!closed) {
        watch->told(watch->closure, changes, error, ended);
        pthread_mutex_lock(&watch->lock);
        watch->telling = false;
        watch->under_way = !ended && !watch->closed;
        /* Who closes it on another thread waits for this, and frees it; here nobody does. */
        closed = watch->closed && watch->closed_within;
        bool goes_on = !watch->closed;
        pthread_cond_broadcast(&watch->told_it);
        pthread_mutex_unlock(&watch->lock);
        if (!closed)
            return goes_on;
    }
    watch_free(watch);
    return false;
}

/* On a thread of the library. */
static void done(void *closure, struct candor_result *result)
{
    struct candor_watch *watch = closure;
    struct candor_changes changes;
    struct candor_error error;
    watch->result = *result;
    *result = (struct candor_result){0};
    (void)conclude(watch, &changes, &error);
    bool ended = is_final(&error);
    if (!tell(watch, &changes, &error, ended) || ended)
        return;
    if (ask(watch, &error))
        return;
    changes = (struct candor_changes){.seen_seq = seq_of(watch->cursor)};
    (void)tell(watch, &changes, &error, true);
}

enum candor_code candor_watch_start(struct candor_watch *watch,
                                    void (*told)(void *closure,
                                                 const struct candor_changes *changes,
                                                 const struct candor_error *error, bool ended),
                                    void *closure, struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    if (watch == NULL || told == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s: NULL",
                                watch == NULL ? "watch" : "told");
    if (watch->started)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                                "the watch goes on by itself already");
    watch->told = told;
    watch->closure = closure;
    watch->started = watch->under_way = true;
    if (ask(watch, err))
        return CANDOR_OK;
    watch->started = watch->under_way = false;
    return err->code;
}

void candor_watch_close(struct candor_watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->closed = true;
    watch->closed_within = watch->telling && pthread_equal(watch->teller, pthread_self());
    while (watch->telling && !watch->closed_within)
        pthread_cond_wait(&watch->told_it, &watch->lock);
    bool free_it = !watch->under_way && !watch->closed_within;
    pthread_mutex_unlock(&watch->lock);
    if (free_it)
        watch_free(watch);
}
