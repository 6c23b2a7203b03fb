/* System calls that a life ends at; what a lost machine takes along. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "storage.h"

/* The linker leads the code's system calls through here (--wrap), and a life can end before any of
 * them, or in the middle of a write. Bytes of the log that were written and not synced are
 * remembered: a lost machine may take them. */

/* ---- Where a life ends ----------------------------------------------------------------------- */

static bool is_due(void)
{
    return world != NULL && world->crash_in > 0 && --world->crash_in == 0;
}

static _Noreturn void die(const char *call)
{
    TRACE("crash in %s\n", call);
    _exit(EXIT_CRASHED);
}

static void crash_point(const char *call)
{
    if (is_due())
        die(call);
}

/* The draw does not depend on the length: a process id has more digits here than there. */
static size_t part_of(size_t length)
{
    return length * between(0, 16) / 16;
}

/* ---- What fails ------------------------------------------------------------------------------ */

static bool sync_fails(void)
{
    bool fails = world != NULL && world->fail_in > 0 && --world->fail_in == 0;
    if (fails) {
        TRACE("a sync fails\n");
        world->failed = true;
        errno = EIO;
    }
    return fails;
}

/* ---- What is not synced ---------------------------------------------------------------------- */

/* False: no file of the log. */
static bool log_path(int fd, char out[160])
{
    char link[40];
    if (world == NULL)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, 159);
    if (length <= 0)
        return false;
    out[length] = '\0';
    return strstr(out, "/data/log/") != NULL;
}

static void note_written(int fd, uint64_t at, uint64_t bytes)
{
    char path[160];
    if (bytes == 0 || !log_path(fd, path) || world->unsynced_count == UNSYNCED)
        return;
    struct unsynced *unsynced = &world->unsynced[world->unsynced_count++];
    memcpy(unsynced->path, path, sizeof path);
    unsynced->from = at;
    unsynced->to = at + bytes;
}

static void note_synced(int fd)
{
    char path[160];
    if (!log_path(fd, path))
        return;
    uint32_t left = 0;
    for (uint32_t i = 0; i < world->unsynced_count; i++)
        if (strcmp(world->unsynced[i].path, path) != 0)
            world->unsynced[left++] = world->unsynced[i];
    world->unsynced_count = left;
}

