/* The hard state's two files: which one counts, and the next one written. */
#include "log/hard_state.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "disk/disk.h"

#define HARD_STATE_NAME "hard_state"
#define HARD_STATE_MAGIC UINT32_C(0x31534843) /* "CHS1" */
#define HARD_STATE_VERSION 3

/* u32 magic, u32 crc32c of what follows, u32 version, node, cluster_name, then the fields in the
 * struct's order, u8 forked, u8 clean, u64 end_seq, os_boot_id. */
#define HARD_STATE_BYTES                                                                           \
    (12 + 2 * LIMIT_NODE_ID_BYTES + 5 * 8 + LIMIT_NODE_ID_BYTES + 8 + 1 + 1 + 8 + 40)
_Static_assert(HARD_STATE_BYTES < 512, "within one sector: it cannot be torn");

static void encode(const struct hard_state *state, struct buffer *out)
{
    buffer_put_u32(out, HARD_STATE_MAGIC);
    buffer_put_u32(out, 0);
    buffer_put_u32(out, HARD_STATE_VERSION);
    buffer_put_node_id(out, state->node);
    buffer_put_node_id(out, state->cluster_name);
    buffer_put_u64(out, state->cluster_id);
    buffer_put_u64(out, state->store_id);
    buffer_put_u64(out, state->boot);
    buffer_put_epoch(out, state->epoch);
    buffer_put_u64(out, state->known_commit);
    buffer_put_u8(out, state->forked ? 1 : 0);
    buffer_put_u8(out, state->clean_shutdown ? 1 : 0);
    buffer_put_u64(out, state->end_seq);
    buffer_put(out, state->os_boot_id, sizeof state->os_boot_id);
    ASSERT_U64(out->length, ==, HARD_STATE_BYTES);
    buffer_set_u32(out, 4, crc32c(0, out->bytes + 8, out->length - 8));
}

static enum candor_code damaged(struct candor_error *err, const char *dir, const char *why)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED,
                            "%s/" HARD_STATE_NAME " is damaged: %s. It holds this node's votes and "
                            "identity and cannot be made up: remove the data directory (the node "
                            "then copies the state from the primary and is readmitted)",
                            dir, why);
}

static enum candor_code decode(struct slice bytes, struct hard_state *out, const char *dir,
                               struct candor_error *err)
{
    struct reader reader = reader_of(bytes);
    if (bytes.length != HARD_STATE_BYTES)
        return damaged(err, dir, "wrong length");
    if (read_u32(&reader) != HARD_STATE_MAGIC)
        return damaged(err, dir, "wrong magic");
    if (read_u32(&reader) != crc32c(0, bytes.bytes + 8, bytes.length - 8))
        return damaged(err, dir, "checksum mismatch");
    if (read_u32(&reader) != HARD_STATE_VERSION)
        return damaged(err, dir, "unknown version");

    *out = (struct hard_state){0};
    if (!read_node_id(&reader, &out->node) || !read_node_id(&reader, &out->cluster_name))
        return damaged(err, dir, "invalid node or cluster name");
    out->cluster_id = read_u64(&reader);
    out->store_id = read_u64(&reader);
    out->boot = read_u64(&reader);
    if (!read_epoch(&reader, &out->epoch))
        return damaged(err, dir, "invalid epoch owner");
    out->known_commit = read_u64(&reader);
    out->forked = read_u8(&reader) == 1;
    out->clean_shutdown = read_u8(&reader) == 1;
    out->end_seq = read_u64(&reader);
    struct slice boot_id = read_bytes(&reader, sizeof out->os_boot_id);
    ASSERT(reader.ok);
    memcpy(out->os_boot_id, boot_id.bytes, boot_id.length);
    out->os_boot_id[sizeof out->os_boot_id - 1] = '\0';
    return CANDOR_OK;
}

enum candor_code hard_state_load(const char *dir, struct hard_state *out, struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    struct buffer bytes = {0};
    enum candor_code code = disk_path(path, dir, HARD_STATE_NAME, err);
    if (code == CANDOR_OK)
        code = disk_load(AT_FDCWD, path, HARD_STATE_BYTES, &bytes, err);
    if (code == CANDOR_OK)
        code = decode(buffer_slice(&bytes), out, dir, err);
    else if (code == CANDOR_DATA_LOSS)
        code = damaged(err, dir, "it cannot be read, or is longer than it ever was");
    buffer_free(&bytes);
    return code;
}

enum candor_code hard_state_save(const char *dir, const struct hard_state *state,
                                 struct candor_error *err)
{
    int dir_fd = -1;
    enum candor_code code = disk_open_dir(dir, &dir_fd, err);
    if (code != CANDOR_OK)
        return code;
    struct buffer bytes = {0};
    encode(state, &bytes);
    code = disk_take_turns(dir_fd, HARD_STATE_NAME, buffer_slice(&bytes), err);
    buffer_free(&bytes);
    close(dir_fd);
    return code;
}
