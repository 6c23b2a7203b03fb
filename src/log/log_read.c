/* Reading by any thread, beside the writer: log_read() and log_verify(). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "disk/disk.h"
#include "log/log_internal.h"

/* What a reader needs of a segment, taken while `index` was held; `files` keeps it true. */
struct view {
    struct segment *segment;
    struct index_entry from;
    uint64_t tail;
    uint64_t last_seq;
    bool newest;
};

static struct view find_view(struct log *log, uint64_t seq)
{
    pthread_mutex_lock(&log->index);
    uint32_t i = log_find_segment(log, seq);
    struct segment *segment = log->segments[i];
    struct view view = {
        .segment = segment,
        .from = segment_index_find(segment, seq),
        .tail = segment->tail,
        .last_seq = segment->last_seq,
        .newest = i == log->segment_count - 1,
    };
    pthread_mutex_unlock(&log->index);
    return view;
}

/* Older segments are opened for each read: a node may hold more of them than it may hold
 * descriptors. */
static enum candor_code open_view(const struct log *log, const struct view *view, int *fd,
                                  struct candor_error *err)
{
    *fd = view->segment->fd;
    if (*fd >= 0)
        return CANDOR_OK;
    int failed = disk_open_at(log->dir_fd, view->segment->name, O_RDONLY, fd);
    if (failed == 0)
        return CANDOR_OK;
    if (failed == ENOENT)
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE, "log segment %s is gone",
                                view->segment->name);
    return disk_failed(err, failed, "open log segment", view->segment->name);
}

static void close_view(const struct view *view, int fd)
{
    if (fd >= 0 && fd != view->segment->fd)
        close(fd);
}

/* What was read once is found at once the next time. */
static void remember(struct log *log, const struct view *view, const struct segment_scan *scan,
                     const struct batch *batch)
{
    /* the writer keeps that one's index */
    if (view->newest)
        return;
    pthread_mutex_lock(&log->index);
    segment_index_add(view->segment, (struct index_entry){batch->first_seq, scan->batch_at});
    pthread_mutex_unlock(&log->index);
}

/* Turns the end of a scan into a code: all records up to the view's last must have been met. */
static enum candor_code scan_outcome(const struct view *view, const struct segment_scan *scan,
                                     enum scan_result result, struct candor_error *err)
{
    switch (result) {
    case SCAN_BATCH:
        return CANDOR_OK; /* the reader had enough */
    case SCAN_END:
        if (scan->expected_seq == view->last_seq + 1)
            return CANDOR_OK;
        return log_damaged(view->segment->name, scan->at, "records are missing at its end", "",
                           err);
    case SCAN_FAILED:
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "cannot read log segment %s at offset %" PRIu64 ": %s",
                                view->segment->name, scan->at, strerror(scan->error_number));
    case SCAN_DAMAGED:
        break;
    }
    return log_damaged(view->segment->name, scan->at, scan->why, "", err);
}

struct request {
    uint64_t next_seq;
    uint64_t upto_seq;
    size_t most_bytes;
    size_t start; /* out->length at the beginning */
    struct buffer *out;
    bool more; /* it has not all it can take */
};

static bool fits(const struct request *request, size_t length)
{
    size_t held = request->out->length - request->start;
    return held == 0 || (held <= request->most_bytes && length <= request->most_bytes - held);
}

static void take_whole(struct request *request, const struct batch *batch)
{
    buffer_put(request->out, batch->bytes.bytes, batch->bytes.length);
}

static void take_part(struct request *request, const struct batch *batch)
{
    struct buffer tail = {0};
    struct batch part;
    batch_tail(batch, max_u64(request->next_seq, batch->first_seq), &tail);
    struct slice bytes = buffer_slice(&tail);
    enum candor_code code = batch_decode(&bytes, &part, NULL);
    ASSERT(code == CANDOR_OK);
    batch_head(&part, min_u64(request->upto_seq, batch_last_seq(&part)), request->out);
    buffer_free(&tail);
}

