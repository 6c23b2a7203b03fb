/* Cutting the log: truncate, reset, trim.
 *
 * A truncation or reset touches several files. It is first written down whole in `cut`, by one
 * rename; from then on it will be finished, by the next log_open() if need be; before, it has not
 * happened. Each step can be repeated. `cut` is removed, durably, before anything is appended: else
 * it would be repeated then. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "disk/disk.h"
#include "log/log_internal.h"

#define CUT_NAME "cut"
#define CUT_MAGIC UINT32_C(0x32544343) /* "CCT2" */
#define CUT_HEADER_BYTES 56
#define CUT_BYTES_MAX (CUT_HEADER_BYTES + LIMIT_RECORD_BATCH_BYTES)

enum cut_kind { CUT_TRUNCATE = 1, CUT_RESET = 2 };

/* u32 magic, u32 crc32c of what follows, u32 kind, u32 zero, u64 segment, u64 at, u64 next_seq,
 * u64 before.high, u64 before.low, bytes. */
struct cut {
    enum cut_kind kind;
    uint64_t segment;    /* TRUNCATE: first_seq of the segment that becomes the newest */
    uint64_t at;         /* TRUNCATE: where it ends, before `bytes` */
    uint64_t next_seq;   /* the next append begins with it */
    struct chain before; /* RESET: the chain that it follows */
    struct slice bytes;  /* TRUNCATE: the part that stays of a batch that is cut in two */
};

static enum candor_code save_cut(int dir_fd, const struct cut *cut, struct candor_error *err)
{
    struct buffer out = {0};
    buffer_put_u32(&out, CUT_MAGIC);
    buffer_put_u32(&out, 0);
    buffer_put_u32(&out, (uint32_t)cut->kind);
    buffer_put_u32(&out, 0);
    buffer_put_u64(&out, cut->segment);
    buffer_put_u64(&out, cut->at);
    buffer_put_u64(&out, cut->next_seq);
    buffer_put_u64(&out, cut->before.high);
    buffer_put_u64(&out, cut->before.low);
    buffer_put(&out, cut->bytes.bytes, cut->bytes.length);
    buffer_set_u32(&out, 4, crc32c(0, out.bytes + 8, out.length - 8));
    enum candor_code code = disk_replace(dir_fd, CUT_NAME, buffer_slice(&out), err);
    buffer_free(&out);
    return code;
}

static bool decode_cut(struct slice bytes, struct cut *out)
{
    struct reader reader = reader_of(bytes);
    if (bytes.length < CUT_HEADER_BYTES || read_u32(&reader) != CUT_MAGIC)
        return false;
    if (read_u32(&reader) != crc32c(0, bytes.bytes + 8, bytes.length - 8))
        return false;
    out->kind = (enum cut_kind)read_u32(&reader);
    (void)read_u32(&reader);
    out->segment = read_u64(&reader);
    out->at = read_u64(&reader);
    out->next_seq = read_u64(&reader);
    out->before.high = read_u64(&reader);
    out->before.low = read_u64(&reader);
    out->bytes = read_bytes(&reader, reader_left(&reader));
    return (out->kind == CUT_TRUNCATE || out->kind == CUT_RESET) && out->next_seq > 0;
}

/* ---- the steps, each repeatable ---- */

static enum candor_code unlink_segment(int dir_fd, uint64_t first_seq, struct candor_error *err)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(first_seq, name);
    if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
        return disk_failed(err, errno, "remove log segment", name);
    return CANDOR_OK;
}

static enum candor_code sync_dir(int dir_fd, struct candor_error *err)
{
    int failed = disk_sync_dir(dir_fd);
    return failed == 0 ? CANDOR_OK : disk_sync_failed(err, failed, "the log's directory");
}

/* Removes the segments that begin behind `first_seq`. */
static enum candor_code unlink_behind(int dir_fd, uint64_t first_seq, struct candor_error *err)
{
    uint64_t *seqs = NULL;
    uint32_t count = 0;
    enum candor_code code = log_list(dir_fd, &seqs, &count, err);
    for (uint32_t i = count; code == CANDOR_OK && i > 0 && seqs[i - 1] > first_seq; i--)
        code = unlink_segment(dir_fd, seqs[i - 1], err);
    free(seqs);
    return code == CANDOR_OK ? sync_dir(dir_fd, err) : code;
}

