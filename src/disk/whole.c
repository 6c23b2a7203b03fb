/* Files that are read, replaced, copied and exchanged whole. */
#include "disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum candor_code disk_sync(const char *path, struct candor_error *err)
{
    int fd = -1;
    enum candor_code code = disk_open(path, O_RDONLY, &fd, err);
    if (code != CANDOR_OK)
        return code;
    if (fsync(fd) != 0) /* never again: what it covered is in doubt (R3) */
        code = disk_sync_failed(err, errno, path);
    close(fd);
    return code;
}

/* ---- Writing --------------------------------------------------------------------------------- */

enum candor_code disk_write(int dir_fd, const char *name, struct slice bytes,
                            struct candor_error *err)
{
    int fd;
    int failed = disk_open_at(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, &fd);
    if (failed != 0)
        return disk_failed(err, failed, "create", name);

    enum candor_code code = CANDOR_OK;
    failed = disk_write_all(fd, bytes, 0);
    if (failed != 0)
        code = disk_failed(err, failed, "write", name);
    else
        code = disk_sync_file(fd, name, err);
    close(fd);
    if (code != CANDOR_OK)
        (void)unlinkat(dir_fd, name, 0);
    return code;
}

enum candor_code disk_rename(int dir_fd, const char *from, const char *to, struct candor_error *err)
{
    if (renameat(dir_fd, from, dir_fd, to) != 0)
        return disk_failed(err, errno, "rename", from);
    int failed = disk_sync_dir(dir_fd);
    return failed == 0 ? CANDOR_OK : disk_sync_failed(err, failed, to);
}

static enum candor_code replace_by(int dir_fd, const char *temporary, const char *name,
                                   struct slice bytes, struct candor_error *err)
{
    enum candor_code code = disk_write(dir_fd, temporary, bytes, err);
    if (code != CANDOR_OK)
        return code;
    code = disk_rename(dir_fd, temporary, name, err);
    if (code != CANDOR_OK) /* still there when the rename itself failed */
        (void)unlinkat(dir_fd, temporary, 0);
    return code;
}

enum candor_code disk_replace(int dir_fd, const char *name, struct slice bytes,
                              struct candor_error *err)
{
    char temporary[80];
    snprintf(temporary, sizeof temporary, "%s.tmp", name);
    return replace_by(dir_fd, temporary, name, bytes, err);
}

enum candor_code disk_replace_shared(const char *path, struct slice bytes, struct candor_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char temporary[NAME_MAX + 1];
    int dir_fd = -1;
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", name, (long)getpid()) >= NAME_MAX)
        return disk_failed(err, ENAMETOOLONG, "replace", path);
    enum candor_code code = disk_open_parent(path, &dir_fd, err);
    if (code != CANDOR_OK)
        return code;
    code = replace_by(dir_fd, temporary, name, bytes, err);
    close(dir_fd);
    return code;
}

/* The spare file holds `bytes`, durably. Not truncated before: its room is what it is kept for. */
static enum candor_code write_spare(int dir_fd, const char *spare, struct slice bytes,
                                    struct candor_error *err)
{
    int fd;
    int failed = disk_open_at(dir_fd, spare, O_WRONLY | O_CREAT, &fd);
    if (failed != 0)
        return disk_failed(err, failed, "open", spare);
    enum candor_code code = CANDOR_OK;
    failed = disk_write_all(fd, bytes, 0);
    if (failed == 0 && ftruncate(fd, (off_t)bytes.length) != 0)
        failed = errno;
    if (failed != 0)
        code = disk_failed(err, failed, "write", spare);
    else
        code = disk_sync_file(fd, spare, err);
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

enum candor_code disk_take_turns(int dir_fd, const char *name, struct slice bytes,
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
        return disk_failed(err, failed, "rename", spare);
    failed = disk_sync_dir(dir_fd);
    if (failed != 0)
        return disk_sync_failed(err, failed, name);
    /* A new one while there is room; without, the next save tries again. Its failed sync is the
     * disk's all the same. */
    struct candor_error no_spare = {0};
    if (used_up && write_spare(dir_fd, spare, bytes, &no_spare) == CANDOR_DATA_LOSS)
        return candor_error_set(err, CANDOR_DATA_LOSS, no_spare.reason, "%s", no_spare.message);
    return CANDOR_OK;
}

enum candor_code disk_load(int dir_fd, const char *name, size_t most_bytes, struct buffer *out,
                           struct candor_error *err)
{
    int fd;
    int failed = disk_open_at(dir_fd, name, O_RDONLY, &fd);
    if (failed == ENOENT)
        return candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "there is no %s", name);
    if (failed != 0)
        return disk_failed(err, failed, "open", name);

    enum candor_code code = CANDOR_OK;
    uint64_t bytes = 0;
    size_t got = 0;
    failed = disk_size(fd, &bytes);
    if (failed == 0 && bytes > most_bytes)
        code = candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED,
                                "%s is damaged: it is too long", name);
    else if (failed == 0)
        failed = disk_read(fd, buffer_grow(out, (size_t)bytes), (size_t)bytes, 0, &got);
    if (failed != 0)
        code = disk_failed(err, failed, "read", name);
    else if (code == CANDOR_OK && got != bytes)
        code = candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED,
                                "%s is damaged: it became shorter while it was read", name);
    close(fd);
    return code;
}

/* ---- Copying and exchanging ------------------------------------------------------------------ */

static enum candor_code copy_bytes(int in, const char *from, int out, const char *to,
                                   struct candor_error *err)
{
    enum { CHUNK_BYTES = 1 << 20 };
    uint8_t *chunk = malloc(CHUNK_BYTES);
    if (chunk == NULL) /* a shortage like any other: the copy can be made later */
        return disk_failed(err, ENOMEM, "copy", from);
    enum candor_code code = CANDOR_OK;
    size_t got = CHUNK_BYTES;
    while (code == CANDOR_OK && got == CHUNK_BYTES) {
        int failed = disk_read_next(in, chunk, CHUNK_BYTES, &got);
        if (failed != 0)
            code = disk_failed(err, failed, "read", from);
        else if ((failed = disk_append(out, slice_of(chunk, got))) != 0)
            code = disk_failed(err, failed, "write", to);
    }
    free(chunk);
    if (code == CANDOR_OK && fsync(out) != 0)
        code = disk_sync_failed(err, errno, to);
    return code;
}

enum candor_code disk_copy(const char *from, const char *to, struct candor_error *err)
{
    int in = -1;
    int out = -1;
    enum candor_code code = disk_open(from, O_RDONLY, &in, err);
    if (code == CANDOR_OK)
        code = disk_open(to, O_WRONLY | O_CREAT | O_TRUNC, &out, err);
    if (code == CANDOR_OK)
        code = copy_bytes(in, from, out, to, err);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return code;
}

enum candor_code disk_swap(int parent_fd, const char *from, const char *to,
                           struct candor_error *err)
{
    int failed = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
    if (failed != 0 && failed != EEXIST)
        return disk_find_failed(err, failed, "rename to", to);
    if (failed == EEXIST && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0)
        return disk_find_failed(
            err, errno, "exchange (by RENAME_EXCHANGE, which the file system must know)", to);
    failed = disk_sync_dir(parent_fd);
    return failed == 0 ? CANDOR_OK : disk_sync_failed(err, failed, to);
}
