/* Record batches: the unit of the log, of the stream and of Fetch. Encoded once, at the primary;
 * the bytes on its disk are the bytes on the wire and on every replica's disk.
 *
 * One batch holds records of one epoch and one type, contiguous in seq. Little-endian layout:
 *
 *   0  u32 magic        "CBR4"
 *   4  u32 crc32c       over everything behind this field
 *   8  u32 length       of the whole batch, this header included
 *  12  u32 count        records, at least 1
 *  16  u64 first_seq
 *  24  u64 generation
 *  32  u64 term
 *  40  u8  owner[32]    zero-padded, terminated
 *  72  u8  type         enum record_type
 *  73  u8  reserved[7]  zero
 *  80  u64 chain.high   of the record before the first one (record/chain.h): with it
 *  88  u64 chain.low    each batch names its predecessor, and so one history
 *  96  records          each: u32 length, then its body
 *
 * Body of a WRITE: u8 ack, u64 wall_ms, u64 log_ms, u8 client[16], u64 number, u64 digest,
 * u16 result_length, result, u16 part, u32 op_count,
 *   then per op: u8 kind, u16 key_length, u32 value_length, [u64 until_ms,] key, value. What is no
 *   PUT has no value; until_ms is there where KIND_UNTIL is added to the kind, and is not 0 then.
 * Body of EPOCH_START and MEMBERS (always alone in their batch): u64 wall_ms, u64 cluster_id,
 *   u32 member_count, then per member: u8 id[32], u64 store_id, u8 voter.
 *
 * Threads: pure functions; a batch's slices point into the bytes it was decoded from. */
#ifndef RECORD_BATCH_H
#define RECORD_BATCH_H

#include <candor/status.h>

#include "base/buffer.h"
#include "base/types.h"

#define BATCH_HEADER_BYTES 96

enum record_type {
    RECORD_WRITE = 1,       /* a client's operation: effects, never conditions (R47) */
    RECORD_EPOCH_START = 2, /* opens an epoch (R24); carries the members as they stand */
    RECORD_MEMBERS = 3,     /* changes the members (R4, R29) */
};

enum record_op_kind {
    RECORD_PUT = 1,
    RECORD_DELETE = 2,
    RECORD_EXPIRE = 3, /* a delete: the key's time was over (R69) */
    RECORD_KEEP = 4,   /* until_ms, or none, of a key that is there; nothing else of it changes */
};

struct record_op {
    enum record_op_kind kind;
    struct slice key;   /* 1..LIMIT_KEY_BYTES */
    struct slice value; /* PUT only */
    uint64_t until_ms;  /* PUT, KEEP: the time of the log at which the key ends; 0: none */
};

/* Whether nothing is at the key afterwards. */
static inline bool record_op_deletes(const struct record_op *op)
{
    return op->kind == RECORD_DELETE || op->kind == RECORD_EXPIRE;
}

/* A decoded batch header over bytes that passed every check of batch_decode. */
struct batch {
    struct candor_epoch epoch;
    uint64_t first_seq;
    uint32_t count;
    enum record_type type;
    struct chain before; /* at the record before first_seq */
    struct slice bytes;  /* the whole batch */
};

static inline uint64_t batch_last_seq(const struct batch *batch)
{
    return batch->first_seq + batch->count - 1;
}

/* One record of a decoded batch. */
struct record {
    uint64_t seq;
    struct candor_epoch epoch;
    enum record_type type;
    struct slice body; /* as it stands in the batch */
    uint64_t wall_ms;
    /* WRITE */
    uint64_t log_ms;     /* the log's own time, which never goes back (R69) */
    enum candor_ack ack; /* the level its client asked for */
    struct request_id request;
    uint64_t digest;     /* of the whole request's content (R46); 0 without a request id */
    struct slice result; /* what the operation answered (R46) */
    uint16_t part;       /* of a Batch request: which of its operations; else 0 */
    uint32_t op_count;
    struct slice ops; /* for record_op_next() */
    /* EPOCH_START, MEMBERS */
    uint64_t cluster_id;
    struct members members;
};

/* Encoding: begin, add at least one, end. The buffer is appended to, so batches can be chained. */
struct batch_writer {
    struct buffer *out;
    size_t start;
    size_t newest; /* where the record added last begins */
    uint32_t count;
};

/* What a WRITE says beside its effects. */
struct record_write {
    enum candor_ack ack;
    uint64_t wall_ms;
    struct request_id request;
    struct slice result; /* at most LIMIT_RESULT_BYTES */
    uint16_t part;
    uint64_t digest; /* of the whole request's content */
    uint64_t log_ms;
};

/* `before`: the chain at the record before first_seq. */
struct batch_writer batch_begin(struct buffer *out, enum record_type type,
                                struct candor_epoch epoch, uint64_t first_seq, struct chain before);
void batch_add_write(struct batch_writer *writer, const struct record_write *write,
                     const struct record_op *ops, uint32_t op_count);
void batch_add_members(struct batch_writer *writer, uint64_t wall_ms, uint64_t cluster_id,
                       const struct members *members); /* for EPOCH_START and MEMBERS */
void batch_end(struct batch_writer *writer);
size_t batch_bytes(const struct batch_writer *writer); /* so far, header included */
/* The record added last, before its batch is ended. Its slices are valid until the buffer grows. */
void batch_newest(const struct batch_writer *writer, struct record *out);
/* Bytes that a WRITE takes in a batch. */
size_t batch_write_bytes(const struct record_write *write, const struct record_op *ops,
                         uint32_t op_count);

/* Decodes and checks the batch that `*bytes` begins with (magic, length, crc, every record's shape
 * and the key and value limits), and moves `*bytes` behind it. CANDOR_DATA_LOSS with reason
 * MALFORMED otherwise. */
enum candor_code batch_decode(struct slice *bytes, struct batch *out, struct candor_error *err);

/* Walks the records of a decoded batch: `*cursor` starts as 0. False at the end. */
bool batch_next(const struct batch *batch, size_t *cursor, struct record *out);
/* The chain at the record `seq` of a decoded batch, which must hold it. */
struct chain batch_chain(const struct batch *batch, uint64_t seq);
/* The chain at a record, from the chain at the one before. */
struct chain record_chain(struct chain before, const struct record *record);
/* Walks the ops of a WRITE: `*ops` starts as record->ops. False at the end. */
bool record_op_next(struct slice *ops, struct record_op *out);

/* Appends to `out` a batch with the records of `batch` from `from_seq` on (which it must hold). */
void batch_tail(const struct batch *batch, uint64_t from_seq, struct buffer *out);
/* Likewise the records up to `to_seq`. */
void batch_head(const struct batch *batch, uint64_t to_seq, struct buffer *out);

#endif
