/* The log as a whole: appended to, rolled, closed; what its files share. */
#include "log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "disk/disk.h"
#include "log/log_internal.h"

/* ---- shared with the other files of the log ---- */

enum candor_code log_check(const struct log *log, struct candor_error *err)
{
    enum candor_code broken = (enum candor_code)atomic_load(&log->broken);
    if (broken == CANDOR_OK)
        return CANDOR_OK;
    return candor_error_set(err, broken, CANDOR_REASON_NONE,
                            "the log failed before and takes no more requests; the process must "
                            "stop");
}

enum candor_code log_judge(struct log *log, enum candor_code code)
{
    if (code == CANDOR_DATA_LOSS)
        atomic_store(&log->broken, CANDOR_DATA_LOSS);
    return code;
}

enum candor_code log_damaged(const char *segment, uint64_t at, const char *why, const char *proof,
                             struct candor_error *err)
{
    return candor_error_set(
        err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
        "log segment %s is damaged at offset %" PRIu64
        ": %s%s%s. Restore the file from a backup; or, "
        "where other voters hold the data, move the data directory away: the node then copies the "
        "state from the primary",
        segment, at, why, *proof == '\0' ? "" : "; this is not a torn tail, for ", proof);
}

void log_add_segment(struct log *log, struct segment *segment)
{
    memory_grow(log->segments, log->segment_capacity, log->segment_count + 1);
    log->segments[log->segment_count++] = segment;
}

void log_drop_segments(struct log *log, uint32_t from, uint32_t to)
{
    ASSERT(from <= to && to <= log->segment_count);
    for (uint32_t i = from; i < to; i++)
        segment_free(log->segments[i]);
    for (uint32_t i = to; i < log->segment_count; i++)
        log->segments[i - (to - from)] = log->segments[i];
    log->segment_count -= to - from;
}

uint32_t log_find_segment(const struct log *log, uint64_t seq)
{
    uint32_t low = 0;
    uint32_t high = log->segment_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (log->segments[middle]->first_seq <= seq)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void log_publish(struct log *log)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < log->segment_count; i++)
        bytes += log->segments[i]->tail - SEGMENT_HEADER_BYTES;
    atomic_store(&log->bytes, bytes);
    atomic_store(&log->first, log->segments[0]->first_seq);
    atomic_store(&log->last, log_newest(log)->last_seq);
}

/* ---- append ---- */

/* What an append will have added. */
struct addition {
    uint64_t first_seq;
    uint64_t last_seq;
    struct index_entry newest; /* relative to the batches */
    struct candor_epoch epoch;
    struct chain chain;
};

static enum candor_code bad_append(struct candor_error *err, const char *why, uint64_t seq)
{
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                            "log append at seq %" PRIu64 ": %s", seq, why);
}

static void stage(struct log *log, uint64_t seq, uint64_t at)
{
    uint32_t count = log->staged_count;
    if (count == LOG_STAGED_ENTRIES)
        return;
    if (count > 0 && at < log->staged[count - 1].at + SEGMENT_INDEX_STRIDE_BYTES)
        return;
    log->staged[log->staged_count++] = (struct index_entry){seq, at};
}

/* Nothing gets on the disk that recovery would take for damage. */
static enum candor_code check_addition(struct log *log, struct slice batches,
                                       struct addition *addition, struct candor_error *err)
{
    *addition = (struct addition){
        .first_seq = log_newest(log)->last_seq + 1,
        .last_seq = log_newest(log)->last_seq,
        .epoch = log->epoch,
        .chain = log->chain,
    };
    log->staged_count = 0;
    struct slice rest = batches;
    while (rest.length > 0) {
        uint64_t at = batches.length - rest.length;
        struct batch batch;
        struct candor_error why;
        if (batch_decode(&rest, &batch, &why) != CANDOR_OK)
            return bad_append(err, why.message, addition->last_seq + 1);
        if (batch.first_seq != addition->last_seq + 1)
            return bad_append(err, "the batch begins with another seq", addition->last_seq + 1);
        if (epoch_compare(batch.epoch, addition->epoch) < 0)
            return bad_append(err, "the epoch goes back", batch.first_seq);
        if (!chain_equal(batch.before, addition->chain))
            return bad_append(err, "the batch follows other records", batch.first_seq);
        stage(log, batch.first_seq, at);
        addition->last_seq = batch_last_seq(&batch);
        addition->newest = (struct index_entry){batch.first_seq, at};
        addition->epoch = batch.epoch;
        addition->chain = batch_chain(&batch, addition->last_seq);
    }
    return CANDOR_OK;
}

