/* A log in a temporary directory: batches to append, records to expect, and a copy of its files at
 * every step, as a crash would leave them. For test_log.c. */
#ifndef UNIT_LOG_FIXTURE_H
#define UNIT_LOG_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "log/log.h"
#include "log/segment.h"
#include "log_faults.h"
#include "record/batch.h"
#include "shortage.h"

#define SMALL_SEGMENT (SEGMENT_HEADER_BYTES + 4096)

/* ---- directories ---- */

struct fixture {
    char dir[64];
    char other[64]; /* for copies */
    struct log *log;
    struct log_recovery recovery;
    uint64_t segment_bytes; /* SMALL_SEGMENT unless a test needs more */
};

static void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(d), entry->d_name, 0), 0);
    closedir(d);
}

static void copy_file(int from_dir, int to_dir, const char *name)
{
    static char chunk[1 << 16];
    int from = openat(from_dir, name, O_RDONLY);
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(from >= 0 && to >= 0);
    ssize_t n;
    while ((n = read(from, chunk, sizeof chunk)) > 0)
        assert_int_equal(write(to, chunk, (size_t)n), n);
    close(from);
    close(to);
}

static void copy_dir(const char *from, const char *to)
{
    mkdir(to, 0700);
    remove_files(to);
    DIR *d = opendir(from);
    int to_fd = open(to, O_RDONLY | O_DIRECTORY);
    assert_true(d != NULL && to_fd >= 0);
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            copy_file(dirfd(d), to_fd, entry->d_name);
    close(to_fd);
    closedir(d);
}

/* Copies of the directory, one for each step at which a crash may happen: see crash_point(). */
static struct {
    bool armed;
    const char *from;
    uint32_t points;
    char copies[64][96];
    int fail_fsync_at; /* 1: the next one; 0: none */
} crash;

