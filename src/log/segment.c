/* One segment's file: made, read, scanned, sealed. */
#include "log/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/rng.h"
#include "disk/disk.h"

#define SEGMENT_MAGIC UINT32_C(0x31475343) /* "CSG1" */
#define SEGMENT_VERSION 3
#define MARK_MAGIC UINT32_C(0x314b4d43) /* "CMK1" */
#define TEMPORARY_NAME "segment.tmp"

/* ---- names ---- */

void segment_name(uint64_t first_seq, char out[SEGMENT_NAME_BYTES])
{
    snprintf(out, SEGMENT_NAME_BYTES, "%020" PRIu64 ".log", first_seq);
}

bool segment_name_parse(const char *name, uint64_t *first_seq)
{
    if (strspn(name, "0123456789") != 20 || strcmp(name + 20, ".log") != 0)
        return false;
    errno = 0;
    *first_seq = strtoull(name, NULL, 10);
    return errno == 0 && *first_seq > 0;
}

/* ---- header ---- */

static void encode_header(const struct segment *segment, struct buffer *out)
{
    buffer_put_u32(out, SEGMENT_MAGIC);
    buffer_put_u32(out, 0);
    buffer_put_u32(out, SEGMENT_VERSION);
    buffer_put_u32(out, 0);
    buffer_put_u64(out, segment->first_seq);
    buffer_put_u64(out, segment->prev_first_seq);
    buffer_put_u64(out, segment->prev_bytes);
    buffer_put_u64(out, segment->salt);
    buffer_put_u64(out, segment->before.high);
    buffer_put_u64(out, segment->before.low);
    size_t rest = SEGMENT_HEADER_BYTES - out->length;
    memset(buffer_grow(out, rest), 0, rest);
    buffer_set_u32(out, 4, crc32c(0, out->bytes + 8, SEGMENT_HEADER_BYTES - 8));
}

static const char *decode_header(const uint8_t *header, struct segment *out)
{
    struct reader reader = reader_of(slice_of(header, SEGMENT_HEADER_BYTES));
    if (read_u32(&reader) != SEGMENT_MAGIC)
        return "its header has a wrong magic";
    if (read_u32(&reader) != crc32c(0, header + 8, SEGMENT_HEADER_BYTES - 8))
        return "its header's checksum does not match";
    if (read_u32(&reader) != SEGMENT_VERSION || read_u32(&reader) != 0)
        return "it is of an unknown version";
    if (read_u64(&reader) != out->first_seq)
        return "its header and its name tell different first_seq";
    out->prev_first_seq = read_u64(&reader);
    out->prev_bytes = read_u64(&reader);
    out->salt = read_u64(&reader);
    out->before.high = read_u64(&reader);
    out->before.low = read_u64(&reader);
    return NULL;
}

/* ---- life ---- */

static struct segment *segment_new(uint64_t first_seq)
{
    struct segment *segment = memory_zeroed(1, sizeof *segment);
    segment_name(first_seq, segment->name);
    segment->first_seq = first_seq;
    segment->fd = -1;
    segment_index_add(segment, (struct index_entry){first_seq, SEGMENT_HEADER_BYTES});
    return segment;
}

void segment_close_file(struct segment *segment)
{
    if (segment->fd >= 0)
        close(segment->fd);
    segment->fd = -1;
}

void segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    segment_close_file(segment);
    free(segment->entries);
    free(segment);
}

static enum candor_code write_new(struct segment *segment, uint64_t file_bytes,
                                  struct candor_error *err)
{
    struct buffer header = {0};
    encode_header(segment, &header);
    int failed = disk_preallocate(segment->fd, 0, file_bytes);
    if (failed == 0)
        failed = disk_write_all(segment->fd, buffer_slice(&header), 0);
    buffer_free(&header);
    if (failed != 0)
        return disk_failed(err, failed, "create log segment", segment->name);
    return disk_sync_file(segment->fd, segment->name, err);
}

/* The rename is what makes it a segment: a crash before leaves a temporary file that nobody
 * reads. */
static enum candor_code publish(int dir_fd, const struct segment *segment, struct candor_error *err)
{
    return disk_rename(dir_fd, TEMPORARY_NAME, segment->name, err);
}

void segment_drop_prepared(int dir_fd, struct segment *segment)
{
    (void)unlinkat(dir_fd, TEMPORARY_NAME, 0);
    segment_free(segment);
}

