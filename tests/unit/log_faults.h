/* Faults of a log's disk. The functions of src/log and src/disk that reach the disk are wrapped at
 * link time (CMakeLists.txt names the tests): the log itself knows nothing of it. */
#ifndef UNIT_LOG_FAULTS_H
#define UNIT_LOG_FAULTS_H

#include <errno.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "disk/disk.h"
#include "log/log_internal.h"

struct log_fault { /* set by any thread */
    _Atomic(struct log *) log;
    _Atomic int dir_fd; /* the log's: a log of another node may be closed meanwhile */
    _Atomic uint64_t after_bytes;
    _Atomic int error_number; /* 0: none */
    _Atomic bool fail_sync;
    _Atomic uint64_t met; /* times that there was no room for a file */
};

static struct log_fault log_faults[8];

static struct log_fault *log_fault_of(const struct log *log)
{
    for (size_t i = 0; i < sizeof log_faults / sizeof log_faults[0]; i++)
        if (atomic_load(&log_faults[i].log) == log)
            return &log_faults[i];
    return NULL;
}

/* The next `after_bytes` of appends succeed, then the write fails with `error_number` (ENOSPC,
 * EIO); error_number 0 ends it. fdatasync fails with EIO when `fail_sync`. Where a file is to be
 * made, for a segment or a cut, there is no room once the bytes are used up. Closing the log ends
 * all of it. */
static inline void log_inject_fault(struct log *log, uint64_t after_bytes, int error_number,
                                    bool fail_sync)
{
    struct log_fault *fault = log_fault_of(log);
    if (fault == NULL)
        fault = log_fault_of(NULL);
    ASSERT(fault != NULL);
    fault->after_bytes = after_bytes;
    fault->fail_sync = fail_sync;
    fault->error_number = error_number;
    fault->dir_fd = log->dir_fd;
    fault->log = log; /* last: it switches a new one on */
}

/* How often there was no room for a file, since the first fault of this log. */
static inline uint64_t log_faults_met(const struct log *log)
{
    const struct log_fault *fault = log_fault_of(log);
    return fault == NULL ? 0 : fault->met;
}

/* An errno where no file can be made; 0: it can. */
static int log_no_room(struct log_fault *fault)
{
    if (fault == NULL || fault->error_number == 0 || fault->after_bytes > 0)
        return 0;
    fault->met++;
    return fault->error_number;
}

static struct log_fault *log_fault_at(int dir_fd)
{
    for (size_t i = 0; i < sizeof log_faults / sizeof log_faults[0]; i++) {
        struct log_fault *fault = &log_faults[i];
        if (atomic_load(&fault->log) != NULL && atomic_load(&fault->dir_fd) == dir_fd)
            return fault;
    }
    return NULL;
}

/* ---- In front of what reaches the disk ------------------------------------------------------- */

void __real_log_close(struct log *log);
void __wrap_log_close(struct log *log);
void __wrap_log_close(struct log *log)
{
    struct log_fault *fault = log == NULL ? NULL : log_fault_of(log);
    if (fault != NULL) {
        fault->log = NULL; /* another one may get this address */
        fault->met = 0;
    }
    __real_log_close(log);
}

static int write_some(struct log_fault *fault, int fd, struct slice bytes, uint64_t at)
{
    size_t passes = (size_t)min_u64(bytes.length, fault->after_bytes);
    fault->after_bytes -= passes;
    int failed = disk_write_all(fd, slice_of(bytes.bytes, passes), at);
    return failed == 0 && passes < bytes.length ? fault->error_number : failed;
}

int __real_log_write_append(const struct log *log, const uint8_t *mark, struct slice batches);
int __wrap_log_write_append(const struct log *log, const uint8_t *mark, struct slice batches);
int __wrap_log_write_append(const struct log *log, const uint8_t *mark, struct slice batches)
{
    struct log_fault *fault = log_fault_of(log);
    const struct segment *newest = log_newest(log);
    if (fault == NULL || fault->error_number == 0)
        return __real_log_write_append(log, mark, batches);
    int failed = write_some(fault, newest->fd, slice_of(mark, SEGMENT_MARK_BYTES), newest->tail);
    if (failed == 0)
        failed = write_some(fault, newest->fd, batches, newest->tail + SEGMENT_MARK_BYTES);
    return failed;
}

enum candor_code __real_log_sync_newest(const struct log *log, struct candor_error *err);
enum candor_code __wrap_log_sync_newest(const struct log *log, struct candor_error *err);
enum candor_code __wrap_log_sync_newest(const struct log *log, struct candor_error *err)
{
    const struct log_fault *fault = log_fault_of(log);
    if (fault != NULL && fault->fail_sync)
        return disk_sync_failed(err, EIO, log_newest(log)->name);
    return __real_log_sync_newest(log, err);
}

enum candor_code __real_segment_create(int dir_fd, uint64_t first_seq, struct chain before,
                                       const struct segment *previous, uint64_t file_bytes,
                                       struct segment **out, struct candor_error *err);
enum candor_code __wrap_segment_create(int dir_fd, uint64_t first_seq, struct chain before,
                                       const struct segment *previous, uint64_t file_bytes,
                                       struct segment **out, struct candor_error *err);
enum candor_code __wrap_segment_create(int dir_fd, uint64_t first_seq, struct chain before,
                                       const struct segment *previous, uint64_t file_bytes,
                                       struct segment **out, struct candor_error *err)
{
    int failed = log_no_room(log_fault_at(dir_fd));
    if (failed != 0)
        return disk_failed(err, failed, "create log segment", "of a test");
    return __real_segment_create(dir_fd, first_seq, before, previous, file_bytes, out, err);
}

enum candor_code __real_disk_replace(int dir_fd, const char *name, struct slice bytes,
                                     struct candor_error *err);
enum candor_code __wrap_disk_replace(int dir_fd, const char *name, struct slice bytes,
                                     struct candor_error *err);
enum candor_code __wrap_disk_replace(int dir_fd, const char *name, struct slice bytes,
                                     struct candor_error *err)
{
    int failed = log_no_room(log_fault_at(dir_fd));
    return failed != 0 ? disk_failed(err, failed, "write", name)
                       : __real_disk_replace(dir_fd, name, bytes, err);
}

int __real_log_write_room(const struct log *log, uint64_t file_bytes);
int __wrap_log_write_room(const struct log *log, uint64_t file_bytes);
int __wrap_log_write_room(const struct log *log, uint64_t file_bytes)
{
    int failed = log_no_room(log_fault_of(log));
    return failed != 0 ? failed : __real_log_write_room(log, file_bytes);
}

#endif
