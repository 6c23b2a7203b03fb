#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/disk_error.h"

enum candor_code file_error(struct candor_error *err, int error_number, const char *what,
                            const char *name)
{
    return candor_error_set(err, disk_error_code(error_number), disk_error_reason(error_number),
                            "cannot %s %s: %s", what, name, strerror(error_number));
}

enum candor_code file_sync_error(struct candor_error *err, int error_number, const char *name)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s could not be made durable: %s. The disk may have lost what was "
                            "written; check it before this node is started again",
                            name, strerror(error_number));
}

int file_write_all(int fd, struct slice bytes, uint64_t at)
{
    while (bytes.length > 0) {
        ssize_t n = pwrite(fd, bytes.bytes, bytes.length, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return ENOSPC;
        bytes = slice_of(bytes.bytes + n, bytes.length - (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

int file_write_two(int fd, const struct slice parts[2], uint64_t at)
{
    struct iovec iov[2] = {
        {.iov_base = (void *)(uintptr_t)parts[0].bytes, .iov_len = parts[0].length},
        {.iov_base = (void *)(uintptr_t)parts[1].bytes, .iov_len = parts[1].length},
    };
    ssize_t n = pwritev(fd, iov, 2, (off_t)at);
    if (n < 0 && errno != EINTR)
        return errno;

    size_t done = n < 0 ? 0 : (size_t)n;
    for (int i = 0; i < 2; i++) {
        size_t skip = (size_t)min_u64(done, parts[i].length);
        struct slice rest = slice_of(parts[i].bytes + skip, parts[i].length - skip);
        int failed = file_write_all(fd, rest, at + skip);
        if (failed != 0)
            return failed;
        done -= skip;
        at += parts[i].length;
    }
    return 0;
}

int file_read(int fd, void *out, size_t length, uint64_t at, size_t *got)
{
    uint8_t *to = out;
    *got = 0;
    while (*got < length) {
        ssize_t n = pread(fd, to + *got, length - *got, (off_t)(at + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

int file_preallocate(int fd, uint64_t from, uint64_t bytes)
{
    off_t at = (off_t)from;
    off_t length = (off_t)(bytes - from);
    if (bytes <= from)
        return 0;
    while (fallocate(fd, 0, at, length) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
            return errno;
        int failed = posix_fallocate(fd, at, length);
        if (failed != EOPNOTSUPP && failed != EINVAL)
            return failed;
        /* No room is kept: an append may meet a full disk, and says so then. */
        return ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
    }
    return 0;
}

int file_size(int fd, uint64_t *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    *out = (uint64_t)st.st_size;
    return 0;
}

int dir_sync(int dir_fd)
{
    return fsync(dir_fd) == 0 ? 0 : errno;
}

static int open_parent(const char *path)
{
    char parent[LIMIT_PATH_BYTES];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        snprintf(parent, sizeof parent, ".");
    else
        slash[slash == parent ? 1 : 0] = '\0';
    return open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A new directory lasts only when its parent's entry for it does. The parent is opened first: a directory that was
 * made, but could not be synced for want of a descriptor, would pass for an old one the next time. */
static int make_one(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    int parent = open_parent(path);
    if (parent < 0)
        return errno;
    int failed = mkdir(path, 0750) == 0 ? dir_sync(parent) : errno;
    close(parent);
    return failed == EEXIST ? 0 : failed;
}

static int make_all(const char *path)
{
    char part[LIMIT_PATH_BYTES];
    for (size_t i = 1; path[i] != '\0'; i++) {
        if (path[i] != '/' || path[i - 1] == '/')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        int failed = make_one(part);
        if (failed != 0)
            return failed;
    }
    return make_one(path);
}

enum candor_code dir_open(const char *path, int *out_fd, struct candor_error *err)
{
    if (path[0] == '\0' || strlen(path) >= LIMIT_PATH_BYTES)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "the data directory's path is empty or too long");
    *out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_fd < 0 && errno == ENOENT) {
        int failed = make_all(path);
        if (failed != 0)
            return file_error(err, failed, "make directory", path);
        *out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return *out_fd >= 0 ? CANDOR_OK : file_error(err, errno, "open directory", path);
}

static enum candor_code lock_is_held(int fd, const char *path, struct candor_error *err)
{
    char text[24] = {0};
    size_t got = 0;
    long pid = file_read(fd, text, sizeof text - 1, 0, &got) == 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                                "data directory %s is in use by process %ld", path, pid);
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                            "data directory %s is in use by another process", path);
}

enum candor_code dir_lock(int dir_fd, const char *path, int *out_fd, struct candor_error *err)
{
    int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return file_error(err, errno, "open the lock file of", path);

    enum candor_code code = CANDOR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        code = errno == EWOULDBLOCK ? lock_is_held(fd, path, err)
                                    : file_error(err, errno, "lock", path);
        close(fd);
        return code;
    }
    /* For people only: a full disk must not keep the node from its data. */
    char text[24];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0)
        (void)file_write_all(fd, slice_of(text, (size_t)length), 0);
    *out_fd = fd;
    return CANDOR_OK;
}

/* The temporary file holds `bytes`, durably, or is gone. */
static enum candor_code write_temporary(int dir_fd, const char *temporary, struct slice bytes,
                                        struct candor_error *err)
{
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return file_error(err, errno, "create", temporary);

    enum candor_code code = CANDOR_OK;
    int failed = file_write_all(fd, bytes, 0);
    if (failed != 0)
        code = file_error(err, failed, "write", temporary);
    else if (fdatasync(fd) != 0)
        code = file_sync_error(err, errno, temporary);
    close(fd);
    if (code != CANDOR_OK)
        (void)unlinkat(dir_fd, temporary, 0);
    return code;
}

enum candor_code file_replace(int dir_fd, const char *name, struct slice bytes,
                              struct candor_error *err)
{
    char temporary[80];
    snprintf(temporary, sizeof temporary, "%s.tmp", name);
    enum candor_code code = write_temporary(dir_fd, temporary, bytes, err);
    if (code != CANDOR_OK)
        return code;
    if (renameat(dir_fd, temporary, dir_fd, name) != 0) {
        code = file_error(err, errno, "rename", temporary);
        (void)unlinkat(dir_fd, temporary, 0);
        return code;
    }
    int failed = dir_sync(dir_fd);
    return failed == 0 ? CANDOR_OK : file_sync_error(err, failed, name);
}

/* The spare file holds `bytes`, durably. Not truncated before: its room is what it is kept for. */
static enum candor_code write_spare(int dir_fd, const char *spare, struct slice bytes,
                                    struct candor_error *err)
{
    int fd = openat(dir_fd, spare, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return file_error(err, errno, "open", spare);
    enum candor_code code = CANDOR_OK;
    int failed = file_write_all(fd, bytes, 0);
    if (failed == 0 && ftruncate(fd, (off_t)bytes.length) != 0)
        failed = errno;
    if (failed != 0)
        code = file_error(err, failed, "write", spare);
    else if (fdatasync(fd) != 0)
        code = file_sync_error(err, errno, spare);
    close(fd);
    return code;
}

/* Where the names cannot be exchanged, or there is only one file yet, the spare one is used up. */
static int rename_spare(int dir_fd, const char *spare, const char *name, bool *used_up)
{
    *used_up = false;
    if (renameat2(dir_fd, spare, dir_fd, name, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != ENOENT && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return errno;
    *used_up = true;
    return renameat(dir_fd, spare, dir_fd, name) == 0 ? 0 : errno;
}

enum candor_code file_take_turns(int dir_fd, const char *name, struct slice bytes,
                                 struct candor_error *err)
{
    char spare[80];
    bool used_up = false;
    snprintf(spare, sizeof spare, "%s.spare", name);
    enum candor_code code = write_spare(dir_fd, spare, bytes, err);
    if (code != CANDOR_OK)
        return code;
    int failed = rename_spare(dir_fd, spare, name, &used_up);
    if (failed != 0)
        return file_error(err, failed, "rename", spare);
    failed = dir_sync(dir_fd);
    if (failed != 0)
        return file_sync_error(err, failed, name);
    /* A new one while there is room; without, the next save tries again. Its failed sync is the disk's all the same. */
    struct candor_error no_spare = {0};
    if (used_up && write_spare(dir_fd, spare, bytes, &no_spare) == CANDOR_DATA_LOSS)
        return candor_error_set(err, CANDOR_DATA_LOSS, no_spare.reason, "%s", no_spare.message);
    return CANDOR_OK;
}

enum candor_code file_load(int dir_fd, const char *name, size_t most_bytes, struct buffer *out,
                           struct candor_error *err)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "there is no %s", name);
    if (fd < 0)
        return file_error(err, errno, "open", name);

    enum candor_code code = CANDOR_OK;
    uint64_t bytes = 0;
    size_t got = 0;
    int failed = file_size(fd, &bytes);
    if (failed == 0 && bytes > most_bytes)
        code = candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED,
                                "%s is damaged: it is too long", name);
    else if (failed == 0)
        failed = file_read(fd, buffer_grow(out, (size_t)bytes), (size_t)bytes, 0, &got);
    if (failed != 0)
        code = file_error(err, failed, "read", name);
    else if (code == CANDOR_OK && got != bytes)
        code = candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED,
                                "%s is damaged: it became shorter while it was read", name);
    close(fd);
    return code;
}
