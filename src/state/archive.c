/* Rollback archives. A file is a header and then frames:
 *
 *   header  256 bytes: "CARC", u32 crc32c of what follows in it, u32 version, u64 wall_ms, from,
 *   to, superseded_by,
 *           u64 records, writes, local; zeros to its end. Written last, so a file without it is not
 *           an archive yet.
 *   frame   u32 length, u32 crc32c, u8 type, payload
 *             BATCH  a record batch
 *             OLD    for each op of the batch before it, in order: u8 enum archive_old, u32 length,
 *                    bytes; in as many frames as it takes, each of whole ops: a small batch may
 *                    have overwritten gigabytes
 */
#include "state/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "base/memory.h"
#include "state/env.h"
#include "state/table.h"

enum {
    VERSION = 1,
    HEADER_BYTES = 256,
    HEADER_CRC_AT = 4,
    HEADER_BODY_AT = 8,
    FRAME_HEADER_BYTES = 9,
    FRAME_BATCH = 1,
    FRAME_OLD = 2,
    BATCH_CRC_AT = 4,
};
#define MAGIC "CARC"
#define SUFFIX ".archive"
#define TEMPORARY "rollback.new"
#define OLD_FRAME_BYTES (1u << 20) /* a frame of OLD ends behind the op that reaches it */
#define FRAME_BYTES_MAX (OLD_FRAME_BYTES + LIMIT_RECORD_BATCH_BYTES)

struct archive_writer {
    char dir[LIMIT_PATH_BYTES];
    char path[LIMIT_PATH_BYTES];
    int fd;
    struct archive_summary summary;
    uint32_t crc; /* over the checksums of all batches: names what is in it */
    struct buffer frame;
};

/* ---- Paths ----------------------------------------------------------------------------------- */

/* "<digits>-<digits>-<8 hex>": what archive_finish makes, and all that is taken from outside. */
static bool id_is_sound(const char *id)
{
    uint64_t from;
    uint64_t to;
    unsigned crc;
    char again[ARCHIVE_ID_BYTES];
    if (strlen(id) >= ARCHIVE_ID_BYTES ||
        sscanf(id, "%" SCNu64 "-%" SCNu64 "-%8x", &from, &to, &crc) != 3)
        return false;
    snprintf(again, sizeof again, "%" PRIu64 "-%" PRIu64 "-%08x", from, to, crc);
    return strcmp(id, again) == 0;
}

static enum candor_code archive_path(const char *dir, const char *id, char out[LIMIT_PATH_BYTES],
                                     struct candor_error *err)
{
    char name[ARCHIVE_ID_BYTES + sizeof SUFFIX];
    if (!id_is_sound(id))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "id: not the id of a rollback archive; kvctl rollback ls shows "
                                "those there are");
    snprintf(name, sizeof name, "%s" SUFFIX, id);
    return disk_path(out, dir, name, err);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static enum candor_code write_all(struct archive_writer *writer, struct slice bytes,
                                  struct candor_error *err)
{
    int failed = disk_append(writer->fd, bytes);
    if (failed != 0)
        return disk_failed(err, failed, "write", writer->path);
    writer->summary.bytes += bytes.length;
    return CANDOR_OK;
}

static void frame_begin(struct buffer *frame, uint8_t type)
{
    buffer_clear(frame);
    buffer_put_u32(frame, 0);
    buffer_put_u32(frame, 0);
    buffer_put_u8(frame, type);
}

static enum candor_code frame_end(struct archive_writer *writer, struct candor_error *err)
{
    struct buffer *frame = &writer->frame;
    buffer_set_u32(frame, 0, (uint32_t)(frame->length - FRAME_HEADER_BYTES));
    buffer_set_u32(frame, 4, crc32c(0, frame->bytes + 8, frame->length - 8));
    return write_all(writer, buffer_slice(frame), err);
}

enum candor_code archive_begin(const char *dir, struct candor_epoch superseded_by,
                               struct archive_writer **out, struct candor_error *err)
{
    struct archive_writer *writer = memory_zeroed(1, sizeof *writer);
    writer->fd = -1;
    writer->summary.superseded_by = superseded_by;
    writer->summary.wall_ms = clock_wall_ms();
    snprintf(writer->dir, sizeof writer->dir, "%s", dir);
    enum candor_code code = disk_make_dir(dir, DISK_DIR_MODE, err);
    if (code == CANDOR_OK)
        code = disk_path(writer->path, dir, TEMPORARY, err);
    if (code == CANDOR_OK)
        code = disk_open(writer->path, O_RDWR | O_CREAT | O_TRUNC, &writer->fd, err);
    static const uint8_t no_header[HEADER_BYTES];
    if (code == CANDOR_OK)
        code = write_all(writer, slice_of(no_header, sizeof no_header), err);
    if (code != CANDOR_OK) {
        archive_abort(writer);
        return code;
    }
    *out = writer;
    return CANDOR_OK;
}

