/* One answer to a watch, as it is put together. */
#include "node/serve/watch_page.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "node/shared/bytes.h"

/* Around a key and a value in a message, at most. */
enum { EVENT_BYTES = 40, RECORD_BYTES = 96 };

bool watch_filter_takes(const struct watch_filter *filter, const struct record_op *op)
{
    bool left_out = op->kind == RECORD_PUT ? filter->no_puts : filter->no_deletes;
    left_out = left_out || op->kind == RECORD_KEEP; /* nothing to see has changed */
    return !left_out && interval_holds(filter->range, op->key) &&
           (filter->upto_key == NULL || slice_compare(op->key, *filter->upto_key) <= 0);
}

/* The same list with more room; NULL: no memory, and it is as before. */
static void *grown(struct watch_page *page, void *list, size_t *capacity, size_t each)
{
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *more = realloc(list, wanted * each);
    page->no_memory = more == NULL;
    if (more != NULL)
        *capacity = wanted;
    return more;
}

static bool has_room_for_event(struct watch_page *page)
{
    if (page->event_count < page->event_capacity)
        return true;
    Candor__V1__WatchEvent *more = grown(page, page->events, &page->event_capacity, sizeof *more);
    if (more != NULL)
        page->events = more;
    return more != NULL;
}

static bool has_room_for_record(struct watch_page *page)
{
    if (page->record_count < page->record_capacity)
        return true;
    struct watch_page_record *more =
        grown(page, page->records, &page->record_capacity, sizeof *more);
    if (more != NULL)
        page->records = more;
    return more != NULL;
}

static bool has_room_for_chunk(struct watch_page *page)
{
    if (page->chunk_count < page->chunk_capacity)
        return true;
    struct buffer *more = grown(page, page->chunks, &page->chunk_capacity, sizeof *more);
    if (more != NULL)
        page->chunks = more;
    return more != NULL;
}

static bool add_event(struct watch_page *page, const struct record *record,
                      const struct record_op *op)
{
    if (!has_room_for_event(page))
        return false;
    Candor__V1__WatchEvent *event = &page->events[page->event_count++];
    candor__v1__watch_event__init(event);
    bool put = op->kind == RECORD_PUT;
    event->type = put ? CANDOR__V1__WATCH_EVENT_TYPE__WATCH_EVENT_TYPE_PUT
                      : CANDOR__V1__WATCH_EVENT_TYPE__WATCH_EVENT_TYPE_DELETE;
    event->key = slice_binary(op->key);
    event->expired = op->kind == RECORD_EXPIRE;
    if (put) {
        event->value = slice_binary(op->value);
        event->ttl_ms = saturating_sub(op->until_ms, record->log_ms);
    }
    return true;
}

static bool add_events(struct watch_page *page, const struct watch_filter *filter,
                       const struct record *record, size_t *bytes)
{
    struct slice ops = record->ops;
    struct record_op op;
    *bytes = RECORD_BYTES;
    while (record_op_next(&ops, &op)) {
        if (!watch_filter_takes(filter, &op))
            continue;
        *bytes += op.key.length + op.value.length + EVENT_BYTES;
        if (!add_event(page, record, &op))
            return false;
    }
    return true;
}

bool watch_page_add(struct watch_page *page, const struct watch_filter *filter,
                    const struct record *record)
{
    if (record->type != RECORD_WRITE)
        return true;
    size_t before = page->event_count;
    size_t bytes = 0;
    bool whole = add_events(page, filter, record, &bytes);
    if (whole && page->event_count == before)
        return true; /* nothing of it */
    page->full = page->record_count >= page->most_records ||
                 (page->record_count > 0 && page->bytes + bytes > page->most_bytes);
    if (!whole || page->full || !has_room_for_record(page)) {
        page->event_count = before;
        return false;
    }
    struct watch_page_record *added = &page->records[page->record_count++];
    added->at = (struct candor_pos){record->epoch, record->seq};
    added->first_event = before;
    candor__v1__watch_record__init(&added->message);
    added->message.wall_ms = record->wall_ms;
    added->message.n_events = page->event_count - before;
    page->bytes += bytes;
    return true;
}

bool watch_page_add_copy(struct watch_page *page, const struct watch_filter *filter,
                         const struct record *record)
{
    if (!has_room_for_chunk(page))
        return false;
    struct buffer ops = {0};
    struct record copy = *record;
    buffer_put(&ops, record->ops.bytes, record->ops.length);
    copy.ops = buffer_slice(&ops);
    size_t records = page->record_count;
    bool added = watch_page_add(page, filter, &copy);
    if (page->record_count > records)
        page->chunks[page->chunk_count++] = ops;
    else
        buffer_free(&ops);
    return added;
}

/* ---- Reading the log ------------------------------------------------------------------------- */

/* False: the page takes no more. */
static bool add_batch(struct watch_page *page, const struct watch_filter *filter,
                      const struct batch *batch, uint64_t *seen)
{
    size_t cursor = 0;
    struct record record;
    while (batch_next(batch, &cursor, &record)) {
        if (!watch_page_add(page, filter, &record))
            return false;
        *seen = record.seq;
    }
    return true;
}

static enum candor_code add_batches(struct watch_page *page, const struct watch_filter *filter,
                                    struct slice bytes, uint64_t *seen, struct candor_error *err)
{
    while (bytes.length > 0) {
        struct batch batch;
        enum candor_code code = batch_decode(&bytes, &batch, err);
        if (code != CANDOR_OK)
            return code;
        if (!add_batch(page, filter, &batch, seen))
            break;
    }
    return CANDOR_OK;
}

enum candor_code watch_page_read(struct watch_page *page, struct log *log,
                                 const struct watch_filter *filter, uint64_t *seen, uint64_t upto,
                                 struct candor_error *err)
{
    if (!has_room_for_chunk(page))
        return CANDOR_OK;
    struct buffer chunk = {0};
    size_t records = page->record_count;
    enum candor_code code = log_read(log, *seen + 1, upto, LIMIT_WATCH_READ_BYTES, &chunk, err);
    if (code == CANDOR_OK)
        code = add_batches(page, filter, buffer_slice(&chunk), seen, err);
    if (page->record_count > records)
        page->chunks[page->chunk_count++] = chunk;
    else
        buffer_free(&chunk);
    return code;
}

/* ---- The response ---------------------------------------------------------------------------- */

bool watch_page_fill(struct watch_page *page, size_t *n_records, Candor__V1__WatchRecord ***records)
{
    page->event_list = malloc((page->event_count + 1) * sizeof *page->event_list);
    page->record_list = malloc((page->record_count + 1) * sizeof *page->record_list);
    page->no_memory = page->event_list == NULL || page->record_list == NULL;
    if (page->no_memory)
        return false;
    for (size_t i = 0; i < page->event_count; i++)
        page->event_list[i] = &page->events[i];
    for (size_t i = 0; i < page->record_count; i++) {
        struct watch_page_record *record = &page->records[i];
        record->message.pos = wire_pos(&record->at, &record->pos);
        record->message.events = page->event_list + record->first_event;
        page->record_list[i] = &record->message;
    }
    *n_records = page->record_count;
    *records = page->record_list;
    return true;
}

void watch_page_free(struct watch_page *page)
{
    for (size_t i = 0; i < page->chunk_count; i++)
        buffer_free(&page->chunks[i]);
    free(page->chunks);
    free(page->events);
    free(page->records);
    free(page->event_list);
    free(page->record_list);
}
