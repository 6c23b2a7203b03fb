/* Directories, and the locks of files. */
#include "disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/logging.h"

/* ---- Directories ----------------------------------------------------------------------------- */

enum candor_code disk_path(char out[LIMIT_PATH_BYTES], const char *dir, const char *name,
                           struct candor_error *err)
{
    int wanted = snprintf(out, LIMIT_PATH_BYTES, "%s/%s", dir, name);
    if (wanted > 0 && wanted < LIMIT_PATH_BYTES)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                            "%s: the path is too long", dir);
}

static enum candor_code check_path(const char *path, struct candor_error *err)
{
    if (path[0] != '\0' && strlen(path) < LIMIT_PATH_BYTES)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                            "the path of a directory is empty or longer than %d bytes",
                            LIMIT_PATH_BYTES - 1);
}

int disk_sync_dir(int dir_fd)
{
    return fsync(dir_fd) == 0 ? 0 : errno;
}

static void parent_of(const char *path, char out[LIMIT_PATH_BYTES])
{
    snprintf(out, LIMIT_PATH_BYTES, "%s", path);
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        snprintf(out, LIMIT_PATH_BYTES, ".");
    /* "/x" stands in "/" */
    else
        slash[slash == out ? 1 : 0] = '\0';
}

enum candor_code disk_open_parent(const char *path, int *out_fd, struct candor_error *err)
{
    char parent[LIMIT_PATH_BYTES];
    parent_of(path, parent);
    return disk_open(parent, O_RDONLY | O_DIRECTORY, out_fd, err);
}

/* 0 when a directory was made, or somebody else made it meanwhile. */
static int make_dir(const char *path, unsigned mode, bool *made)
{
    struct stat st;
    *made = mkdir(path, mode) == 0;
    if (*made)
        return 0;
    int failed = errno;
    bool there = failed == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    return there ? 0 : failed;
}

/* A new directory lasts only when its parent's entry for it does. The parent is opened first: a
 * directory that was made, but could not be synced for want of a descriptor, would pass for an old
 * one the next time. */
static enum candor_code make_missing(const char *path, unsigned mode, struct candor_error *err)
{
    bool made = false;
    char parent[LIMIT_PATH_BYTES];
    parent_of(path, parent);
    int parent_fd;
    int failed = disk_open_at(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, &parent_fd);
    if (failed != 0)
        return disk_failed(err, failed, "make the directory", path);
    failed = make_dir(path, mode, &made);
    int not_synced = made ? disk_sync_dir(parent_fd) : 0;
    close(parent_fd);
    if (failed != 0)
        return disk_failed(err, failed, "make the directory", path);
    return not_synced == 0 ? CANDOR_OK : disk_sync_failed(err, not_synced, path);
}

enum candor_code disk_make_dir(const char *path, unsigned mode, struct candor_error *err)
{
    struct stat st;
    enum candor_code code = check_path(path, err);
    if (code != CANDOR_OK)
        return code;
    if (stat(path, &st) != 0)
        return make_missing(path, mode, err);
    return S_ISDIR(st.st_mode) ? CANDOR_OK : disk_failed(err, ENOTDIR, "make the directory", path);
}

enum candor_code disk_make_dirs(const char *path, unsigned mode, struct candor_error *err)
{
    char part[LIMIT_PATH_BYTES];
    enum candor_code code = check_path(path, err);
    for (size_t i = 1; code == CANDOR_OK && path[i] != '\0'; i++) {
        if (path[i] != '/' || path[i - 1] == '/')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        code = disk_make_dir(part, mode, err);
    }
    return code == CANDOR_OK ? disk_make_dir(path, mode, err) : code;
}

enum candor_code disk_open_dir(const char *path, int *out_fd, struct candor_error *err)
{
    enum candor_code code = disk_make_dirs(path, DISK_DIR_MODE, err);
    return code == CANDOR_OK ? disk_open(path, O_RDONLY | O_DIRECTORY, out_fd, err) : code;
}

/* ---- Locks ----------------------------------------------------------------------------------- */

int disk_try_lock(int fd)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

int disk_wait_lock(int fd, bool (*give_up)(void))
{
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR || (give_up != NULL && give_up()))
            return errno;
    return 0;
}

static enum candor_code lock_is_held(int fd, const char *path, struct candor_error *err)
{
    char text[24] = {0};
    size_t got = 0;
    long pid = disk_read(fd, text, sizeof text - 1, 0, &got) == 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                                "data directory %s is locked by pid %ld", path, pid);
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                            "data directory %s is locked by another process", path);
}

/* For people only: a full disk must not keep the node from its data. The spaces cover a longer
 * number without cutting the file, whose room might not be had again. */
static void leave_pid(int fd, const char *path)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%-10ld\n", (long)getpid());
    int failed = disk_write_all(fd, slice_of(text, (size_t)length), 0);
    if (failed != 0)
        log_warn("lock_without_pid", "path=%s/lock why=\"%s\"", path, strerror(failed));
}

enum candor_code disk_lock(int dir_fd, const char *path, int *out_fd, struct candor_error *err)
{
    int fd;
    int failed = disk_open_at(dir_fd, "lock", O_RDWR | O_CREAT, &fd);
    if (failed != 0)
        return disk_failed(err, failed, "open the lock file of", path);
    failed = disk_try_lock(fd);
    if (failed != 0) {
        enum candor_code code = failed == EWOULDBLOCK ? lock_is_held(fd, path, err)
                                                      : disk_failed(err, failed, "lock", path);
        close(fd);
        return code;
    }
    leave_pid(fd, path);
    *out_fd = fd;
    return CANDOR_OK;
}