static void remove_copies(void)
{
    crash.armed = false;
    crash.fail_fsync_at = 0;
    for (uint32_t i = 0; i < crash.points; i++) {
        remove_files(crash.copies[i]);
        rmdir(crash.copies[i]);
    }
    crash.points = 0;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-log-XXXXXX");
    snprintf(f->other, sizeof f->other, "/tmp/candor-log-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_non_null(mkdtemp(f->other));
    f->segment_bytes = SMALL_SEGMENT;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_close(f->log);
    remove_copies();
    remove_files(f->dir);
    remove_files(f->other);
    rmdir(f->dir);
    rmdir(f->other);
    free(f);
    return 0;
}

/* ---- opening ---- */

static struct log_options options_for(const char *dir)
{
    return (struct log_options){.dir = dir, .segment_bytes = SMALL_SEGMENT};
}

static enum candor_code try_open(struct fixture *f, const char *dir, struct candor_error *err)
{
    struct log_options options = options_for(dir);
    options.segment_bytes = f->segment_bytes;
    return log_open(&options, &f->log, &f->recovery, err);
}

static void open_dir(struct fixture *f, const char *dir)
{
    struct candor_error err = {0};
    log_close(f->log);
    if (try_open(f, dir, &err) != CANDOR_OK)
        fail_msg("%s: %s", candor_code_name(err.code), err.message);
}

static void open_log(struct fixture *f)
{
    open_dir(f, f->dir);
}

static void close_log(struct fixture *f)
{
    log_close(f->log);
    f->log = NULL;
}

/* ---- records ---- */

static struct candor_epoch epoch_of(uint64_t term)
{
    return (struct candor_epoch){.generation = 1, .term = term, .owner = node_id_of("a")};
}

/* A value that only depends on the seq, so that a record can be recognised wherever it is read. */
static void put_batch_sized(struct buffer *out, struct chain before, uint64_t term,
                            uint64_t first_seq, uint32_t count, size_t value_bytes)
{
    char *value = malloc(value_bytes + 1);
    assert_non_null(value);
    struct batch_writer writer = batch_begin(out, RECORD_WRITE, epoch_of(term), first_seq, before);
    for (uint32_t i = 0; i < count; i++) {
        memset(value, 'a' + (int)((first_seq + i) % 26), value_bytes);
        struct record_op op = {
            .kind = RECORD_PUT, .key = slice_of("key", 3), .value = slice_of(value, value_bytes)};
        struct record_write write = {
            .ack = CANDOR_ACK_LOCAL, .wall_ms = 1, .request = {.number = first_seq + i}};
        batch_add_write(&writer, &write, &op, 1);
    }
    batch_end(&writer);
    free(value);
}

/* What the next batch follows: those in `out`, or else the log's records. */
static struct chain behind(const struct log *log, const struct buffer *out)
{
    struct chain chain = log != NULL ? log_chain(log) : (struct chain){0};
    struct slice rest = buffer_slice(out);
    struct batch batch;
    while (rest.length > 0) {
        assert_int_equal(batch_decode(&rest, &batch, NULL), CANDOR_OK);
        chain = batch_chain(&batch, batch_last_seq(&batch));
    }
    return chain;
}

static void put_batch(struct buffer *out, const struct log *log, uint64_t first_seq, uint32_t count)
{
    put_batch_sized(out, behind(log, out), 7, first_seq, count, 10);
}

static enum candor_code try_append(struct log *log, uint32_t count, struct candor_error *err)
{
    struct buffer bytes = {0};
    put_batch(&bytes, log, log_last(log) + 1, count);
    enum candor_code code = log_append(log, buffer_slice(&bytes), err);
    buffer_free(&bytes);
    return code;
}

static void append(struct log *log, uint32_t count)
{
    struct candor_error err = {0};
    if (try_append(log, count, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

/* Batches of two, of another epoch than append()'s. */
static void append_epoch(struct log *log, uint64_t term, uint32_t batches)
{
    for (uint32_t i = 0; i < batches; i++) {
        struct buffer bytes = {0};
        put_batch_sized(&bytes, log_chain(log), term, log_last(log) + 1, 2, 10);
        assert_int_equal(log_append(log, buffer_slice(&bytes), NULL), CANDOR_OK);
        buffer_free(&bytes);
    }
}

static void append_many(struct log *log, uint32_t batches, uint32_t count)
{
    for (uint32_t i = 0; i < batches; i++)
        append(log, count);
}

/* Of a snapshot that a log is begun anew behind. */
static const struct chain of_snapshot = {31, 41};

/* The bytes must be whole batches that hold exactly the records `from` to `to`. */
static void assert_records(const struct buffer *bytes, uint64_t from, uint64_t to)
{
    struct slice rest = buffer_slice(bytes);
    uint64_t seq = from;
    while (rest.length > 0) {
        struct batch batch;
        struct candor_error err;
        if (batch_decode(&rest, &batch, &err) != CANDOR_OK)
            fail_msg("%s", err.message);
        assert_int_equal(batch.first_seq, seq);
        size_t cursor = 0;
        struct record record;
        while (batch_next(&batch, &cursor, &record)) {
            struct record_op op;
            assert_int_equal(record.seq, seq);
            assert_int_equal(record.request.number, seq);
            assert_true(record_op_next(&record.ops, &op));
            assert_int_equal(op.value.bytes[0], 'a' + seq % 26);
            seq++;
        }
    }
    assert_int_equal(seq, to + 1);
}

static void assert_reads(struct log *log, uint64_t from, uint64_t to)
{
    struct buffer bytes = {0};
    struct candor_error err = {0};
    if (log_read(log, from, to, SIZE_MAX, &bytes, &err) != CANDOR_OK)
        fail_msg("read %" PRIu64 "..%" PRIu64 ": %s", from, to, err.message);
    assert_records(&bytes, from, to);
    buffer_free(&bytes);
}

static void assert_holds(struct log *log, uint64_t first, uint64_t last)
{
    struct candor_error err = {0};
    assert_int_equal(log_first(log), first);
    assert_int_equal(log_last(log), last);
    if (last >= first)
        assert_reads(log, first, last);
    if (log_verify(log, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

/* ---- files from outside ---- */

static void segment_path(const char *dir, uint64_t first_seq, char out[128])
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(first_seq, name);
    snprintf(out, 128, "%s/%s", dir, name);
}

static bool segment_exists(const struct fixture *f, uint64_t first_seq)
{
    char path[128];
    segment_path(f->dir, first_seq, path);
    return access(path, F_OK) == 0;
}

static void flip_bit(const struct fixture *f, uint64_t first_seq, uint64_t at)
{
    char path[128];
    uint8_t byte;
    segment_path(f->dir, first_seq, path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* Where one append's file bytes end, relative to where they began: for appends of `count`
 * records. */
static uint64_t append_bytes(uint32_t count)
{
    struct buffer bytes = {0};
    put_batch(&bytes, NULL, 1, count);
    uint64_t length = bytes.length + SEGMENT_MARK_BYTES;
    buffer_free(&bytes);
    return length;
}

/* ---- snapshots at every step: these stand before those of the C library ----
 * Each call that changes or syncs files is a point where a crash may happen: when armed, the
 * directory is copied before the call, and each copy must open to what the test says. */

static void crash_point(void)
{
    if (!crash.armed)
        return;
    assert_true(crash.points < 64);
    char *copy = crash.copies[crash.points];
    snprintf(copy, sizeof crash.copies[0], "%s.%u", crash.from, crash.points);
    crash.points++;
    crash.armed = false;
    copy_dir(crash.from, copy);
    crash.armed = true;
}

int fdatasync(int fd)
{
    crash_point();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    crash_point();
    if (crash.fail_fsync_at > 0 && --crash.fail_fsync_at == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int unlinkat(int fd, const char *name, int flags)
{
    crash_point();
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    crash_point();
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int ftruncate(int fd, off_t length)
{
    crash_point();
    return (int)syscall(SYS_ftruncate, fd, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    crash_point();
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, length, at);
}

static atomic_uint_fast64_t bytes_read;

ssize_t pread(int fd, void *out, size_t length, off_t at)
{
    ssize_t n = (ssize_t)syscall(SYS_pread64, fd, out, length, at);
    atomic_fetch_add(&bytes_read, n > 0 ? (uint64_t)n : 0);
    return n;
}

static void arm(const struct fixture *f)
{
    crash.from = f->dir;
    crash.points = 0;
    crash.armed = true;
}

static void disarm(void)
{
    crash_point(); /* after the last step */
    crash.armed = false;
}

/* Every copy opens to `before` or `after` (first, last), and once `after` was seen never to
 * `before` again. */
static void assert_crashes_leave(struct fixture *f, const uint64_t before[2],
                                 const uint64_t after[2])
{
    bool done = false;
    for (uint32_t i = 0; i < crash.points; i++) {
        open_dir(f, crash.copies[i]);
        uint64_t first = log_first(f->log);
        uint64_t last = log_last(f->log);
        bool is_before = first == before[0] && last == before[1];
        bool is_after = first == after[0] && last == after[1];
        if (!is_before && !is_after)
            fail_msg("crash at step %u leaves %" PRIu64 "..%" PRIu64, i, first, last);
        if (done && !is_after)
            fail_msg("crash at step %u undoes what step %u had done", i, i - 1);
        done = done || is_after;
        assert_holds(f->log, first, last);
        append(f->log, 2);
        assert_holds(f->log, first, last + 2);
        open_dir(f, crash.copies[i]);
        assert_holds(f->log, first, last + 2);
        close_log(f);
        remove_files(crash.copies[i]);
        rmdir(crash.copies[i]);
    }
    assert_true(done);
}

#endif