/* Likewise by the table, newest first: it needs no descriptor. */
static enum candor_code unlink_segments(const struct log *log, uint32_t from,
                                        struct candor_error *err)
{
    enum candor_code code = CANDOR_OK;
    for (uint32_t i = log->segment_count; code == CANDOR_OK && i > from; i--)
        code = unlink_segment(log->dir_fd, log->segments[i - 1]->first_seq, err);
    return code == CANDOR_OK ? sync_dir(log->dir_fd, err) : code;
}

static int rewrite_end(int fd, const struct cut *cut, uint64_t file_bytes)
{
    uint64_t now_bytes;
    /* First what stays, over what was there: a full disk has that room. */
    int failed = disk_write_all(fd, cut->bytes, cut->at);
    if (failed == 0)
        failed = segment_zero_from(fd, cut->at + cut->bytes.length, file_bytes, &now_bytes);
    return failed;
}

static enum candor_code cut_file(int fd, const struct cut *cut, uint64_t segment_bytes,
                                 struct candor_error *err)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(cut->segment, name);
    int failed = rewrite_end(fd, cut, segment_bytes);
    if (failed != 0)
        return disk_failed(err, failed, "cut log segment", name);
    return disk_sync_file(fd, name, err);
}

static enum candor_code cut_segment(int dir_fd, const struct cut *cut, uint64_t segment_bytes,
                                    struct candor_error *err)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(cut->segment, name);
    int fd;
    int failed = disk_open_at(dir_fd, name, O_RDWR, &fd);
    if (failed != 0)
        return disk_failed(err, failed, "open log segment", name);
    enum candor_code code = cut_file(fd, cut, segment_bytes, err);
    close(fd);
    return code;
}

static enum candor_code redo_truncate(int dir_fd, const struct cut *cut, uint64_t segment_bytes,
                                      struct candor_error *err)
{
    enum candor_code code = cut_segment(dir_fd, cut, segment_bytes, err);
    return code == CANDOR_OK ? unlink_behind(dir_fd, cut->segment, err) : code;
}

static enum candor_code redo_reset(int dir_fd, const struct cut *cut, uint64_t segment_bytes,
                                   struct candor_error *err)
{
    struct segment *segment = NULL;
    enum candor_code code = unlink_behind(dir_fd, 0, err);
    if (code == CANDOR_OK)
        code =
            segment_create(dir_fd, cut->next_seq, cut->before, NULL, segment_bytes, &segment, err);
    segment_free(segment);
    return code;
}

static enum candor_code remove_cut(int dir_fd, struct candor_error *err)
{
    if (unlinkat(dir_fd, CUT_NAME, 0) != 0)
        return disk_failed(err, errno, "remove", CUT_NAME);
    return sync_dir(dir_fd, err);
}

static enum candor_code redo_cut(int dir_fd, const struct cut *cut, uint64_t segment_bytes,
                                 struct candor_error *err)
{
    enum candor_code code = cut->kind == CUT_TRUNCATE
                                ? redo_truncate(dir_fd, cut, segment_bytes, err)
                                : redo_reset(dir_fd, cut, segment_bytes, err);
    return code == CANDOR_OK ? remove_cut(dir_fd, err) : code;
}

enum candor_code log_redo_cut(int dir_fd, uint64_t segment_bytes, struct candor_error *err)
{
    struct buffer bytes = {0};
    struct cut cut;
    enum candor_code code = disk_load(dir_fd, CUT_NAME, CUT_BYTES_MAX, &bytes, err);
    if (code == CANDOR_OK && !decode_cut(buffer_slice(&bytes), &cut))
        code = candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "the file `" CUT_NAME "` in the log's directory is damaged: a "
                                "truncation that was begun cannot be finished. Restore this node "
                                "by removing its data directory");
    else if (code == CANDOR_OK)
        code = redo_cut(dir_fd, &cut, segment_bytes, err);
    else if (code == CANDOR_NOT_FOUND)
        code = CANDOR_OK;
    buffer_free(&bytes);
    return code;
}

/* ---- truncate ---- */

/* Where the log is to end. `kept` owns cut->bytes. Whatever needs a descriptor is opened with the
 * plan: once a cut is written down there is no way back. */
struct plan {
    uint32_t segment; /* in the table */
    int fd;           /* of that segment; its own where `opened`, else the segment's */
    bool opened;
    struct cut cut;
    struct candor_epoch epoch; /* of the last record that stays; none when not known */
    struct chain chain;        /* at that record */
    struct buffer kept;
};