/* What the op overwrote, from the undo table. */
static int put_old(struct buffer *frame, const struct state_view *view, uint64_t seq, uint32_t op)
{
    uint8_t bytes[UNDO_KEY_BYTES];
    undo_key(bytes, seq, op);
    MDB_val value;
    int rc = table_get(view->env, view->txn, TABLE_UNDO, slice_of(bytes, sizeof bytes), &value);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    struct image image;
    enum archive_old old = ARCHIVE_OLD_UNKNOWN;
    struct slice old_value = {0};
    if (rc == 0 && image_decode(slice_of_val(&value), &image) && image.table == TABLE_DATA) {
        struct item_head head;
        bool existed = image.kind == IMAGE_WHOLE && item_read(image.value, &head, &old_value);
        old = existed ? ARCHIVE_OLD_VALUE : ARCHIVE_OLD_ABSENT;
    }
    buffer_put_u8(frame, (uint8_t)old);
    buffer_put_u32(frame, old == ARCHIVE_OLD_VALUE ? (uint32_t)old_value.length : 0);
    if (old == ARCHIVE_OLD_VALUE)
        buffer_put(frame, old_value.bytes, old_value.length);
    return 0;
}

static enum candor_code write_olds_of(struct archive_writer *writer, const struct state_view *view,
                                      const struct record *record, struct candor_error *err)
{
    if (record->type != RECORD_WRITE)
        return CANDOR_OK;
    writer->summary.writes++;
    writer->summary.local += record->ack == CANDOR_ACK_LOCAL;
    enum candor_code code = CANDOR_OK;
    for (uint32_t op = 0; code == CANDOR_OK && op < record->op_count; op++) {
        int rc = put_old(&writer->frame, view, record->seq, op);
        if (rc != 0)
            return env_failed(rc, writer->dir, "read the pre-images", err);
        if (writer->frame.length < OLD_FRAME_BYTES)
            continue;
        code = frame_end(writer, err);
        frame_begin(&writer->frame, FRAME_OLD);
    }
    return code;
}

static enum candor_code write_olds(struct archive_writer *writer, const struct state_view *view,
                                   const struct batch *batch, struct candor_error *err)
{
    size_t cursor = 0;
    struct record record;
    enum candor_code code = CANDOR_OK;
    frame_begin(&writer->frame, FRAME_OLD);
    while (code == CANDOR_OK && batch_next(batch, &cursor, &record))
        code = write_olds_of(writer, view, &record, err);
    bool rest = writer->frame.length > FRAME_HEADER_BYTES;
    return code == CANDOR_OK && rest ? frame_end(writer, err) : code;
}

static void count_batch(struct archive_writer *writer, const struct batch *batch)
{
    struct archive_summary *summary = &writer->summary;
    if (summary->records == 0)
        summary->from = (struct candor_pos){batch->epoch, batch->first_seq};
    summary->to = (struct candor_pos){batch->epoch, batch_last_seq(batch)};
    summary->records += batch->count;
    writer->crc = crc32c(writer->crc, batch->bytes.bytes + BATCH_CRC_AT, sizeof(uint32_t));
}

static enum candor_code add_batch(struct archive_writer *writer, const struct state_view *view,
                                  const struct batch *batch, struct candor_error *err)
{
    count_batch(writer, batch);
    frame_begin(&writer->frame, FRAME_BATCH);
    buffer_put(&writer->frame, batch->bytes.bytes, batch->bytes.length);
    enum candor_code code = frame_end(writer, err);
    return code == CANDOR_OK ? write_olds(writer, view, batch, err) : code;
}

enum candor_code archive_add(struct archive_writer *writer, struct state *state,
                             struct slice batches, struct candor_error *err)
{
    struct state_view *view = state_view_begin(state);
    enum candor_code code = CANDOR_OK;
    while (code == CANDOR_OK && batches.length > 0) {
        struct batch batch;
        code = batch_decode(&batches, &batch, err);
        if (code == CANDOR_OK)
            code = add_batch(writer, view, &batch, err);
    }
    state_view_end(view);
    return code;
}

