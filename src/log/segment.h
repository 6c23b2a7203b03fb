/* One segment file of the log: header, marks, record batches, zeros.
 *
 * Header, 4 KiB: u32 magic "CSG1", u32 crc32c of what follows, u32 version, u32 zero, u64
 * first_seq, u64 previous segment's first_seq (0: none), u64 previous segment's bytes, u64 salt,
 * u64 chain.high, u64 chain.low of the record before first_seq (R55), zeros. A mark opens every
 * append: u32 magic "CMK1", u32 crc32c of what follows, u64 salt, u64 synced_seq, u64 first_seq of
 * the append. synced_seq is what was known durable before the append: a valid mark behind damage
 * tells a record that was once durable (synced_seq reaches it) from a torn tail (it does not). The
 * salt is drawn for each file, so that neither a value that looks like a mark nor bytes of another
 * file are taken for one.
 *
 * Threads: see log_internal.h. Ownership: segment_free() closes the file. */
#ifndef LOG_SEGMENT_H
#define LOG_SEGMENT_H

#include <candor/status.h>

#include "base/buffer.h"
#include "base/types.h"
#include "record/batch.h"

#define SEGMENT_HEADER_BYTES 4096
#define SEGMENT_MARK_BYTES 32
#define SEGMENT_NAME_BYTES 32
/* a read decodes at most so much before what it wants */
#define SEGMENT_INDEX_STRIDE_BYTES (32u << 10)

/* At `at` begins a batch, or the mark before it, whose first record is `seq`. */
struct index_entry {
    uint64_t seq;
    uint64_t at;
};

struct segment {
    char name[SEGMENT_NAME_BYTES];
    uint64_t first_seq;
    uint64_t prev_first_seq;
    uint64_t prev_bytes;
    uint64_t salt;
    struct chain before; /* at the record before first_seq */
    int fd;              /* of the newest segment; -1 for the others: whoever reads opens them */
    uint64_t file_bytes; /* how far it can be written */
    uint64_t tail;       /* where the next append goes */
    uint64_t last_seq;   /* first_seq - 1 when it is empty */
    struct index_entry newest;   /* the last batch; seq 0: not known */
    struct index_entry *entries; /* ascending; the first is the first batch's place */
    uint32_t entry_count;
    uint32_t entry_capacity;
};

/* "00000000000000000042.log"; false when `name` is not of that shape. */
bool segment_name_parse(const char *name, uint64_t *first_seq);
void segment_name(uint64_t first_seq, char out[SEGMENT_NAME_BYTES]);

/* Creates the file durably: temporary name, header, fdatasync, rename, fsync of the directory.
 * RESOURCE_EXHAUSTED/DISK_FULL leaves nothing behind. `prev` may be NULL. */
enum candor_code segment_create(int dir_fd, uint64_t first_seq, struct chain before,
                                const struct segment *prev, uint64_t file_bytes,
                                struct segment **out, struct candor_error *err);
/* The two halves of segment_create(), for who must not need a descriptor or room any more once it
 * has begun: a temporary file that nobody reads, durable, with room for its header alone; and the
 * rename that makes it a segment, after which it gets room for `file_bytes`, if there is any.
 * segment_drop_prepared() takes the first half back. */
enum candor_code segment_prepare(int dir_fd, uint64_t first_seq, struct chain before,
                                 struct segment **out, struct candor_error *err);
enum candor_code segment_publish(int dir_fd, struct segment *segment, uint64_t file_bytes,
                                 struct candor_error *err);
void segment_drop_prepared(int dir_fd, struct segment *segment);
/* Opens an existing file and checks its header. Its tail is taken to be its end, last_seq is not
 * known (0). */
enum candor_code segment_open(int dir_fd, uint64_t first_seq, struct segment **out,
                              struct candor_error *err);
void segment_close_file(struct segment *segment);
void segment_free(struct segment *segment);

static inline bool segment_empty(const struct segment *segment)
{
    return segment->tail == SEGMENT_HEADER_BYTES;
}

/* Makes everything from `tail` on zero, with room up to `file_bytes` where the disk has it. Not
 * synced. `*now_bytes` is the length it has then. */
int segment_zero_from(int fd, uint64_t tail, uint64_t file_bytes, uint64_t *now_bytes);

void segment_put_mark(uint8_t out[SEGMENT_MARK_BYTES], const struct segment *segment,
                      uint64_t synced_seq, uint64_t first_seq);

/* Remembers a batch's place when it is a stride behind the last one remembered. */
void segment_index_add(struct segment *segment, struct index_entry entry);
/* Forgets the places at or behind `at`. */
void segment_index_cut(struct segment *segment, uint64_t at);
/* The place nearest before `seq`. */
struct index_entry segment_index_find(const struct segment *segment, uint64_t seq);

/* ---- walking the batches of a file ---- */

enum scan_result {
    SCAN_BATCH,
    SCAN_END,     /* exactly at `end` */
    SCAN_DAMAGED, /* `why` says what is wrong at `at` */
    SCAN_FAILED,  /* the file could not be read: `error_number` */
};

struct segment_scan {
    int fd;
    uint64_t salt;
    uint64_t at; /* the next item */
    uint64_t end;
    uint64_t batch_at;         /* of the batch returned last */
    uint64_t expected_seq;     /* the next batch begins with it */
    struct candor_epoch epoch; /* of the batch returned last; the next one's is not lower */
    bool chained;              /* `chain` is known: the next batch must name it */
    struct chain chain;        /* at the last record of the batch returned last */
    struct buffer chunk;
    uint64_t chunk_at;
    int error_number;
    char why[160];
};

/* From `from` up to `end`. segment_scan_free() when done. */
struct segment_scan segment_scan_begin(const struct segment *segment, int fd,
                                       struct index_entry from, uint64_t end);
/* The batch's slices live until the next call. */
enum scan_result segment_scan_next(struct segment_scan *scan, struct batch *out);
void segment_scan_free(struct segment_scan *scan);

/* Looks from `at` to the end of the file: `*last_nonzero` is the offset behind the last byte that
 * is not zero (`at` when all are), `*proof` whether a mark there says that `seq` was once durable.
 * Gives an errno. */
int segment_look_behind(const struct segment *segment, uint64_t at, uint64_t seq,
                        uint64_t *last_nonzero, bool *proof);

#endif