/* Finds the batch that `to_seq` is in, and what of it stays. */
static enum candor_code plan_end(const struct segment *segment, int fd, uint64_t to_seq,
                                 struct plan *plan, struct candor_error *err)
{
    struct segment_scan scan =
        segment_scan_begin(segment, fd, segment_index_find(segment, to_seq), segment->tail);
    struct batch batch;
    enum scan_result result;
    do
        result = segment_scan_next(&scan, &batch);
    while (result == SCAN_BATCH && batch_last_seq(&batch) < to_seq);

    enum candor_code code = CANDOR_OK;
    if (result == SCAN_FAILED) {
        code = disk_failed(err, scan.error_number, "read log segment", segment->name);
    } else if (result != SCAN_BATCH) {
        code = log_damaged(segment->name, scan.at,
                           result == SCAN_DAMAGED ? scan.why : "it ends too early", "", err);
    } else {
        bool whole = batch_last_seq(&batch) == to_seq;
        plan->cut.at = whole ? scan.at : scan.batch_at;
        plan->epoch = batch.epoch;
        plan->chain = batch_chain(&batch, to_seq);
        if (!whole)
            batch_head(&batch, to_seq, &plan->kept);
    }
    segment_scan_free(&scan);
    return code;
}

/* The segment stays that the next record would be in: it is not made anew. */
static enum candor_code make_plan(const struct log *log, uint64_t to_seq, struct plan *plan,
                                  struct candor_error *err)
{
    *plan = (struct plan){.segment = log_find_segment(log, to_seq + 1)};
    const struct segment *segment = log->segments[plan->segment];
    plan->cut = (struct cut){
        .kind = CUT_TRUNCATE,
        .segment = segment->first_seq,
        .at = SEGMENT_HEADER_BYTES,
        .next_seq = to_seq + 1,
    };
    plan->chain = segment->before;
    plan->fd = segment->fd;
    if (plan->fd < 0) {
        int failed = disk_open_at(log->dir_fd, segment->name, O_RDWR, &plan->fd);
        plan->opened = failed == 0;
        if (failed != 0)
            return disk_failed(err, failed, "open log segment", segment->name);
    }
    if (segment->first_seq == to_seq + 1)
        return CANDOR_OK;
    enum candor_code code = plan_end(segment, plan->fd, to_seq, plan, err);
    plan->cut.bytes = buffer_slice(&plan->kept);
    return code;
}

static void plan_free(struct plan *plan)
{
    if (plan->opened)
        close(plan->fd);
    buffer_free(&plan->kept);
}

/* The files are cut; now the table. */
static enum candor_code adopt_plan(struct log *log, struct plan *plan, struct candor_error *err)
{
    log_drop_segments(log, plan->segment + 1, log->segment_count);
    struct segment *segment = log_newest(log);
    segment->fd = plan->fd;
    plan->opened = false; /* the segment's now */
    int failed = disk_size(segment->fd, &segment->file_bytes);
    if (failed != 0)
        return disk_failed(err, failed, "look at log segment", segment->name);
    segment_index_cut(segment, plan->cut.at);
    segment->tail = plan->cut.at + plan->cut.bytes.length;
    segment->last_seq = plan->cut.next_seq - 1;
    log->epoch = plan->epoch;
    log->chain = plan->chain;
    log->synced_seq = segment->last_seq;
    log->newest_append_seq = 0;
    return CANDOR_OK;
}

static void begin_cut(struct log *log)
{
    pthread_rwlock_wrlock(&log->files);
    pthread_mutex_lock(&log->index);
}

/* A cut that is written down but not finished is finished at the next start: until then nothing
 * works, and the table may be in pieces, so that readers must see `broken` before they see it. A
 * shortage is no damage even then. */
static enum candor_code end_cut(struct log *log, enum candor_code code, struct candor_error *err)
{
    if (code == CANDOR_OK) {
        log_publish(log);
        atomic_fetch_add(&log->cuts, 1);
    } else {
        code = code == CANDOR_RESOURCE_EXHAUSTED ? CANDOR_INTERNAL : CANDOR_DATA_LOSS;
        atomic_store(&log->broken, code);
        /* the reason stays: what lacks may be had at the next start */
        if (err != NULL)
            err->code = code;
    }
    pthread_mutex_unlock(&log->index);
    pthread_rwlock_unlock(&log->files);
    return code;
}

/* The newest append may be found torn at any byte, whatever was synced: it need not be written down
 * that it goes. So it can be taken back on a full disk. */
static bool is_newest_append(const struct log *log, const struct plan *plan)
{
    return plan->cut.next_seq == log->newest_append_seq && plan->segment + 1 == log->segment_count;
}

