#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/disk_error.h"
#include "base/memory.h"
#include "state/env.h"

bool path_join(char out[LIMIT_PATH_BYTES], const char *dir, const char *name)
{
    int wanted = snprintf(out, LIMIT_PATH_BYTES, "%s/%s", dir, name);
    return wanted > 0 && wanted < LIMIT_PATH_BYTES;
}

enum candor_code files_failed(const char *path, const char *what, struct candor_error *err)
{
    int number = errno;
    bool missing = number == ENOENT || number == ENOTDIR;
    return candor_error_set(err, missing ? CANDOR_NOT_FOUND : disk_error_code(number),
                            disk_error_reason(number), "%s: cannot %s: %s", path, what,
                            strerror(number));
}

bool files_write_all(int fd, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        ssize_t wrote = write(fd, from, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote == 0)
            errno = ENOSPC;
        if (wrote <= 0)
            return false;
        from += wrote;
        length -= (size_t)wrote;
    }
    return true;
}

ssize_t files_read_some(int fd, void *out, size_t length)
{
    ssize_t got;
    do
        got = read(fd, out, length);
    while (got < 0 && errno == EINTR);
    return got;
}

enum candor_code files_path(char out[LIMIT_PATH_BYTES], const char *dir, const char *name,
                            struct candor_error *err)
{
    if (path_join(out, dir, name))
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                            "%s: the path is too long", dir);
}

enum candor_code files_open_parent(const char *path, int *out, struct candor_error *err)
{
    char parent[LIMIT_PATH_BYTES];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        snprintf(parent, sizeof parent, ".");
    else
        slash[slash == parent] = '\0'; /* "/x" stands in "/" */
    *out = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out >= 0 ? CANDOR_OK : files_failed(parent, "open", err);
}

/* Never retried: what it covered is in doubt (R3). */
static enum candor_code sync_fd(int fd, const char *path, struct candor_error *err)
{
    if (fsync(fd) == 0)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s: fsync failed: %s; the disk is not to be trusted", path,
                            strerror(errno));
}

/* The parent is opened first: a directory that was made, but could not be synced for want of a descriptor, would pass
 * for an old one the next time. */
enum candor_code files_make_dir(const char *path, struct candor_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return CANDOR_OK;
    int parent;
    enum candor_code code = files_open_parent(path, &parent, err);
    if (code != CANDOR_OK)
        return code;
    if (mkdir(path, 0755) == 0)
        code = sync_fd(parent, path, err); /* what is synced in it is lost with its own name */
    else
        code = files_failed(path, "make the directory", err);
    close(parent);
    return code;
}

enum candor_code files_sync(const char *path, struct candor_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return files_failed(path, "open", err);
    enum candor_code code = sync_fd(fd, path, err);
    close(fd);
    return code;
}

static bool copy_bytes(int from, int to)
{
    enum { CHUNK = 1 << 20 };
    uint8_t *chunk = malloc(CHUNK);
    bool ok = chunk != NULL;
    while (ok) {
        ssize_t got = files_read_some(from, chunk, CHUNK);
        if (got <= 0) {
            ok = got == 0;
            break;
        }
        ok = files_write_all(to, chunk, (size_t)got);
    }
    int failed = errno;
    free(chunk);
    errno = failed;
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
    static const char *const names[] = {"data.mdb", "lock.mdb", SEAL_NAME};
    char file[LIMIT_PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (path_join(file, path, names[i]))
            unlink(file);
    rmdir(path);
}

enum candor_code files_swap_dir(int parent, const char *from, const char *to,
                                struct candor_error *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return sync_fd(parent, to, err);
    if (errno != EEXIST)
        return files_failed(to, "rename to", err);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0)
        return files_failed(to, "exchange (RENAME_EXCHANGE; the file system must support it)", err);
    enum candor_code code = sync_fd(parent, to, err);
    files_remove_dir(from); /* what stood at `to` */
    return code;
}

/* ---- Seals --------------------------------------------------------------------------------------------- */

/* "candor-seal 2 <bytes> <digest, 16 hex digits> <generation> <term> <owner> <seq> <rewinds> <check, 16 hex digits>\n": of
 * the data file beside it; the check is of what stands before it. */