static enum candor_code prepare(int dir_fd, uint64_t first_seq, struct chain before,
                                const struct segment *prev, uint64_t file_bytes,
                                struct segment **out, struct candor_error *err)
{
    struct segment *segment = segment_new(first_seq);
    segment->before = before;
    if (prev != NULL) {
        segment->prev_first_seq = prev->first_seq;
        segment->prev_bytes = prev->tail;
    }
    segment->salt = random_u64_nonzero();
    segment->file_bytes = file_bytes;
    segment->tail = SEGMENT_HEADER_BYTES;
    segment->last_seq = first_seq - 1;

    enum candor_code code = CANDOR_OK;
    int failed = disk_open_at(dir_fd, TEMPORARY_NAME, O_RDWR | O_CREAT | O_TRUNC, &segment->fd);
    if (failed != 0)
        code = disk_failed(err, failed, "create log segment", segment->name);
    else
        code = write_new(segment, file_bytes, err);
    if (code != CANDOR_OK) {
        segment_drop_prepared(dir_fd, segment);
        return code;
    }
    *out = segment;
    return CANDOR_OK;
}

enum candor_code segment_prepare(int dir_fd, uint64_t first_seq, struct chain before,
                                 struct segment **out, struct candor_error *err)
{
    return prepare(dir_fd, first_seq, before, NULL, SEGMENT_HEADER_BYTES, out, err);
}

enum candor_code segment_publish(int dir_fd, struct segment *segment, uint64_t file_bytes,
                                 struct candor_error *err)
{
    enum candor_code code = publish(dir_fd, segment, err);
    if (code != CANDOR_OK)
        return code;
    /* Without room, the first append finds that out, and says so. */
    int failed = disk_preallocate(segment->fd, segment->file_bytes, file_bytes);
    if (failed != 0 && !disk_error_is_shortage(failed))
        return disk_failed(err, failed, "enlarge log segment", segment->name);
    failed = disk_size(segment->fd, &segment->file_bytes);
    return failed == 0 ? CANDOR_OK : disk_failed(err, failed, "look at log segment", segment->name);
}

enum candor_code segment_create(int dir_fd, uint64_t first_seq, struct chain before,
                                const struct segment *prev, uint64_t file_bytes,
                                struct segment **out, struct candor_error *err)
{
    enum candor_code code = prepare(dir_fd, first_seq, before, prev, file_bytes, out, err);
    if (code != CANDOR_OK)
        return code;
    code = publish(dir_fd, *out, err);
    if (code != CANDOR_OK) {
        segment_drop_prepared(dir_fd, *out);
        *out = NULL;
    }
    return code;
}

static enum candor_code read_existing(struct segment *segment, struct candor_error *err)
{
    uint8_t header[SEGMENT_HEADER_BYTES];
    size_t got = 0;
    int failed = disk_size(segment->fd, &segment->file_bytes);
    if (failed == 0)
        failed = disk_read(segment->fd, header, sizeof header, 0, &got);
    if (failed != 0)
        return disk_failed(err, failed, "read log segment", segment->name);

    const char *why =
        got < sizeof header ? "it is shorter than its header" : decode_header(header, segment);
    if (why != NULL)
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "log segment %s is damaged: %s", segment->name, why);
    segment->tail = segment->file_bytes;
    return CANDOR_OK;
}

enum candor_code segment_open(int dir_fd, uint64_t first_seq, struct segment **out,
                              struct candor_error *err)
{
    struct segment *segment = segment_new(first_seq);
    enum candor_code code = CANDOR_OK;
    int failed = disk_open_at(dir_fd, segment->name, O_RDWR, &segment->fd);
    if (failed != 0)
        code = disk_failed(err, failed, "open log segment", segment->name);
    else
        code = read_existing(segment, err);
    if (code != CANDOR_OK) {
        segment_free(segment);
        return code;
    }
    *out = segment;
    return CANDOR_OK;
}

int segment_zero_from(int fd, uint64_t tail, uint64_t file_bytes, uint64_t *now_bytes)
{
    /* A file that is cut and made longer again reads as zeros, whatever was there. */
    if (ftruncate(fd, (off_t)tail) != 0)
        return errno;
    *now_bytes = tail;
    /* Without room behind it the next append begins another segment. */
    int failed = disk_preallocate(fd, tail, max_u64(file_bytes, tail));
    if (failed != 0 && !disk_error_is_shortage(failed))
        return failed;
    return disk_size(fd, now_bytes);
}

/* ---- marks ---- */

