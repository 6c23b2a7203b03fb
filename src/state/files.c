/* A directory of the state, and the seal of a checkpoint. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"
#include "state/env.h"

void files_remove_dir(const char *path)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", SEAL_NAME};
    char file[LIMIT_PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (disk_path(file, path, names[i], NULL) == CANDOR_OK)
            unlink(file);
    rmdir(path);
}

enum candor_code files_swap_dir(int parent, const char *from, const char *to,
                                struct candor_error *err)
{
    enum candor_code code = disk_swap(parent, from, to, err);
    /* what stood at `to` */
    if (code == CANDOR_OK)
        files_remove_dir(from);
    return code;
}

/* ---- Seals ----------------------------------------------------------------------------------- */

/* "candor-seal 2 <bytes> <digest, 16 hex digits> <generation> <term> <owner> <seq> <rewinds>
 * <check, 16 hex digits>\n": of the data file beside it; the check is of what stands before it. */
enum { SEAL_BYTES = 256 };

static void seal_text(const struct file_seal *seal, char out[SEAL_BYTES])
{
    const struct candor_epoch *epoch = &seal->applied.epoch;
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
    struct candor_epoch *epoch = &out->applied.epoch;
    *out = (struct file_seal){0};
    int fields = sscanf(text,
                        "candor-seal 2 %" SCNu64 " %16" SCNx64 " %" SCNu64 " %" SCNu64
                        " %31s %" SCNu64 " %" SCNu64,
                        &out->bytes, &out->digest, &epoch->generation, &epoch->term, owner,
                        &out->applied.seq, &out->rewinds);
    if (fields != 7)
        return false;
    if (strcmp(owner, "-") != 0 && !node_id_parse(owner, strlen(owner), &epoch->owner))
        return false;
    seal_text(out, again);
    return strcmp(text, again) == 0;
}

static int digest_file(int fd, struct file_seal *out)
{
    enum { CHUNK_BYTES = 1 << 20 };
    uint8_t *chunk = memory_alloc(CHUNK_BYTES);
    XXH3_state_t *hash = memory_given(XXH3_createState());
    XXH3_64bits_reset(hash);
    int failed = 0;
    size_t got = CHUNK_BYTES;
    out->bytes = 0;
    while (failed == 0 && got == CHUNK_BYTES) {
        failed = disk_read_next(fd, chunk, CHUNK_BYTES, &got);
        XXH3_64bits_update(hash, chunk, got);
        out->bytes += got;
    }
    out->digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    free(chunk);
    return failed;
}

enum candor_code files_measure(const char *path, struct file_seal *out, struct candor_error *err)
{
    int fd = -1;
    enum candor_code code = disk_open(path, O_RDONLY, &fd, err);
    if (code != CANDOR_OK)
        return code;
    int failed = digest_file(fd, out);
    close(fd);
    return failed == 0 ? CANDOR_OK : disk_failed(err, failed, "read", path);
}

enum candor_code files_seal_dir(const char *dir, const struct state_position *position,
                                struct candor_error *err)
{
    char data[LIMIT_PATH_BYTES];
    char path[LIMIT_PATH_BYTES];
    struct file_seal seal = {.applied = position->applied, .rewinds = position->rewinds};
    enum candor_code code = disk_path(data, dir, "data.mdb", err);
    if (code == CANDOR_OK)
        code = disk_path(path, dir, SEAL_NAME, err);
    if (code == CANDOR_OK)
        code = disk_sync(data, err);
    if (code == CANDOR_OK)
        code = files_measure(data, &seal, err);
    if (code != CANDOR_OK)
        return code;
    char text[SEAL_BYTES];
    seal_text(&seal, text);
    code = disk_write(AT_FDCWD, path, slice_of(text, strlen(text)), err);
    return code == CANDOR_OK ? disk_sync(dir, err) : code;
}

enum candor_code files_read_seal(const char *dir, struct file_seal *out, struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    char text[SEAL_BYTES] = "";
    enum candor_code code = disk_path(path, dir, SEAL_NAME, err);
    if (code != CANDOR_OK)
        return code;
    int fd = -1;
    code = disk_open(path, O_RDONLY, &fd, err);
    if (code != CANDOR_OK)
        return code;
    size_t got = 0;
    int failed = disk_read(fd, text, sizeof text - 1, 0, &got);
    close(fd);
    if (failed != 0)
        return disk_failed(err, failed, "read", path);
    if (!seal_parse(text, out))
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE, "%s: it is damaged",
                                path);
    return CANDOR_OK;
}