static uint64_t capacity_for(const struct log *log, uint64_t append_bytes)
{
    return max_u64(log->segment_bytes, SEGMENT_HEADER_BYTES + append_bytes);
}

/* The full segment ends where its records end, durably, before another may follow it: only the
 * newest segment can have a torn tail. */
static enum candor_code seal_newest(struct log *log, struct candor_error *err)
{
    struct segment *segment = log_newest(log);
    if (ftruncate(segment->fd, (off_t)segment->tail) != 0)
        return disk_failed(err, errno, "seal log segment", segment->name);
    segment->file_bytes = segment->tail;
    enum candor_code code = log_sync_newest(log, err);
    if (code == CANDOR_OK)
        log->synced_seq = segment->last_seq;
    return code;
}

static enum candor_code roll(struct log *log, uint64_t append_bytes, struct candor_error *err)
{
    enum candor_code code = seal_newest(log, err);
    if (code != CANDOR_OK)
        return code;

    struct segment *old = log_newest(log);
    struct segment *segment = NULL;
    code = segment_create(log->dir_fd, old->last_seq + 1, log->chain, old,
                          capacity_for(log, append_bytes), &segment, err);
    if (code != CANDOR_OK)
        return code;
    /* A reader may be at the old segment's file: it is closed between reads. */
    pthread_rwlock_wrlock(&log->files);
    pthread_mutex_lock(&log->index);
    segment_close_file(old);
    log_add_segment(log, segment);
    pthread_mutex_unlock(&log->index);
    pthread_rwlock_unlock(&log->files);
    return CANDOR_OK;
}

/* An empty segment cannot be followed by another of the same first_seq: it is made larger. */
static enum candor_code grow(struct log *log, uint64_t append_bytes, struct candor_error *err)
{
    struct segment *segment = log_newest(log);
    uint64_t capacity = capacity_for(log, append_bytes);
    int failed = log_write_room(log, capacity);
    if (failed != 0)
        return disk_failed(err, failed, "enlarge log segment", segment->name);
    segment->file_bytes = capacity;
    return CANDOR_OK;
}

static enum candor_code ensure_room(struct log *log, uint64_t append_bytes,
                                    struct candor_error *err)
{
    const struct segment *segment = log_newest(log);
    if (append_bytes <= saturating_sub(segment->file_bytes, segment->tail))
        return CANDOR_OK;
    return segment_empty(segment) ? grow(log, append_bytes, err) : roll(log, append_bytes, err);
}

/* What was half written must not be found later. Durable before the error is told: the caller goes
 * on. */
static enum candor_code undo_append(struct log *log, int error_number, struct candor_error *err)
{
    struct segment *segment = log_newest(log);
    int failed =
        segment_zero_from(segment->fd, segment->tail, segment->file_bytes, &segment->file_bytes);
    if (failed != 0)
        return disk_sync_failed(err, failed, segment->name);
    enum candor_code code = log_sync_newest(log, err);
    if (code != CANDOR_OK)
        return code;
    log->synced_seq = segment->last_seq;
    return disk_failed(err, error_number, "append to log segment", segment->name);
}

