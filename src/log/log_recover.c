/* log_open(): what a crash left is fixed, what a crash cannot have done is refused (R3, R65). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "disk/disk.h"
#include "log/log_internal.h"

/* ---- what is there ---- */

static int compare_seqs(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static int read_names(DIR *dir, uint64_t **seqs, uint32_t *count)
{
    uint32_t capacity = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        uint64_t seq;
        if (entry == NULL)
            return errno;
        if (!segment_name_parse(entry->d_name, &seq))
            continue;
        memory_grow(*seqs, capacity, *count + 1);
        (*seqs)[(*count)++] = seq;
    }
}

enum candor_code log_list(int dir_fd, uint64_t **out, uint32_t *count, struct candor_error *err)
{
    *out = NULL;
    *count = 0;
    /* Its own descriptor: closedir() closes it. */
    int fd;
    int failed = disk_open_at(dir_fd, ".", O_RDONLY | O_DIRECTORY, &fd);
    DIR *dir = failed == 0 ? fdopendir(fd) : NULL;
    if (failed == 0)
        failed = dir == NULL ? errno : read_names(dir, out, count);
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (failed != 0) {
        free(*out);
        *out = NULL;
        return disk_failed(err, failed, "list", "the log's directory");
    }
    if (*count > 0)
        qsort(*out, *count, sizeof **out, compare_seqs);
    return CANDOR_OK;
}

/* ---- the chain of headers ---- */

#define RECORDS_FOLLOW "valid records follow it"
#define WAS_DURABLE "the node knows that it was durable"

/* `older` ended where `newer` says: nothing is missing between them, and nothing was cut from
 * `older`. */
static enum candor_code check_link(const struct segment *older, const struct segment *newer,
                                   struct candor_error *err)
{
    char missing[SEGMENT_NAME_BYTES];
    if (newer->prev_first_seq != older->first_seq) {
        segment_name(newer->prev_first_seq, missing);
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "log segment %s is missing: %s follows it. Restore this node by "
                                "removing its data directory (it then copies the state from the "
                                "primary), or restore the file from a backup",
                                missing, newer->name);
    }
    if (newer->prev_bytes != older->file_bytes)
        return log_damaged(older->name, min_u64(newer->prev_bytes, older->file_bytes),
                           older->file_bytes < newer->prev_bytes ? "its end is missing"
                                                                 : "bytes were added to it",
                           RECORDS_FOLLOW, err);
    return CANDOR_OK;
}

static enum candor_code link_newest(struct log *log, struct candor_error *err)
{
    struct segment *newer = log_newest(log);
    struct segment *older = log->segments[log->segment_count - 2];
    enum candor_code code = check_link(older, newer, err);
    if (code != CANDOR_OK)
        return code;
    older->last_seq = newer->first_seq - 1;
    segment_close_file(older); /* whoever reads it opens it */
    return CANDOR_OK;
}

static enum candor_code open_segments(struct log *log, struct candor_error *err)
{
    uint64_t *seqs = NULL;
    uint32_t count = 0;
    enum candor_code code = log_list(log->dir_fd, &seqs, &count, err);
    ASSERT(code != CANDOR_OK || count == 0 || seqs != NULL);
    for (uint32_t i = 0; code == CANDOR_OK && i < count; i++) {
        struct segment *segment = NULL;
        code = segment_open(log->dir_fd, seqs[i], &segment, err);
        if (code != CANDOR_OK)
            break;
        log_add_segment(log, segment);
        if (i > 0)
            code = link_newest(log, err);
    }
    free(seqs);
    return code;
}

/* ---- the newest segment ---- */

/* After a failed sync the page cache may show bytes that the disk never took: they are dropped, so
 * that the scan sees what the disk has. */
static enum candor_code distrust_cache(const struct segment *segment, struct candor_error *err)
{
    enum candor_code code = disk_sync_file(segment->fd, segment->name, err);
    if (code == CANDOR_OK)
        (void)posix_fadvise(segment->fd, 0, 0, POSIX_FADV_DONTNEED);
    return code;
}

static enum candor_code cut_torn_tail(struct log *log, uint64_t torn_to,
                                      struct log_recovery *recovery, struct candor_error *err)
{
    struct segment *segment = log_newest(log);
    int failed =
        segment_zero_from(segment->fd, segment->tail,
                          max_u64(segment->file_bytes, log->segment_bytes), &segment->file_bytes);
    if (failed != 0)
        return disk_failed(err, failed, "cut the torn tail of log segment", segment->name);
    enum candor_code code = log_sync_newest(log, err);
    if (code != CANDOR_OK)
        return code;
    recovery->torn_bytes = torn_to - segment->tail;
    recovery->torn_offset = segment->tail;
    snprintf(recovery->torn_segment, sizeof recovery->torn_segment, "%s", segment->name);
    return CANDOR_OK;
}