void segment_put_mark(uint8_t out[SEGMENT_MARK_BYTES], const struct segment *segment,
                      uint64_t synced_seq, uint64_t first_seq)
{
    put_u32(out, MARK_MAGIC);
    put_u64(out + 8, segment->salt);
    put_u64(out + 16, synced_seq);
    put_u64(out + 24, first_seq);
    put_u32(out + 4, crc32c(0, out + 8, SEGMENT_MARK_BYTES - 8));
}

static bool mark_is_valid(const uint8_t *mark, uint64_t salt)
{
    return get_u32(mark) == MARK_MAGIC && get_u64(mark + 8) == salt &&
           get_u32(mark + 4) == crc32c(0, mark + 8, SEGMENT_MARK_BYTES - 8);
}

static uint64_t mark_synced_seq(const uint8_t *mark)
{
    return get_u64(mark + 16);
}

/* ---- index ---- */

void segment_index_add(struct segment *segment, struct index_entry entry)
{
    if (segment->entry_count > 0) {
        const struct index_entry *last = &segment->entries[segment->entry_count - 1];
        if (entry.at < last->at + SEGMENT_INDEX_STRIDE_BYTES)
            return;
        ASSERT_U64(entry.seq, >, last->seq);
    }
    memory_grow(segment->entries, segment->entry_capacity, segment->entry_count + 1);
    segment->entries[segment->entry_count++] = entry;
}

void segment_index_cut(struct segment *segment, uint64_t at)
{
    /* The first place stands for the segment itself. */
    while (segment->entry_count > 1 && segment->entries[segment->entry_count - 1].at >= at)
        segment->entry_count--;
    segment->newest = (struct index_entry){0};
}

struct index_entry segment_index_find(const struct segment *segment, uint64_t seq)
{
    if (segment->newest.seq != 0 && segment->newest.seq <= seq)
        return segment->newest;
    ASSERT(segment->entry_count > 0 && segment->entries[0].seq <= seq);
    uint32_t low = 0;
    uint32_t high = segment->entry_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (segment->entries[middle].seq <= seq)
            low = middle;
        else
            high = middle;
    }
    return segment->entries[low];
}

/* ---- scan ---- */

#define SCAN_CHUNK_BYTES (64u << 10)

struct segment_scan segment_scan_begin(const struct segment *segment, int fd,
                                       struct index_entry from, uint64_t end)
{
    return (struct segment_scan){
        .fd = fd,
        .salt = segment->salt,
        .at = from.at,
        .end = end,
        .expected_seq = from.seq,
        .chained = from.at == SEGMENT_HEADER_BYTES,
        .chain = segment->before,
        .chunk_at = from.at,
    };
}

void segment_scan_free(struct segment_scan *scan)
{
    buffer_free(&scan->chunk);
}

static enum scan_result scan_damaged(struct segment_scan *scan, const char *why)
{
    snprintf(scan->why, sizeof scan->why, "%.*s", (int)sizeof scan->why - 1, why);
    return SCAN_DAMAGED;
}

/* What the chunk holds from `at` on. */
static struct slice chunk_rest(const struct segment_scan *scan)
{
    size_t used = (size_t)(scan->at - scan->chunk_at);
    return slice_of(scan->chunk.bytes + used, scan->chunk.length - used);
}

/* Has at least `need` bytes from `at` in the chunk, or all up to the end. */
static int fill(struct segment_scan *scan, size_t need)
{
    uint64_t held_to = scan->chunk_at + scan->chunk.length;
    uint64_t need_to = min_u64(scan->at + need, scan->end);
    if (scan->at <= held_to && need_to <= held_to && scan->chunk.bytes != NULL)
        return 0;

    size_t wanted = need > SCAN_CHUNK_BYTES ? need : SCAN_CHUNK_BYTES;
    wanted = (size_t)min_u64(wanted, scan->end - scan->at);
    buffer_clear(&scan->chunk);
    buffer_grow(&scan->chunk, wanted);
    scan->chunk_at = scan->at;
    size_t got = 0;
    int failed = disk_read(scan->fd, scan->chunk.bytes, wanted, scan->at, &got);
    /* a file that is shorter than it should be shows as an incomplete batch */
    scan->chunk.length = got;
    return failed;
}

/* A batch's length stands at offset 8 (record/batch.h); what is no batch at all asks for no
 * more. */
static size_t length_wanted(const struct segment_scan *scan)
{
    struct slice rest = chunk_rest(scan);
    if (rest.length < BATCH_HEADER_BYTES)
        return BATCH_HEADER_BYTES;
    size_t length = get_u32(rest.bytes + 8);
    return length <= LIMIT_RECORD_BATCH_BYTES ? length : BATCH_HEADER_BYTES;
}