/* False when the request has all it can take. */
static bool take(struct request *request, const struct batch *batch)
{
    uint64_t last = batch_last_seq(batch);
    /* before what was asked for */
    if (last < request->next_seq)
        return true;
    if (batch->first_seq > request->upto_seq || !fits(request, batch->bytes.length))
        return false;
    if (batch->first_seq >= request->next_seq && last <= request->upto_seq)
        take_whole(request, batch);
    else
        take_part(request, batch);
    request->next_seq = min_u64(last, request->upto_seq) + 1;
    return request->next_seq <= request->upto_seq;
}

/* Shows the batches of the segment that holds `seq`, from the one that holds it or one before, to
 * `visit` until that says no. */
static enum candor_code visit_segment(struct log *log, uint64_t seq,
                                      bool (*visit)(void *closure, const struct batch *batch),
                                      void *closure, struct candor_error *err)
{
    struct view view = find_view(log, seq);
    int fd = -1;
    enum candor_code code = open_view(log, &view, &fd, err);
    if (code != CANDOR_OK)
        return code;

    struct segment_scan scan = segment_scan_begin(view.segment, fd, view.from, view.tail);
    struct batch batch;
    enum scan_result result;
    while ((result = segment_scan_next(&scan, &batch)) == SCAN_BATCH) {
        remember(log, &view, &scan, &batch);
        if (!visit(closure, &batch))
            break;
    }
    code = scan_outcome(&view, &scan, result, err);
    segment_scan_free(&scan);
    close_view(&view, fd);
    return code;
}

static bool take_next(void *closure, const struct batch *batch)
{
    struct request *request = closure;
    request->more = take(request, batch);
    return request->more;
}

static enum candor_code read_all(struct log *log, struct request *request, struct candor_error *err)
{
    uint64_t first = log_first(log);
    uint64_t last = log_last(log);
    if (request->next_seq < first || request->next_seq > last + 1)
        return candor_error_set(err, CANDOR_OUT_OF_RANGE, CANDOR_REASON_NONE,
                                "seq %" PRIu64 " is not in the log: it holds %" PRIu64
                                " to %" PRIu64,
                                request->next_seq, first, last);
    request->upto_seq = min_u64(request->upto_seq, last);
    request->more = request->next_seq <= request->upto_seq;
    while (request->more) { /* the next segment, too */
        enum candor_code code = visit_segment(log, request->next_seq, take_next, request, err);
        if (code != CANDOR_OK)
            return code;
    }
    return CANDOR_OK;
}

enum candor_code log_read(struct log *log, uint64_t from_seq, uint64_t upto_seq, size_t most_bytes,
                          struct buffer *out, struct candor_error *err)
{
    struct request request = {
        .next_seq = from_seq,
        .upto_seq = upto_seq,
        .most_bytes = most_bytes,
        .start = out->length,
        .out = out,
    };
    pthread_rwlock_rdlock(&log->files);
    enum candor_code code = log_check(log, err); /* a failed cut leaves nothing to read */
    if (code == CANDOR_OK)
        code = read_all(log, &request, err);
    pthread_rwlock_unlock(&log->files);
    if (code != CANDOR_OK)
        out->length = request.start;
    return code;
}

/* ---- log_chain_at ---- */

struct chain_wanted {
    uint64_t seq;
    struct chain chain;
};

/* Each batch names the chain before it: from the one that holds `seq` alone the chain is found. */
static bool find_chain(void *closure, const struct batch *batch)
{
    struct chain_wanted *wanted = closure;
    if (batch_last_seq(batch) < wanted->seq)
        return true;
    wanted->chain = batch_chain(batch, wanted->seq);
    return false;
}

/* Where a segment ends its successor's header says it, at the end of all the log itself: so it is
 * known even where the record has rotted. */
static bool chain_is_known(struct log *log, uint64_t seq, struct chain *out)
{
    pthread_mutex_lock(&log->index);
    const struct segment *next = log->segments[log_find_segment(log, seq + 1)];
    bool begins = next->first_seq == seq + 1;
    bool ends = log_newest(log)->last_seq == seq;
    *out = begins ? next->before : log->chain;
    pthread_mutex_unlock(&log->index);
    return begins || ends;
}