/* The scan stopped at the tail: zeros, a torn append, or damage. */
static enum candor_code judge_tail(struct log *log, const char *why, struct log_recovery *recovery,
                                   struct candor_error *err)
{
    const struct segment *segment = log_newest(log);
    uint64_t torn_to = 0;
    bool was_durable = false;
    int failed =
        segment_look_behind(segment, segment->tail, segment->last_seq + 1, &torn_to, &was_durable);
    if (failed != 0)
        return disk_failed(err, failed, "read log segment", segment->name);
    if (was_durable || segment->last_seq < log->known_durable)
        return log_damaged(segment->name, segment->tail, why,
                           was_durable ? RECORDS_FOLLOW : WAS_DURABLE, err);
    if (torn_to == segment->tail)
        return CANDOR_OK;
    return cut_torn_tail(log, torn_to, recovery, err);
}

static enum scan_result scan_newest(struct log *log, struct segment_scan *scan)
{
    struct segment *segment = log_newest(log);
    struct batch batch;
    enum scan_result result;
    segment->last_seq = segment->first_seq - 1;
    segment->tail = SEGMENT_HEADER_BYTES;
    while ((result = segment_scan_next(scan, &batch)) == SCAN_BATCH) {
        segment->newest = (struct index_entry){batch.first_seq, scan->batch_at};
        segment_index_add(segment, segment->newest);
        segment->last_seq = batch_last_seq(&batch);
        segment->tail = scan->at;
    }
    log->epoch = scan->epoch;
    log->chain = scan->chain;
    return result;
}

static enum candor_code recover_newest(struct log *log, struct log_recovery *recovery,
                                       struct candor_error *err)
{
    struct segment *segment = log_newest(log);
    enum candor_code code = distrust_cache(segment, err);
    if (code != CANDOR_OK)
        return code;
    struct segment_scan scan =
        segment_scan_begin(segment, segment->fd, segment->entries[0], segment->file_bytes);
    enum scan_result result = scan_newest(log, &scan);
    if (result == SCAN_FAILED)
        code = disk_failed(err, scan.error_number, "read log segment", segment->name);
    else if (result == SCAN_DAMAGED)
        code = judge_tail(log, scan.why, recovery, err);
    segment_scan_free(&scan);
    if (code == CANDOR_OK && segment->last_seq < log->known_durable)
        code = log_damaged(segment->name, segment->tail, "its end is missing", WAS_DURABLE, err);
    log->synced_seq = segment->last_seq;
    return code;
}

/* ---- opening ---- */

static struct log *log_new(const struct log_options *options)
{
    struct log *log = memory_zeroed(1, sizeof *log);
    log->dir_fd = -1;
    log->lock_fd = -1;
    log->segment_bytes = options->segment_bytes == 0 ? LIMIT_SEGMENT_BYTES : options->segment_bytes;
    log->segment_bytes = max_u64(log->segment_bytes, SEGMENT_HEADER_BYTES);
    log->durability = options->durability;
    log->known_durable = options->durable_seq;

    /* Readers that never pause must not keep the writer from cutting. */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&log->files, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&log->index, NULL);
    return log;
}

static enum candor_code create_first(struct log *log, struct candor_error *err)
{
    struct segment *segment = NULL;
    struct chain none = {0};
    enum candor_code code =
        segment_create(log->dir_fd, 1, none, NULL, log->segment_bytes, &segment, err);
    if (code == CANDOR_OK)
        log_add_segment(log, segment);
    return code;
}

static enum candor_code open_files(struct log *log, const char *path, struct log_recovery *recovery,
                                   struct candor_error *err)
{
    enum candor_code code = disk_open_dir(path, &log->dir_fd, err);
    if (code != CANDOR_OK)
        return code;
    code = disk_lock(log->dir_fd, path, &log->lock_fd, err);
    if (code != CANDOR_OK)
        return code;
    code = log_redo_cut(log->dir_fd, log->segment_bytes, err);
    if (code != CANDOR_OK)
        return code;
    code = open_segments(log, err);
    if (code != CANDOR_OK)
        return code;
    if (log->segment_count > 0)
        return recover_newest(log, recovery, err);
    return log->known_durable > 0
               ? log_damaged(path, 0, "its segments are missing", WAS_DURABLE, err)
               : create_first(log, err);
}

enum candor_code log_open(const struct log_options *options, struct log **out,
                          struct log_recovery *recovery, struct candor_error *err)
{
    struct log_recovery unused;
    struct log *log = log_new(options);
    recovery = recovery == NULL ? &unused : recovery;
    *recovery = (struct log_recovery){0};
    *out = NULL;
    enum candor_code code = open_files(log, options->dir, recovery, err);
    if (code != CANDOR_OK) {
        log_close(log);
        return code;
    }
    log_publish(log);
    *out = log;
    return CANDOR_OK;
}