static enum scan_result take_batch(struct segment_scan *scan, struct batch *out)
{
    struct slice rest = chunk_rest(scan);
    struct candor_error err;
    if (batch_decode(&rest, out, &err) != CANDOR_OK)
        return scan_damaged(scan, err.message);
    if (out->first_seq != scan->expected_seq) {
        snprintf(scan->why, sizeof scan->why, "seq %" PRIu64 " stands where %" PRIu64 " should",
                 out->first_seq, scan->expected_seq);
        return SCAN_DAMAGED;
    }
    if (epoch_compare(out->epoch, scan->epoch) < 0)
        return scan_damaged(scan, "its epoch is lower than that of the record before it");
    if (scan->chained && !chain_equal(out->before, scan->chain))
        return scan_damaged(scan, "it follows other records than those before it");

    scan->batch_at = scan->at;
    scan->at += out->bytes.length;
    scan->expected_seq = batch_last_seq(out) + 1;
    scan->epoch = out->epoch;
    scan->chained = true;
    scan->chain = batch_chain(out, batch_last_seq(out));
    return SCAN_BATCH;
}

/* Steps over the mark at `at`, if there is one. False when it is one that is damaged. */
static bool skip_mark(struct segment_scan *scan)
{
    struct slice rest = chunk_rest(scan);
    if (rest.length < 4 || get_u32(rest.bytes) != MARK_MAGIC)
        return true;
    if (rest.length < SEGMENT_MARK_BYTES || !mark_is_valid(rest.bytes, scan->salt))
        return false;
    scan->at += SEGMENT_MARK_BYTES;
    return true;
}

enum scan_result segment_scan_next(struct segment_scan *scan, struct batch *out)
{
    if (scan->at == scan->end)
        return SCAN_END;
    scan->error_number = fill(scan, SEGMENT_MARK_BYTES);
    if (scan->error_number != 0)
        return SCAN_FAILED;
    uint64_t mark_at = scan->at;
    if (!skip_mark(scan))
        return scan_damaged(scan, "the mark of an append fails its checksum");

    scan->error_number = fill(scan, BATCH_HEADER_BYTES);
    if (scan->error_number == 0)
        scan->error_number = fill(scan, length_wanted(scan));
    if (scan->error_number != 0)
        return SCAN_FAILED;
    enum scan_result result = take_batch(scan, out);
    /* a mark without its batch belongs to the damage */
    if (result != SCAN_BATCH)
        scan->at = mark_at;
    return result;
}

/* ---- behind the tail ---- */

#define LOOK_CHUNK_BYTES (1u << 20)

static void note_nonzero(const uint8_t *bytes, size_t length, uint64_t at, uint64_t *last_nonzero)
{
    /* Equal to itself one byte later, and beginning with zero: all zero. */
    if (length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0))
        return;
    while (bytes[length - 1] == 0)
        length--;
    *last_nonzero = at + length;
}

static bool has_proof(const uint8_t *bytes, size_t length, uint64_t salt, uint64_t seq)
{
    uint8_t magic[4];
    put_u32(magic, MARK_MAGIC);
    const uint8_t *end = bytes + length;
    const uint8_t *mark = memmem(bytes, length, magic, sizeof magic);
    while (mark != NULL && end - mark >= SEGMENT_MARK_BYTES) {
        if (mark_is_valid(mark, salt) && mark_synced_seq(mark) >= seq)
            return true;
        mark = memmem(mark + 1, (size_t)(end - mark) - 1, magic, sizeof magic);
    }
    return false;
}

int segment_look_behind(const struct segment *segment, uint64_t at, uint64_t seq,
                        uint64_t *last_nonzero, bool *proof)
{
    uint8_t *chunk = memory_alloc(LOOK_CHUNK_BYTES);
    *last_nonzero = at;
    *proof = false;
    int failed = 0;
    while (at < segment->file_bytes) {
        size_t got = 0;
        failed = disk_read(segment->fd, chunk, LOOK_CHUNK_BYTES, at, &got);
        if (failed != 0 || got == 0)
            break;
        note_nonzero(chunk, got, at, last_nonzero);
        *proof = *proof || has_proof(chunk, got, segment->salt, seq);
        if (got < LOOK_CHUNK_BYTES)
            break;
        at += got - (SEGMENT_MARK_BYTES - 1); /* a mark may lie across two chunks */
    }
    free(chunk);
    return failed;
}