static enum candor_code write_header(struct archive_writer *writer, struct candor_error *err)
{
    const struct archive_summary *summary = &writer->summary;
    struct buffer *header = &writer->frame;
    buffer_clear(header);
    buffer_put(header, MAGIC, 4);
    buffer_put_u32(header, 0);
    buffer_put_u32(header, VERSION);
    buffer_put_u64(header, summary->wall_ms);
    buffer_put_pos(header, summary->from);
    buffer_put_pos(header, summary->to);
    buffer_put_pos(header, (struct candor_pos){summary->superseded_by, 0});
    buffer_put_u64(header, summary->records);
    buffer_put_u64(header, summary->writes);
    buffer_put_u64(header, summary->local);
    ASSERT(header->length <= HEADER_BYTES);
    size_t rest = HEADER_BYTES - header->length;
    memset(buffer_grow(header, rest), 0, rest);
    buffer_set_u32(header, HEADER_CRC_AT,
                   crc32c(0, header->bytes + HEADER_BODY_AT, HEADER_BYTES - HEADER_BODY_AT));
    int failed = disk_write_all(writer->fd, slice_of(header->bytes, HEADER_BYTES), 0);
    return failed == 0 ? CANDOR_OK : disk_failed(err, failed, "write", writer->path);
}

enum candor_code archive_finish(struct archive_writer *writer, struct archive_summary *out,
                                struct candor_error *err)
{
    struct archive_summary *summary = &writer->summary;
    ASSERT(summary->records > 0);
    snprintf(summary->id, sizeof summary->id, "%" PRIu64 "-%" PRIu64 "-%08x", summary->from.seq,
             summary->to.seq, writer->crc);
    char name[ARCHIVE_ID_BYTES + sizeof SUFFIX];
    snprintf(name, sizeof name, "%s" SUFFIX, summary->id);
    int dir_fd = -1;
    enum candor_code code = write_header(writer, err);
    if (code == CANDOR_OK)
        code = disk_sync(writer->path, err);
    if (code == CANDOR_OK)
        code = disk_open(writer->dir, O_RDONLY | O_DIRECTORY, &dir_fd, err);
    if (code == CANDOR_OK)
        code = disk_rename(dir_fd, TEMPORARY, name, err);
    if (dir_fd >= 0)
        close(dir_fd);
    if (code == CANDOR_OK && out != NULL)
        *out = *summary;
    archive_abort(writer); /* frees; the temporary file is gone if all went well */
    return code;
}

void archive_abort(struct archive_writer *writer)
{
    if (writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->path);
    }
    buffer_free(&writer->frame);
    free(writer);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static enum candor_code damaged(const char *path, const char *what, struct candor_error *err)
{
    return candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                            "%s: the archive is damaged: %s", path, what);
}

bool archive_is_damaged(const struct candor_error *err)
{
    return err->reason == CANDOR_REASON_MALFORMED;
}

static enum candor_code read_header(int fd, const char *path, struct archive_summary *out,
                                    struct candor_error *err)
{
    uint8_t header[HEADER_BYTES];
    size_t got = 0;
    if (disk_read_next(fd, header, sizeof header, &got) != 0 || got != HEADER_BYTES ||
        disk_size(fd, &out->bytes) != 0 || memcmp(header, MAGIC, 4) != 0)
        return damaged(path, "no header", err);
    if (get_u32(header + HEADER_CRC_AT) !=
        crc32c(0, header + HEADER_BODY_AT, HEADER_BYTES - HEADER_BODY_AT))
        return damaged(path, "checksum mismatch in the header", err);
    struct reader reader =
        reader_of(slice_of(header + HEADER_BODY_AT, HEADER_BYTES - HEADER_BODY_AT));
    struct candor_pos superseded_by;
    if (read_u32(&reader) != VERSION)
        return damaged(path, "unknown version", err);
    out->wall_ms = read_u64(&reader);
    if (!read_pos(&reader, &out->from) || !read_pos(&reader, &out->to) ||
        !read_pos(&reader, &superseded_by))
        return damaged(path, "a position does not decode", err);
    out->superseded_by = superseded_by.epoch;
    out->records = read_u64(&reader);
    out->writes = read_u64(&reader);
    out->local = read_u64(&reader);
    return CANDOR_OK;
}

