/* The bytes of an open file. */
#include "disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int disk_open_at(int dir_fd, const char *name, int flags, int *out_fd)
{
    do
        *out_fd = openat(dir_fd, name, flags | O_CLOEXEC, DISK_FILE_MODE);
    while (*out_fd < 0 && errno == EINTR);
    return *out_fd >= 0 ? 0 : errno;
}

enum candor_code disk_open(const char *path, int flags, int *out_fd, struct candor_error *err)
{
    int failed = disk_open_at(AT_FDCWD, path, flags, out_fd);
    return failed == 0 ? CANDOR_OK : disk_find_failed(err, failed, "open", path);
}

/* `at` is NULL where the descriptor itself knows the place. */
static int write_all(int fd, struct slice bytes, const uint64_t *at)
{
    uint64_t done = 0;
    while (done < bytes.length) {
        size_t left = bytes.length - done;
        ssize_t n = at != NULL ? pwrite(fd, bytes.bytes + done, left, (off_t)(*at + done))
                               : write(fd, bytes.bytes + done, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return ENOSPC;
        done += (uint64_t)n;
    }
    return 0;
}

int disk_write_all(int fd, struct slice bytes, uint64_t at)
{
    return write_all(fd, bytes, &at);
}

int disk_append(int fd, struct slice bytes)
{
    return write_all(fd, bytes, NULL);
}

int disk_write_two(int fd, const struct slice parts[2], uint64_t at)
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
        int failed = disk_write_all(fd, rest, at + skip);
        if (failed != 0)
            return failed;
        done -= skip;
        at += parts[i].length;
    }
    return 0;
}

static int read_all(int fd, uint8_t *out, size_t length, const uint64_t *at, size_t *got)
{
    *got = 0;
    while (*got < length) {
        size_t left = length - *got;
        ssize_t n = at != NULL ? pread(fd, out + *got, left, (off_t)(*at + *got))
                               : read(fd, out + *got, left);
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

int disk_read(int fd, void *out, size_t length, uint64_t at, size_t *got)
{
    return read_all(fd, out, length, &at, got);
}

int disk_read_next(int fd, void *out, size_t length, size_t *got)
{
    return read_all(fd, out, length, NULL, got);
}

/* Never again after a failure: what it covered is in doubt (R3). */
enum candor_code disk_sync_file(int fd, const char *name, struct candor_error *err)
{
    return fdatasync(fd) == 0 ? CANDOR_OK : disk_sync_failed(err, errno, name);
}

int disk_preallocate(int fd, uint64_t from, uint64_t bytes)
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

int disk_size(int fd, uint64_t *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    *out = (uint64_t)st.st_size;
    return 0;
}