enum { SEAL_BYTES = 256 };

static void seal_text(const struct file_seal *seal, char out[SEAL_BYTES])
{
    const struct epoch *epoch = &seal->applied.epoch;
    int length = snprintf(out, SEAL_BYTES,
                          "candor-seal 2 %" PRIu64 " %016" PRIx64 " %" PRIu64 " %" PRIu64
                          " %s %" PRIu64 " %" PRIu64 " ",
                          seal->bytes, seal->digest, epoch->generation, epoch->term,
                          node_id_empty(epoch->owner) ? "-" : epoch->owner.text, seal->applied.seq,
                          seal->rewinds);
    ASSERT(length > 0 && length < SEAL_BYTES - 32);
    snprintf(out + length, (size_t)(SEAL_BYTES - length), "%016" PRIx64 "\n",
             XXH3_64bits(out, (size_t)length));
}

static bool seal_parse(const char *text, struct file_seal *out)
{
    char owner[LIMIT_NODE_ID_BYTES] = "";
    char again[SEAL_BYTES];
    struct epoch *epoch = &out->applied.epoch;
    *out = (struct file_seal){0};
    int fields = sscanf(text,
                        "candor-seal 2 %" SCNu64 " %16" SCNx64 " %" SCNu64 " %" SCNu64
                        " %31s %" SCNu64 " %" SCNu64,
                        &out->bytes, &out->digest, &epoch->generation, &epoch->term, owner,
                        &out->applied.seq, &out->rewinds);
    if (fields != 7)
        return false;
    if (strcmp(owner, "-") != 0)
        epoch->owner = node_id_of(owner);
    seal_text(out, again);
    return strcmp(text, again) == 0;
}

static bool digest_file(int fd, struct file_seal *out)
{
    enum { CHUNK = 1 << 20 };
    uint8_t *chunk = memory_alloc(CHUNK);
    XXH3_state_t *hash = memory_given(XXH3_createState());
    XXH3_64bits_reset(hash);
    ssize_t got;
    out->bytes = 0;
    while ((got = files_read_some(fd, chunk, CHUNK)) > 0) {
        XXH3_64bits_update(hash, chunk, (size_t)got);
        out->bytes += (uint64_t)got;
    }
    out->digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    free(chunk);
    return got == 0;
}

enum candor_code files_measure(const char *path, struct file_seal *out, struct candor_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return files_failed(path, "open", err);
    enum candor_code code = CANDOR_OK;
    if (!digest_file(fd, out))
        code = files_failed(path, "read", err);
    close(fd);
    return code;
}

enum candor_code files_seal_dir(const char *dir, const struct state_position *position,
                                struct candor_error *err)
{
    char data[LIMIT_PATH_BYTES];
    char path[LIMIT_PATH_BYTES];
    struct file_seal seal = {.applied = position->applied, .rewinds = position->rewinds};
    enum candor_code code = files_path(data, dir, "data.mdb", err);
    if (code == CANDOR_OK)
        code = files_path(path, dir, SEAL_NAME, err);
    if (code == CANDOR_OK)
        code = files_sync(data, err);
    if (code == CANDOR_OK)
        code = files_measure(data, &seal, err);
    if (code != CANDOR_OK)
        return code;
    char text[SEAL_BYTES];
    seal_text(&seal, text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || !files_write_all(fd, text, strlen(text)))
        code = files_failed(path, "write", err);
    if (fd >= 0)
        close(fd);
    if (code == CANDOR_OK)
        code = files_sync(path, err);
    return code == CANDOR_OK ? files_sync(dir, err) : code;
}

enum candor_code files_read_seal(const char *dir, struct file_seal *out, struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    char text[SEAL_BYTES] = "";
    enum candor_code code = files_path(path, dir, SEAL_NAME, err);
    if (code != CANDOR_OK)
        return code;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return files_failed(path, "open", err);
    ssize_t got = files_read_some(fd, text, sizeof text - 1);
    if (got < 0)
        code = files_failed(path, "read", err);
    close(fd);
    if (code != CANDOR_OK)
        return code;
    if (!seal_parse(text, out))
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE, "%s: it is damaged",
                                path);
    return CANDOR_OK;
}