static enum candor_code open_archive(const char *dir, const char *id, int *fd,
                                     char path[LIMIT_PATH_BYTES], struct archive_summary *out,
                                     struct candor_error *err)
{
    *fd = -1;
    memset(out, 0, sizeof *out);
    enum candor_code code = archive_path(dir, id, path, err);
    if (code != CANDOR_OK)
        return code;
    code = disk_open(path, O_RDONLY, fd, err);
    if (code == CANDOR_NOT_FOUND)
        return candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE,
                                "there is no rollback archive %s on this node", id);
    if (code != CANDOR_OK)
        return code;
    snprintf(out->id, sizeof out->id, "%s", id);
    code = read_header(*fd, path, out, err);
    if (code != CANDOR_OK) {
        close(*fd);
        *fd = -1;
    }
    return code;
}

/* The next frame's payload; an empty type 0 at the end of the file. */
static enum candor_code read_frame(int fd, const char *path, uint8_t *type, struct buffer *payload,
                                   struct candor_error *err)
{
    uint8_t header[FRAME_HEADER_BYTES];
    size_t got = 0;
    int failed = disk_read_next(fd, header, sizeof header, &got);
    *type = 0;
    buffer_clear(payload);
    if (failed == 0 && got == 0)
        return CANDOR_OK;
    uint32_t length = got == FRAME_HEADER_BYTES ? get_u32(header) : UINT32_MAX;
    if (length > FRAME_BYTES_MAX)
        return damaged(path, "a frame's length is out of range", err);
    buffer_put_u8(payload, header[8]); /* the checksum covers it */
    uint8_t *bytes = buffer_grow(payload, length);
    if (disk_read_next(fd, bytes, length, &got) != 0 || got != length)
        return damaged(path, "cut short", err);
    if (crc32c(0, payload->bytes, payload->length) != get_u32(header + 4))
        return damaged(path, "checksum mismatch", err);
    *type = header[8];
    return CANDOR_OK;
}

static struct slice payload_of(const struct buffer *frame)
{
    return slice_of(frame->bytes + 1, frame->length - 1);
}

struct visit {
    int fd;
    const char *path;
    struct candor_error *err;
    struct buffer batch;
    struct buffer old_frame;
    struct reader olds; /* what is left of old_frame */
    uint64_t records;
    uint64_t from_seq;
    bool (*each)(const struct record *, uint32_t, const struct archive_op *, void *);
    void *closure;
    bool stopped;
};

/* What the op overwrote: from the present frame, or from the next one when that is used up. */
static enum candor_code next_old(struct visit *visit, struct archive_op *op)
{
    if (reader_left(&visit->olds) == 0) {
        uint8_t type;
        enum candor_code code =
            read_frame(visit->fd, visit->path, &type, &visit->old_frame, visit->err);
        if (code != CANDOR_OK)
            return code;
        if (type != FRAME_OLD)
            return damaged(visit->path, "the old value of an op is missing", visit->err);
        visit->olds = reader_of(payload_of(&visit->old_frame));
    }
    op->old = (enum archive_old)read_u8(&visit->olds);
    op->old_value = read_bytes(&visit->olds, read_u32(&visit->olds));
    if (!visit->olds.ok || op->old > ARCHIVE_OLD_UNKNOWN)
        return damaged(visit->path, "an old value does not decode", visit->err);
    return CANDOR_OK;
}

static enum candor_code visit_record(struct visit *visit, const struct record *record)
{
    struct slice ops = record->ops;
    struct archive_op op;
    for (uint32_t i = 0; !visit->stopped && record_op_next(&ops, &op.op); i++) {
        enum candor_code code = next_old(visit, &op);
        if (code != CANDOR_OK)
            return code;
        if (record->seq >= visit->from_seq)
            visit->stopped = !visit->each(record, i, &op, visit->closure);
    }
    return CANDOR_OK;
}

static enum candor_code visit_batch(struct visit *visit)
{
    struct slice bytes = payload_of(&visit->batch);
    struct batch batch;
    if (batch_decode(&bytes, &batch, NULL) != CANDOR_OK || bytes.length != 0)
        return damaged(visit->path, "a batch does not decode", visit->err);
    size_t cursor = 0;
    struct record record;
    enum candor_code code = CANDOR_OK;
    while (code == CANDOR_OK && !visit->stopped && batch_next(&batch, &cursor, &record)) {
        visit->records++;
        if (record.type == RECORD_WRITE)
            code = visit_record(visit, &record);
    }
    if (code == CANDOR_OK && !visit->stopped && reader_left(&visit->olds) != 0)
        return damaged(visit->path, "more old values than ops", visit->err);
    return code;
}