void crash_forget_unsynced(void)
{
    world->unsynced_count = 0;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* A full disk takes a part, now and then. */
static bool has_no_room(int fd)
{
    char path[160];
    return world != NULL && world->room == LOG_FULL && log_path(fd, path);
}

#define WRAP(result, name, ...)                                                                    \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

WRAP(ssize_t, pwrite, int fd, const void *bytes, size_t length, off_t at)
{
    bool due = is_due();
    if (has_no_room(fd) && chance(60)) {
        errno = ENOSPC;
        return -1;
    }
    if (due || has_no_room(fd))
        length = part_of(length);
    ssize_t wrote = length == 0 ? 0 : __real_pwrite(fd, bytes, length, at);
    note_written(fd, (uint64_t)at, wrote > 0 ? (uint64_t)wrote : 0);
    if (due)
        die("pwrite");
    return wrote;
}

WRAP(ssize_t, pwritev, int fd, const struct iovec *parts, int count, off_t at)
{
    bool due = is_due();
    struct iovec cut = parts[0];
    if (has_no_room(fd)) {
        errno = ENOSPC;
        return -1;
    }
    /* a part of the first part; the second may be there without it, once the machine is lost */
    if (due)
        cut.iov_len = part_of(cut.iov_len);
    ssize_t wrote =
        due && chance(50) ? __real_pwritev(fd, &cut, 1, at) : __real_pwritev(fd, parts, count, at);
    note_written(fd, (uint64_t)at, wrote > 0 ? (uint64_t)wrote : 0);
    if (due)
        die("pwritev");
    return wrote;
}

WRAP(ssize_t, write, int fd, const void *bytes, size_t length)
{
    if (fd == STDERR_FILENO) /* log lines: a seed is the same with --trace and without */
        return __real_write(fd, bytes, length);
    bool due = is_due();
    ssize_t wrote = __real_write(fd, bytes, due ? part_of(length) : length);
    if (due)
        die("write");
    return wrote;
}

WRAP(int, fdatasync, int fd)
{
    crash_point("fdatasync");
    if (mutated(MUTATION_LOG_NOT_SYNCED))
        return 0;
    if (sync_fails())
        return -1;
    int rc = __real_fdatasync(fd);
    note_synced(fd);
    return rc;
}

WRAP(int, fsync, int fd)
{
    crash_point("fsync");
    return sync_fails() ? -1 : __real_fsync(fd);
}

WRAP(int, ftruncate, int fd, off_t length)
{
    crash_point("ftruncate");
    return __real_ftruncate(fd, length);
}

WRAP(int, rename, const char *from, const char *to)
{
    crash_point("rename");
    return __real_rename(from, to);
}

WRAP(int, renameat, int from_dir, const char *from, int to_dir, const char *to)
{
    crash_point("renameat");
    return __real_renameat(from_dir, from, to_dir, to);
}

WRAP(int, renameat2, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    crash_point("renameat2");
    return __real_renameat2(from_dir, from, to_dir, to, flags);
}

WRAP(int, unlink, const char *path)
{
    crash_point("unlink");
    return __real_unlink(path);
}

WRAP(int, unlinkat, int dir, const char *path, int flags)
{
    crash_point("unlinkat");
    return __real_unlinkat(dir, path, flags);
}

WRAP(int, mdb_txn_commit, MDB_txn *txn)
{
    crash_point("mdb_txn_commit");
    if (world == NULL || world->room != STATE_FULL)
        return __real_mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return MDB_MAP_FULL;
}

/* ---- A lost machine -------------------------------------------------------------------------- */

enum { SECTOR = 512 };

/* Written and not synced: there, gone, or there in part. Sectors that older bytes share are the
 * disk's to keep. */
static void lose(const struct unsynced *unsynced)
{
    static const uint8_t zeros[SECTOR];
    uint8_t noise[SECTOR];
    struct stat st;
    int fd = open(unsynced->path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    bool all = chance(40);
    if (fstat(fd, &st) != 0)
        st.st_size = 0;
    uint64_t end = min_u64(unsynced->to, (uint64_t)st.st_size);
    for (uint64_t at = unsynced->from; at < end; at += SECTOR) {
        size_t length = (size_t)min_u64(SECTOR, end - at);
        for (size_t i = 0; i < length; i++)
            noise[i] = (uint8_t)rng_next(&world->rng);
        if (!all && chance(50))
            continue;
        (void)!__real_pwrite(fd, chance(80) ? zeros : noise, length, (off_t)at);
    }
    close(fd);
}

static void trash(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t noise[4096];
    if (fd < 0)
        return;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)rng_next(&world->rng);
    for (off_t at = 0; at < 16 * (off_t)sizeof noise; at += (off_t)sizeof noise)
        (void)!__real_pwrite(fd, noise, sizeof noise, at);
    close(fd);
}

/* What was not synced may be gone, and the state was never synced: it must not be trusted. */
void crash_lose_machine(void)
{
    struct hard_state hard;
    struct candor_error err = {0};
    char path[256];
    TRACE("the machine is lost, %u places were not synced\n", world->unsynced_count);
    /* it has not begun yet */
    if (hard_state_load(world->data, &hard, &err) != CANDOR_OK)
        return;
    for (uint32_t i = 0; i < world->unsynced_count; i++)
        lose(&world->unsynced[i]);
    world->unsynced_count = 0;
    hard.clean_shutdown = false;
    snprintf(hard.os_boot_id, sizeof hard.os_boot_id, "another");
    if (hard_state_save(world->data, &hard, &err) != CANDOR_OK)
        note_violation("hard state: %s", err.message);
    snprintf(path, sizeof path, "%s/state/current/data.mdb", world->data);
    trash(path);
}
