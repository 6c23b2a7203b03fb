/* One answer to a watch, as it is put together: records of the log in the watched range, and what
 * they point to. */
#ifndef NODE_WATCH_PAGE_H
#define NODE_WATCH_PAGE_H

#include "base/buffer.h"
#include "base/intervals.h"
#include "candor/v1/kv.pb-c.h"
#include "log/log.h"
#include "record/batch.h"
#include "wire/wire.h"

/* What a watch wants to know of. */
struct watch_filter {
    const struct interval *range;
    bool no_puts;
    bool no_deletes;
    /* Only keys up to this one: the present state has not been told beyond. NULL: all. */
    const struct slice *upto_key;
};

bool watch_filter_takes(const struct watch_filter *filter, const struct record_op *op);

/* All zeros but for the limits: empty. What it holds is malloc'd; watch_page_free(). */
struct watch_page {
    size_t most_records;
    size_t most_bytes;
    size_t bytes;
    bool full;             /* there is more to tell than fits */
    bool no_memory;        /* what was taken before is whole */
    struct buffer *chunks; /* of the log: the events point into them */
    size_t chunk_count;
    size_t chunk_capacity;
    Candor__V1__WatchEvent *events;
    size_t event_count;
    size_t event_capacity;
    struct watch_page_record {
        struct candor_pos at; /* the message's owner points into it */
        struct wire_pos pos;
        Candor__V1__WatchRecord message;
        size_t first_event;
    } * records;
    size_t record_count;
    size_t record_capacity;
    /* watch_page_fill() */
    Candor__V1__WatchEvent **event_list;
    Candor__V1__WatchRecord **record_list;
};

/* Takes the events of a record that pass the filter, all or none. The record's bytes must stay as
 * long as the page. False: it does not fit, or there is no memory; the page is as before, and says
 * which. */
bool watch_page_add(struct watch_page *page, const struct watch_filter *filter,
                    const struct record *record);
/* The same, and the page keeps a copy of the record's operations. */
bool watch_page_add_copy(struct watch_page *page, const struct watch_filter *filter,
                         const struct record *record);
/* Reads the log from `*seen` + 1 on, up to `upto`, until the page is full, or some
 * LIMIT_WATCH_READ_BYTES were read: `*seen` is then the last record that was looked at. Errors as
 * log_read(). */
enum candor_code watch_page_read(struct watch_page *page, struct log *log,
                                 const struct watch_filter *filter, uint64_t *seen, uint64_t upto,
                                 struct candor_error *err);
/* The records of a response; they point into the page. False: no memory. */
bool watch_page_fill(struct watch_page *page, size_t *n_records,
                     Candor__V1__WatchRecord ***records);
void watch_page_free(struct watch_page *page);

#endif