static enum candor_code visit_all(struct visit *visit, uint64_t records)
{
    while (!visit->stopped) {
        uint8_t type;
        enum candor_code code =
            read_frame(visit->fd, visit->path, &type, &visit->batch, visit->err);
        if (code != CANDOR_OK)
            return code;
        if (type == 0)
            return visit->records == records ? CANDOR_OK
                                             : damaged(visit->path, "cut short", visit->err);
        if (type != FRAME_BATCH)
            return damaged(visit->path, "a batch is missing", visit->err);
        code = visit_batch(visit);
        if (code != CANDOR_OK)
            return code;
    }
    return CANDOR_OK;
}

enum candor_code archive_read(const char *dir, const char *id, uint64_t from_seq,
                              struct archive_summary *summary,
                              bool (*each)(const struct record *record, uint32_t op_index,
                                           const struct archive_op *op, void *closure),
                              void *closure, struct candor_error *err)
{
    int fd;
    char path[LIMIT_PATH_BYTES];
    struct archive_summary found;
    enum candor_code code = open_archive(dir, id, &fd, path, &found, err);
    if (code != CANDOR_OK)
        return code;
    struct visit visit = {.fd = fd,
                          .path = path,
                          .err = err,
                          .olds = reader_of((struct slice){0}),
                          .from_seq = from_seq,
                          .each = each,
                          .closure = closure};
    code = visit_all(&visit, found.records);
    buffer_free(&visit.batch);
    buffer_free(&visit.old_frame);
    close(fd);
    if (code == CANDOR_OK && summary != NULL)
        *summary = found;
    return code;
}

/* ---- Listing --------------------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
    const struct archive_summary *left = a;
    const struct archive_summary *right = b;
    if (left->wall_ms != right->wall_ms)
        return left->wall_ms < right->wall_ms ? -1 : 1;
    return strcmp(left->id, right->id);
}

static bool id_of_name(const char *name, char id[ARCHIVE_ID_BYTES])
{
    size_t length = strlen(name);
    size_t suffix = sizeof SUFFIX - 1;
    if (length <= suffix || length - suffix >= ARCHIVE_ID_BYTES ||
        strcmp(name + length - suffix, SUFFIX) != 0)
        return false;
    memcpy(id, name, length - suffix);
    id[length - suffix] = '\0';
    return id_is_sound(id);
}

/* What a list says of one. It says so, too, where the header cannot be read. */
static enum candor_code summarize(const char *dir, const char *id, struct archive_summary *out,
                                  struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    struct candor_error why = {0};
    int fd;
    enum candor_code code = open_archive(dir, id, &fd, path, out, &why);
    if (code == CANDOR_OK)
        close(fd);
    if (code == CANDOR_OK || code == CANDOR_NOT_FOUND)
        return code;
    if (!archive_is_damaged(&why))
        return candor_error_set(err, code, why.reason, "%s", why.message);
    uint64_t bytes = out->bytes;
    *out = (struct archive_summary){.damaged = true, .bytes = bytes};
    snprintf(out->id, sizeof out->id, "%s", id);
    return CANDOR_OK;
}

enum candor_code archive_list(const char *dir, struct archive_summary **out, size_t *count,
                              struct candor_error *err)
{
    *out = NULL;
    *count = 0;
    DIR *stream = opendir(dir);
    if (stream == NULL)
        return errno == ENOENT ? CANDOR_OK : disk_find_failed(err, errno, "list", dir);
    size_t capacity = 0;
    enum candor_code code = CANDOR_OK;
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        char id[ARCHIVE_ID_BYTES];
        struct archive_summary summary;
        if (!id_of_name(entry->d_name, id))
            continue;
        code = summarize(dir, id, &summary, err);
        if (code == CANDOR_NOT_FOUND) { /* dropped meanwhile */
            code = CANDOR_OK;
            continue;
        }
        /* it is there: a list without it would be wrong */
        if (code != CANDOR_OK)
            break;
        memory_grow(*out, capacity, *count + 1);
        (*out)[(*count)++] = summary;
    }
    closedir(stream);
    if (code != CANDOR_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    if (*count > 0)
        qsort(*out, *count, sizeof **out, by_age);
    return code;
}

enum candor_code archive_drop(const char *dir, const char *id, struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    enum candor_code code = archive_path(dir, id, path, err);
    if (code != CANDOR_OK)
        return code;
    if (unlink(path) != 0)
        return errno == ENOENT
                   ? candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE,
                                      "there is no rollback archive %s on this node", id)
                   : disk_failed(err, errno, "remove", path);
    return disk_sync(dir, err);
}