static enum candor_code write_addition(struct log *log, const struct addition *addition,
                                       struct slice batches, struct candor_error *err)
{
    uint8_t mark[SEGMENT_MARK_BYTES];
    segment_put_mark(mark, log_newest(log), log->synced_seq, addition->first_seq);
    int failed = log_write_append(log, mark, batches);
    if (failed != 0 && disk_error_is_shortage(failed))
        return undo_append(log, failed, err);
    if (failed != 0)
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "cannot append to log segment %s: %s", log_newest(log)->name,
                                strerror(failed));
    return CANDOR_OK;
}

static void publish_addition(struct log *log, const struct addition *addition, uint64_t bytes)
{
    struct segment *segment = log_newest(log);
    pthread_mutex_lock(&log->index);
    uint64_t base = segment->tail + SEGMENT_MARK_BYTES;
    for (uint32_t i = 0; i < log->staged_count; i++) {
        struct index_entry entry = log->staged[i];
        entry.at += base;
        segment_index_add(segment, entry);
    }
    segment->newest = (struct index_entry){addition->newest.seq, addition->newest.at + base};
    segment->tail += bytes;
    segment->last_seq = addition->last_seq;
    log->chain = addition->chain;
    pthread_mutex_unlock(&log->index);

    log->epoch = addition->epoch;
    log->newest_append_seq = addition->first_seq;
    atomic_fetch_add(&log->bytes, bytes);
    atomic_store(&log->last, addition->last_seq);
}

static enum candor_code sync_addition(struct log *log, const struct addition *addition,
                                      struct candor_error *err)
{
    enum candor_code code = log_sync_newest(log, err);
    if (code == CANDOR_OK)
        log->synced_seq = addition->last_seq;
    return code;
}

static enum candor_code add(struct log *log, struct slice batches, bool sync,
                            struct candor_error *err)
{
    struct addition addition;
    enum candor_code code = log_check(log, err);
    if (code != CANDOR_OK)
        return code;
    code = check_addition(log, batches, &addition, err);
    if (code != CANDOR_OK || batches.length == 0)
        return code;
    uint64_t bytes = SEGMENT_MARK_BYTES + (uint64_t)batches.length;
    code = ensure_room(log, bytes, err);
    if (code == CANDOR_OK)
        code = write_addition(log, &addition, batches, err);
    if (code == CANDOR_OK && sync)
        code = sync_addition(log, &addition, err);
    if (code != CANDOR_OK)
        return log_judge(log, code);
    publish_addition(log, &addition, bytes);
    return CANDOR_OK;
}

enum candor_code log_append(struct log *log, struct slice batches, struct candor_error *err)
{
    return add(log, batches, log->durability == LOG_DURABLE_ALWAYS, err);
}

enum candor_code log_write(struct log *log, struct slice batches, struct candor_error *err)
{
    return add(log, batches, false, err);
}

enum candor_code log_sync(struct log *log, struct candor_error *err)
{
    enum candor_code code = log_check(log, err);
    if (code == CANDOR_OK)
        code = log_judge(log, log_sync_newest(log, err));
    if (code == CANDOR_OK)
        log->synced_seq = log_newest(log)->last_seq;
    return code;
}

/* ---- asking ---- */

uint64_t log_first(const struct log *log)
{
    return atomic_load(&log->first);
}

uint64_t log_last(const struct log *log)
{
    return atomic_load(&log->last);
}

struct chain log_chain(const struct log *log)
{
    return log->chain;
}

uint64_t log_bytes(const struct log *log)
{
    return atomic_load(&log->bytes);
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    log_drop_segments(log, 0, log->segment_count);
    free(log->segments);
    pthread_mutex_destroy(&log->index);
    pthread_rwlock_destroy(&log->files);
    /* gives the lock back */
    if (log->lock_fd >= 0)
        close(log->lock_fd);
    if (log->dir_fd >= 0)
        close(log->dir_fd);
    free(log);
}
