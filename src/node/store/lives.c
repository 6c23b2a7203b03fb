/* The file of what is known of the others' lives: read, written. */
#include "node/store/lives.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "disk/disk.h"

#define LIVES_NAME "lives"
#define LIVES_MAGIC UINT32_C(0x31564c43) /* "CLV1" */
#define LIVES_VERSION 1

/* u32 magic, u32 crc32c of what follows, u32 version, u32 count; then for each life: node,
 * store_id, boot, generation, term, owner, seq. */
#define HEAD_BYTES 16
#define LIFE_BYTES (2 * LIMIT_NODE_ID_BYTES + 5 * 8)
#define MOST_BYTES (HEAD_BYTES + LIMIT_NODES * LIFE_BYTES)

static void encode(const struct core_lives *lives, struct buffer *out)
{
    buffer_put_u32(out, LIVES_MAGIC);
    buffer_put_u32(out, 0);
    buffer_put_u32(out, LIVES_VERSION);
    buffer_put_u32(out, lives->count);
    for (uint32_t i = 0; i < lives->count; i++) {
        const struct core_life *life = &lives->list[i];
        buffer_put_node_id(out, life->node);
        buffer_put_u64(out, life->store_id);
        buffer_put_u64(out, life->boot);
        buffer_put_pos(out, life->held);
    }
    buffer_set_u32(out, 4, crc32c(0, out->bytes + 8, out->length - 8));
}

static bool decode(struct slice bytes, struct core_lives *out)
{
    struct reader reader = reader_of(bytes);
    bool sound = bytes.length >= HEAD_BYTES && read_u32(&reader) == LIVES_MAGIC &&
                 read_u32(&reader) == crc32c(0, bytes.bytes + 8, bytes.length - 8) &&
                 read_u32(&reader) == LIVES_VERSION;
    uint32_t count = sound ? read_u32(&reader) : 0;
    if (!sound || bytes.length != HEAD_BYTES + (size_t)count * LIFE_BYTES)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct core_life *life = &out->list[i];
        *life = (struct core_life){0};
        sound = sound && read_node_id(&reader, &life->node);
        life->store_id = read_u64(&reader);
        life->boot = read_u64(&reader);
        sound = sound && read_pos(&reader, &life->held);
    }
    out->count = sound ? count : 0;
    return sound;
}

enum candor_code lives_load(const char *dir, struct core_lives *out, struct candor_error *err)
{
    out->count = 0;
    char path[LIMIT_PATH_BYTES];
    struct buffer bytes = {0};
    enum candor_code code = disk_path(path, dir, LIVES_NAME, err);
    if (code == CANDOR_OK)
        code = disk_load(AT_FDCWD, path, MOST_BYTES, &bytes, err);
    if (code == CANDOR_NOT_FOUND)
        code = CANDOR_OK;
    else if (code == CANDOR_OK && !decode(buffer_slice(&bytes), out))
        code =
            candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED, "%s is damaged", path);
    buffer_free(&bytes);
    return code;
}

enum candor_code lives_save(const char *dir, const struct core_lives *lives,
                            struct candor_error *err)
{
    int dir_fd = -1;
    enum candor_code code = disk_open_dir(dir, &dir_fd, err);
    if (code != CANDOR_OK)
        return code;
    struct buffer bytes = {0};
    encode(lives, &bytes);
    code = disk_replace(dir_fd, LIVES_NAME, buffer_slice(&bytes), err);
    buffer_free(&bytes);
    close(dir_fd);
    return code;
}
