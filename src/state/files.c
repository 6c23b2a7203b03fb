#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/env.h"

bool path_join(char out[LIMIT_PATH_BYTES], const char *dir, const char *name)
{
    int wanted = snprintf(out, LIMIT_PATH_BYTES, "%s/%s", dir, name);
    return wanted > 0 && wanted < LIMIT_PATH_BYTES;
}

enum candor_code files_failed(const char *path, const char *what, struct candor_error *err)
{
    int number = errno;
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    enum candor_code code = full                                    ? CANDOR_RESOURCE_EXHAUSTED
                            : number == EACCES || number == EPERM   ? CANDOR_PERMISSION_DENIED
                            : number == ENOENT || number == ENOTDIR ? CANDOR_NOT_FOUND
                                                                    : CANDOR_DATA_LOSS;
    return candor_error_set(err, code, full ? CANDOR_REASON_DISK_FULL : CANDOR_REASON_NONE,
                            "%s: cannot %s: %s", path, what, strerror(number));
}

enum candor_code files_make_dir(const char *path, struct candor_error *err)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return CANDOR_OK;
    return files_failed(path, "make the directory", err);
}

enum candor_code files_sync(const char *path, struct candor_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return files_failed(path, "open", err);
    enum candor_code code = CANDOR_OK;
    if (fsync(fd) != 0) /* never retried: what it covered is in doubt (R3) */
        code = candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "%s: fsync failed: %s; the disk is not to be trusted", path,
                                strerror(errno));
    close(fd);
    return code;
}

static bool copy_bytes(int from, int to)
{
    enum { CHUNK = 1 << 20 };
    uint8_t *chunk = malloc(CHUNK);
    bool ok = chunk != NULL;
    while (ok) {
        ssize_t got = read(from, chunk, CHUNK);
        if (got <= 0) {
            ok = got == 0;
            break;
        }
        for (ssize_t done = 0; ok && done < got;) {
            ssize_t wrote = write(to, chunk + done, (size_t)(got - done));
            ok = wrote > 0;
            done += wrote;
        }
    }
    free(chunk);
    return ok;
}

enum candor_code files_copy(const char *from, const char *to, struct candor_error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return files_failed(from, "open", err);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    enum candor_code code = CANDOR_OK;
    if (out < 0 || !copy_bytes(in, out))
        code = files_failed(to, "write", err);
    if (out >= 0)
        close(out);
    close(in);
    return code == CANDOR_OK ? files_sync(to, err) : code;
}

void files_remove_dir(const char *path)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char file[LIMIT_PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (path_join(file, path, names[i]))
            unlink(file);
    rmdir(path);
}

static enum candor_code sync_parent(const char *path, struct candor_error *err)
{
    char parent[LIMIT_PATH_BYTES];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        return files_sync(".", err);
    *slash = '\0';
    return files_sync(parent, err);
}

enum candor_code files_swap_dir(const char *from, const char *to, struct candor_error *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return sync_parent(to, err);
    if (errno != EEXIST)
        return files_failed(to, "rename to", err);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0)
        return files_failed(to, "exchange (RENAME_EXCHANGE; the file system must support it)", err);
    enum candor_code code = sync_parent(to, err);
    files_remove_dir(from); /* what stood at `to` */
    return code;
}