static enum candor_code chain_at(struct log *log, uint64_t seq, struct chain *out,
                                 struct candor_error *err)
{
    uint64_t first = log_first(log);
    uint64_t last = log_last(log);
    if (seq + 1 < first || seq > last)
        return candor_error_set(err, CANDOR_OUT_OF_RANGE, CANDOR_REASON_NONE,
                                "seq %" PRIu64 " is not in the log: it holds %" PRIu64
                                " to %" PRIu64,
                                seq, first, last);
    if (chain_is_known(log, seq, out))
        return CANDOR_OK;
    struct chain_wanted wanted = {.seq = seq};
    enum candor_code code = visit_segment(log, seq, find_chain, &wanted, err);
    if (code == CANDOR_OK)
        *out = wanted.chain;
    return code;
}

enum candor_code log_chain_at(struct log *log, uint64_t seq, struct chain *out,
                              struct candor_error *err)
{
    pthread_rwlock_rdlock(&log->files);
    enum candor_code code = log_check(log, err);
    if (code == CANDOR_OK)
        code = chain_at(log, seq, out, err);
    pthread_rwlock_unlock(&log->files);
    return code;
}

uint64_t log_segment_end(struct log *log, uint64_t seq)
{
    return find_view(log, seq).last_seq;
}

/* ---- log_verify ---- */

/* What the next segment must go on from. */
struct end {
    struct candor_epoch epoch;
    bool chained;
    struct chain chain;
};

/* Scans the segment that holds `*seq` from its beginning; `*seq` becomes the one behind its
 * last. */
static enum candor_code verify_segment(struct log *log, uint64_t *seq, struct end *end,
                                       struct candor_error *err)
{
    struct view view = find_view(log, *seq);
    /* Else it is the newest one once more, which has grown since. */
    bool begins = *seq == view.segment->first_seq;
    if (begins && end->chained && !chain_equal(view.segment->before, end->chain))
        return log_damaged(view.segment->name, 0,
                           "its header says that it follows other records than those before it", "",
                           err);
    int fd = -1;
    enum candor_code code = open_view(log, &view, &fd, err);
    if (code != CANDOR_OK)
        return code;

    struct index_entry start = {view.segment->first_seq, SEGMENT_HEADER_BYTES};
    struct segment_scan scan = segment_scan_begin(view.segment, fd, start, view.tail);
    if (begins)
        scan.epoch = end->epoch;
    struct batch batch;
    enum scan_result result;
    while ((result = segment_scan_next(&scan, &batch)) == SCAN_BATCH)
        remember(log, &view, &scan, &batch);
    code = scan_outcome(&view, &scan, result, err);
    *end = (struct end){scan.epoch, true, scan.chain};
    *seq = max_u64(view.last_seq, *seq) + 1;
    segment_scan_free(&scan);
    close_view(&view, fd);
    return code;
}

/* One segment more; `*more` tells whether there is another. */
static enum candor_code verify_next(struct log *log, uint64_t *seq, uint64_t *cuts, struct end *end,
                                    bool *more, struct candor_error *err)
{
    enum candor_code code = log_check(log, err);
    if (code != CANDOR_OK)
        return code;
    if (*cuts != atomic_load(&log->cuts)) {
        *cuts = atomic_load(&log->cuts);
        *end = (struct end){0}; /* what is there now need not follow what was seen */
    }
    *seq = max_u64(*seq, log_first(log));
    *more = *seq <= log_last(log);
    return *more ? verify_segment(log, seq, end, err) : CANDOR_OK;
}

enum candor_code log_scrub(struct log *log, bool (*between)(void *closure), void *closure,
                           struct candor_error *err)
{
    struct end end = {0};
    uint64_t cuts = 0;
    uint64_t seq = 0;
    bool more = true;
    enum candor_code code = CANDOR_OK;
    while (code == CANDOR_OK && more) {
        pthread_rwlock_rdlock(&log->files); /* a segment at a time: the writer may want to cut */
        code = verify_next(log, &seq, &cuts, &end, &more, err);
        pthread_rwlock_unlock(&log->files);
        if (code == CANDOR_OK && more && between != NULL && !between(closure))
            code = candor_error_set(err, CANDOR_CANCELLED, CANDOR_REASON_NONE, "ended");
    }
    return code;
}

enum candor_code log_verify(struct log *log, struct candor_error *err)
{
    return log_scrub(log, NULL, NULL, err);
}