static enum candor_code cut_files(struct log *log, const struct plan *plan, bool in_place,
                                  struct candor_error *err)
{
    enum candor_code code = cut_file(plan->fd, &plan->cut, log->segment_bytes, err);
    if (code != CANDOR_OK || in_place)
        return code;
    code = unlink_segments(log, plan->segment + 1, err);
    return code == CANDOR_OK ? remove_cut(log->dir_fd, err) : code;
}

static enum candor_code carry_out(struct log *log, struct plan *plan, struct candor_error *err)
{
    bool in_place = is_newest_append(log, plan);
    enum candor_code code = in_place ? CANDOR_OK : save_cut(log->dir_fd, &plan->cut, err);
    if (code != CANDOR_OK)
        return code;
    begin_cut(log);
    code = cut_files(log, plan, in_place, err);
    if (code == CANDOR_OK)
        code = adopt_plan(log, plan, err);
    return end_cut(log, code, err);
}

enum candor_code log_truncate(struct log *log, uint64_t to_seq, struct candor_error *err)
{
    enum candor_code code = log_check(log, err);
    if (code != CANDOR_OK || to_seq >= log_last(log))
        return code;
    if (to_seq + 1 < log_first(log))
        return candor_error_set(err, CANDOR_OUT_OF_RANGE, CANDOR_REASON_NONE,
                                "cannot truncate the log to seq %" PRIu64 ": it begins at %" PRIu64,
                                to_seq, log_first(log));
    struct plan plan;
    code = make_plan(log, to_seq, &plan, err);
    if (code == CANDOR_OK)
        code = carry_out(log, &plan, err);
    plan_free(&plan);
    return log_judge(log, code);
}

/* ---- reset ---- */

static void adopt_reset(struct log *log, struct segment *segment)
{
    log_drop_segments(log, 0, log->segment_count);
    log_add_segment(log, segment);
    log->epoch = (struct candor_epoch){0};
    log->chain = segment->before;
    log->synced_seq = segment->last_seq;
    log->newest_append_seq = 0;
}

static enum candor_code reset_files(struct log *log, struct segment *segment,
                                    struct candor_error *err)
{
    enum candor_code code = unlink_segments(log, 0, err);
    if (code == CANDOR_OK)
        code = segment_publish(log->dir_fd, segment, log->segment_bytes, err);
    return code == CANDOR_OK ? remove_cut(log->dir_fd, err) : code;
}

enum candor_code log_reset(struct log *log, uint64_t next_seq, struct chain before,
                           struct candor_error *err)
{
    struct cut cut = {.kind = CUT_RESET, .next_seq = next_seq, .before = before};
    struct segment *segment = NULL;
    ASSERT_U64(next_seq, >, 0);
    enum candor_code code = log_check(log, err);
    if (code == CANDOR_OK)
        code = segment_prepare(log->dir_fd, next_seq, before, &segment, err);
    if (code != CANDOR_OK)
        return log_judge(log, code);
    code = save_cut(log->dir_fd, &cut, err);
    if (code != CANDOR_OK) {
        segment_drop_prepared(log->dir_fd, segment);
        return log_judge(log, code);
    }
    begin_cut(log);
    code = reset_files(log, segment, err);
    if (code == CANDOR_OK)
        adopt_reset(log, segment);
    else
        segment_free(segment);
    return end_cut(log, code, err);
}

/* ---- trim ---- */

/* Removed while no reader is at it, and one by one: a crash between two must not leave a gap. */
static enum candor_code remove_oldest(struct log *log, struct candor_error *err)
{
    pthread_rwlock_wrlock(&log->files);
    enum candor_code code = unlink_segment(log->dir_fd, log->segments[0]->first_seq, err);
    if (code == CANDOR_OK) {
        pthread_mutex_lock(&log->index);
        log_drop_segments(log, 0, 1);
        log_publish(log);
        atomic_fetch_add(&log->cuts, 1);
        pthread_mutex_unlock(&log->index);
    }
    pthread_rwlock_unlock(&log->files);
    return code == CANDOR_OK ? sync_dir(log->dir_fd, err) : code;
}

enum candor_code log_trim(struct log *log, uint64_t upto_seq, struct candor_error *err)
{
    enum candor_code code = log_check(log, err);
    while (code == CANDOR_OK && log->segment_count > 1 && log->segments[0]->last_seq <= upto_seq)
        code = remove_oldest(log, err);
    return log_judge(log, code);
}
