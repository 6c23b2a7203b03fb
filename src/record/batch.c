/* Record batches: built, checked, walked. */
#include "record/batch.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "record/chain.h"

#define BATCH_MAGIC UINT32_C(0x34524243) /* "CBR4" */

/* Offsets in the header. */
enum {
    AT_MAGIC = 0,
    AT_CRC = 4,
    AT_LENGTH = 8,
    AT_COUNT = 12,
    AT_FIRST_SEQ = 16,
    AT_GENERATION = 24,
    AT_TERM = 32,
    AT_OWNER = 40,
    AT_TYPE = 72,
    AT_RESERVED = 73,
    AT_CHAIN = 80,
};

_Static_assert(AT_OWNER + LIMIT_NODE_ID_BYTES == AT_TYPE, "the owner fills its field");
_Static_assert(AT_CHAIN + 16 == BATCH_HEADER_BYTES, "the chain ends the header");
/* batch_next()'s cursor holds an index and an offset side by side. */
_Static_assert(sizeof(size_t) == 8 && LIMIT_RECORD_BATCH_BYTES < UINT32_MAX, "cursor fits");

/* What a WRITE and each of its ops take beside result, keys and values. */
enum {
    WRITE_FIXED_BYTES = 4 + 1 + 8 + 8 + 16 + 8 + 8 + 2 + 2 + 4,
    OP_FIXED_BYTES = 1 + 2 + 4,
    UNTIL_BYTES = 8,
};

enum { KIND_UNTIL = 0x80 };

/* ---- encoding ---- */

struct batch_writer batch_begin(struct buffer *out, enum record_type type,
                                struct candor_epoch epoch, uint64_t first_seq, struct chain before)
{
    static const uint8_t reserved[AT_CHAIN - AT_RESERVED];
    ASSERT(type == RECORD_WRITE || type == RECORD_EPOCH_START || type == RECORD_MEMBERS);
    ASSERT(!node_id_empty(epoch.owner));
    ASSERT(first_seq > 0);

    size_t start = out->length;
    buffer_put_u32(out, BATCH_MAGIC);
    buffer_put_u32(out, 0); /* crc, length and count: batch_end() */
    buffer_put_u32(out, 0);
    buffer_put_u32(out, 0);
    buffer_put_u64(out, first_seq);
    buffer_put_u64(out, epoch.generation);
    buffer_put_u64(out, epoch.term);
    buffer_put_node_id(out, epoch.owner);
    buffer_put_u8(out, (uint8_t)type);
    buffer_put(out, reserved, sizeof reserved);
    buffer_put_u64(out, before.high);
    buffer_put_u64(out, before.low);
    return (struct batch_writer){.out = out, .start = start};
}

static enum record_type writer_type(const struct batch_writer *writer)
{
    return (enum record_type)writer->out->bytes[writer->start + AT_TYPE];
}

static size_t record_begin(struct batch_writer *writer)
{
    size_t at = writer->out->length;
    writer->newest = at;
    buffer_put_u32(writer->out, 0); /* its length: record_end() */
    return at;
}

static void record_end(struct batch_writer *writer, size_t at)
{
    size_t length = writer->out->length - at - 4;
    ASSERT_U64(length, <=, LIMIT_RECORD_BATCH_BYTES);
    buffer_set_u32(writer->out, at, (uint32_t)length);
    writer->count++;
}

static void put_op(struct buffer *out, const struct record_op *op)
{
    ASSERT(op->kind >= RECORD_PUT && op->kind <= RECORD_KEEP);
    ASSERT(op->until_ms == 0 || !record_op_deletes(op));
    ASSERT_U64(op->key.length, >=, 1);
    ASSERT_U64(op->key.length, <=, LIMIT_KEY_BYTES);
    ASSERT_U64(op->value.length, <=, LIMIT_VALUE_BYTES_MAX);
    ASSERT(op->kind == RECORD_PUT || op->value.length == 0);

    buffer_put_u8(out, (uint8_t)op->kind | (op->until_ms != 0 ? KIND_UNTIL : 0));
    buffer_put_u16(out, (uint16_t)op->key.length);
    buffer_put_u32(out, (uint32_t)op->value.length);
    if (op->until_ms != 0)
        buffer_put_u64(out, op->until_ms);
    buffer_put(out, op->key.bytes, op->key.length);
    buffer_put(out, op->value.bytes, op->value.length);
}

void batch_add_write(struct batch_writer *writer, const struct record_write *write,
                     const struct record_op *ops, uint32_t op_count)
{
    ASSERT(writer_type(writer) == RECORD_WRITE);
    ASSERT(write->ack >= CANDOR_ACK_NONE && write->ack <= CANDOR_ACK_ALL);
    ASSERT_U64(write->result.length, <=, LIMIT_RESULT_BYTES);

    struct buffer *out = writer->out;
    size_t at = record_begin(writer);
    buffer_put_u8(out, (uint8_t)write->ack);
    buffer_put_u64(out, write->wall_ms);
    buffer_put_u64(out, write->log_ms);
    buffer_put(out, write->request.client, sizeof write->request.client);
    buffer_put_u64(out, write->request.number);
    buffer_put_u64(out, write->digest);
    buffer_put_u16(out, (uint16_t)write->result.length);
    buffer_put(out, write->result.bytes, write->result.length);
    buffer_put_u16(out, write->part);
    buffer_put_u32(out, op_count);
    for (uint32_t i = 0; i < op_count; i++)
        put_op(out, &ops[i]);
    record_end(writer, at);
}

void batch_add_members(struct batch_writer *writer, uint64_t wall_ms, uint64_t cluster_id,
                       const struct members *members)
{
    ASSERT(writer_type(writer) != RECORD_WRITE);
    ASSERT(writer->count == 0); /* always alone in its batch */
    ASSERT_U64(members->count, <=, LIMIT_NODES);

    struct buffer *out = writer->out;
    size_t at = record_begin(writer);
    buffer_put_u64(out, wall_ms);
    buffer_put_u64(out, cluster_id);
    buffer_put_u32(out, members->count);
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        ASSERT(!node_id_empty(member->id));
        buffer_put_node_id(out, member->id);
        buffer_put_u64(out, member->store_id);
        buffer_put_u8(out, member->voter ? 1 : 0);
    }
    record_end(writer, at);
}

/* Fills in what is only known at the end; `batch` is the whole of it. */
static void seal(uint8_t *batch, size_t length, uint32_t count)
{
    ASSERT_U64(length, <=, LIMIT_RECORD_BATCH_BYTES);
    ASSERT_U64(count, >=, 1);
    put_u32(batch + AT_LENGTH, (uint32_t)length);
    put_u32(batch + AT_COUNT, count);
    put_u32(batch + AT_CRC, crc32c(0, batch + AT_LENGTH, length - AT_LENGTH));
}

void batch_end(struct batch_writer *writer)
{
    seal(writer->out->bytes + writer->start, batch_bytes(writer), writer->count);
}

size_t batch_bytes(const struct batch_writer *writer)
{
    return writer->out->length - writer->start;
}

size_t batch_write_bytes(const struct record_write *write, const struct record_op *ops,
                         uint32_t op_count)
{
    size_t bytes = WRITE_FIXED_BYTES + write->result.length;
    for (uint32_t i = 0; i < op_count; i++)
        bytes += OP_FIXED_BYTES + (ops[i].until_ms != 0 ? UNTIL_BYTES : 0) + ops[i].key.length +
                 ops[i].value.length;
    return bytes;
}

/* ---- decoding: everything is hostile until its checks are passed ---- */

/* A member, or an epoch's owner: never nobody. */
static bool read_id(struct reader *reader, struct candor_node_id *out)
{
    return read_node_id(reader, out) && !node_id_empty(*out);
}

static bool read_op(struct reader *reader, struct record_op *out)
{
    uint8_t head = read_u8(reader);
    uint8_t kind = head & (uint8_t)~KIND_UNTIL;
    bool ends = (head & KIND_UNTIL) != 0;
    size_t key_length = read_u16(reader);
    size_t value_length = read_u32(reader);
    out->until_ms = ends ? read_u64(reader) : 0;
    if (!reader->ok || kind < RECORD_PUT || kind > RECORD_KEEP)
        return false;
    if (key_length == 0 || key_length > LIMIT_KEY_BYTES)
        return false;
    if (value_length > (kind == RECORD_PUT ? LIMIT_VALUE_BYTES_MAX : 0))
        return false;
    out->kind = (enum record_op_kind)kind;
    if (ends && (out->until_ms == 0 || record_op_deletes(out)))
        return false;
    out->key = read_bytes(reader, key_length);
    out->value = read_bytes(reader, value_length);
    return reader->ok;
}

static bool ops_are_valid(struct slice ops, uint32_t op_count)
{
    struct reader reader = reader_of(ops);
    struct record_op op;
    for (uint32_t i = 0; i < op_count; i++)
        if (!read_op(&reader, &op))
            return false;
    return reader_left(&reader) == 0;
}

/* Leaves the ops unread: ops_are_valid() checks them, record_op_next() walks them. */
static bool read_write(struct reader *reader, struct record *out)
{
    uint8_t ack = read_u8(reader);
    out->wall_ms = read_u64(reader);
    out->log_ms = read_u64(reader);
    struct slice client = read_bytes(reader, sizeof out->request.client);
    out->request.number = read_u64(reader);
    out->digest = read_u64(reader);
    out->result = read_bytes(reader, read_u16(reader));
    out->part = read_u16(reader);
    out->op_count = read_u32(reader);
    if (!reader->ok || ack > CANDOR_ACK_ALL || out->result.length > LIMIT_RESULT_BYTES)
        return false;

    out->ack = (enum candor_ack)ack;
    memcpy(out->request.client, client.bytes, client.length);
    out->ops = read_bytes(reader, reader_left(reader));
    return true;
}

static bool read_member(struct reader *reader, struct members *members)
{
    struct member member;
    if (!read_id(reader, &member.id) || members_find(members, member.id) != NULL)
        return false;
    member.store_id = read_u64(reader);
    uint8_t voter = read_u8(reader);
    member.voter = voter == 1;
    if (!reader->ok || voter > 1)
        return false;
    members->list[members->count++] = member;
    return true;
}

static bool read_members(struct reader *reader, struct record *out)
{
    out->wall_ms = read_u64(reader);
    out->cluster_id = read_u64(reader);
    uint32_t count = read_u32(reader);
    if (!reader->ok || count > LIMIT_NODES)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!read_member(reader, &out->members))
            return false;
    return reader_left(reader) == 0;
}

static bool read_record(struct slice body, enum record_type type, struct record *out)
{
    /* Field by field: clearing the members of every record would cost more than reading it. */
    out->type = type;
    out->body = body;
    out->log_ms = 0;
    out->ack = CANDOR_ACK_NONE;
    out->request = (struct request_id){0};
    out->result = (struct slice){0};
    out->part = 0;
    out->op_count = 0;
    out->ops = (struct slice){0};
    out->cluster_id = 0;
    out->members.count = 0;

    struct reader reader = reader_of(body);
    return type == RECORD_WRITE ? read_write(&reader, out) : read_members(&reader, out);
}

void batch_newest(const struct batch_writer *writer, struct record *out)
{
    ASSERT(writer->count > 0);
    const uint8_t *header = writer->out->bytes + writer->start;
    const uint8_t *at = writer->out->bytes + writer->newest;
    struct reader owner = reader_of(slice_of(header + AT_OWNER, LIMIT_NODE_ID_BYTES));
    bool ok = read_record(slice_of(at + 4, get_u32(at)), writer_type(writer), out) &&
              read_id(&owner, &out->epoch.owner);
    ASSERT(ok);
    out->epoch.generation = get_u64(header + AT_GENERATION);
    out->epoch.term = get_u64(header + AT_TERM);
    out->seq = get_u64(header + AT_FIRST_SEQ) + writer->count - 1;
}

static enum candor_code malformed(struct candor_error *err, const char *what)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_MALFORMED, "record batch: %s",
                            what);
}

/* The frame: enough to trust the bytes, not yet their meaning. */
static enum candor_code check_frame(struct slice bytes, size_t *length, struct candor_error *err)
{
    if (bytes.length < BATCH_HEADER_BYTES)
        return malformed(err, "shorter than its header");
    if (get_u32(bytes.bytes + AT_MAGIC) != BATCH_MAGIC)
        return malformed(err, "wrong magic");
    *length = get_u32(bytes.bytes + AT_LENGTH);
    if (*length < BATCH_HEADER_BYTES || *length > LIMIT_RECORD_BATCH_BYTES)
        return malformed(err, "length out of range");
    if (*length > bytes.length)
        return malformed(err, "incomplete");
    uint32_t crc = crc32c(0, bytes.bytes + AT_LENGTH, *length - AT_LENGTH);
    if (crc != get_u32(bytes.bytes + AT_CRC))
        return malformed(err, "checksum mismatch");
    return CANDOR_OK;
}

static enum candor_code read_header(struct slice bytes, struct batch *out, struct candor_error *err)
{
    const uint8_t *p = bytes.bytes;
    struct reader owner = reader_of(slice_of(p + AT_OWNER, LIMIT_NODE_ID_BYTES));
    uint8_t type = p[AT_TYPE];

    out->bytes = bytes;
    out->count = get_u32(p + AT_COUNT);
    out->first_seq = get_u64(p + AT_FIRST_SEQ);
    out->epoch.generation = get_u64(p + AT_GENERATION);
    out->epoch.term = get_u64(p + AT_TERM);
    out->type = (enum record_type)type;
    out->before = (struct chain){get_u64(p + AT_CHAIN), get_u64(p + AT_CHAIN + 8)};

    if (!read_id(&owner, &out->epoch.owner))
        return malformed(err, "invalid owner");
    if (type != RECORD_WRITE && type != RECORD_EPOCH_START && type != RECORD_MEMBERS)
        return malformed(err, "unknown record type");
    for (size_t i = AT_RESERVED; i < AT_CHAIN; i++)
        if (p[i] != 0)
            return malformed(err, "reserved bytes are set");
    if (out->count == 0 || (type != RECORD_WRITE && out->count != 1))
        return malformed(err, "wrong record count");
    if (out->first_seq == 0 || out->first_seq > UINT64_MAX - out->count)
        return malformed(err, "first_seq out of range");
    return CANDOR_OK;
}

static enum candor_code check_records(const struct batch *batch, struct candor_error *err)
{
    struct slice area =
        slice_of(batch->bytes.bytes + BATCH_HEADER_BYTES, batch->bytes.length - BATCH_HEADER_BYTES);
    struct reader reader = reader_of(area);
    struct record record;
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t length = read_u32(&reader);
        struct slice body = read_bytes(&reader, length);
        if (!reader.ok)
            return malformed(err, "a record reaches beyond the batch");
        if (!read_record(body, batch->type, &record))
            return malformed(err, "invalid record");
        if (batch->type == RECORD_WRITE && !ops_are_valid(record.ops, record.op_count))
            return malformed(err, "invalid operation in a record");
    }
    if (reader_left(&reader) != 0)
        return malformed(err, "bytes behind the last record");
    return CANDOR_OK;
}

enum candor_code batch_decode(struct slice *bytes, struct batch *out, struct candor_error *err)
{
    size_t length = 0;
    enum candor_code code = check_frame(*bytes, &length, err);
    if (code != CANDOR_OK)
        return code;
    code = read_header(slice_of(bytes->bytes, length), out, err);
    if (code != CANDOR_OK)
        return code;
    code = check_records(out, err);
    if (code != CANDOR_OK)
        return code;
    *bytes = slice_of(bytes->bytes + length, bytes->length - length);
    return CANDOR_OK;
}

/* ---- walking a decoded batch: what fails here was checked before ---- */

bool batch_next(const struct batch *batch, size_t *cursor, struct record *out)
{
    /* Index in the high half, offset behind the header in the low one. */
    uint32_t index = (uint32_t)(*cursor >> 32);
    size_t at = BATCH_HEADER_BYTES + (size_t)(uint32_t)*cursor;
    if (index == batch->count)
        return false;
    ASSERT_U64(at + 4, <=, batch->bytes.length);

    size_t length = get_u32(batch->bytes.bytes + at);
    ASSERT_U64(length, <=, batch->bytes.length - at - 4);
    bool ok = read_record(slice_of(batch->bytes.bytes + at + 4, length), batch->type, out);
    ASSERT(ok);
    out->seq = batch->first_seq + index;
    out->epoch = batch->epoch;
    *cursor = (size_t)(index + 1) << 32 | (at + 4 + length - BATCH_HEADER_BYTES);
    return true;
}

bool record_op_next(struct slice *ops, struct record_op *out)
{
    if (ops->length == 0)
        return false;
    struct reader reader = reader_of(*ops);
    bool ok = read_op(&reader, out);
    ASSERT(ok);
    *ops = slice_of(reader.at, reader_left(&reader));
    return true;
}

/* ---- the chain ---- */

struct chain record_chain(struct chain before, const struct record *record)
{
    struct candor_pos pos = {record->epoch, record->seq};
    return chain_next(before, &pos, (uint8_t)record->type, record->body);
}

struct chain batch_chain(const struct batch *batch, uint64_t seq)
{
    ASSERT_U64(seq, >=, batch->first_seq);
    ASSERT_U64(seq, <=, batch_last_seq(batch));
    struct chain chain = batch->before;
    struct candor_pos pos = {batch->epoch, batch->first_seq};
    const uint8_t *at = batch->bytes.bytes + BATCH_HEADER_BYTES;
    for (; pos.seq <= seq; pos.seq++) {
        size_t length = get_u32(at);
        chain = chain_next(chain, &pos, (uint8_t)batch->type, slice_of(at + 4, length));
        at += 4 + length;
    }
    return chain;
}

/* ---- parts of a batch ---- */

/* Offset in the batch of its record number `index`; of its end when index = count. */
static size_t record_offset(const struct batch *batch, uint32_t index)
{
    size_t at = BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < index; i++)
        at += 4 + (size_t)get_u32(batch->bytes.bytes + at);
    ASSERT_U64(at, <=, batch->bytes.length);
    return at;
}

/* Records number `from` up to, not including, `to`. */
static void put_part(const struct batch *batch, uint32_t from, uint32_t to, struct buffer *out)
{
    size_t begin = record_offset(batch, from);
    size_t end = record_offset(batch, to);
    size_t start = out->length;
    buffer_put(out, batch->bytes.bytes, BATCH_HEADER_BYTES);
    buffer_put(out, batch->bytes.bytes + begin, end - begin);
    put_u64(out->bytes + start + AT_FIRST_SEQ, batch->first_seq + from);
    if (from > 0) {
        struct chain before = batch_chain(batch, batch->first_seq + from - 1);
        put_u64(out->bytes + start + AT_CHAIN, before.high);
        put_u64(out->bytes + start + AT_CHAIN + 8, before.low);
    }
    seal(out->bytes + start, out->length - start, to - from);
}

void batch_tail(const struct batch *batch, uint64_t from_seq, struct buffer *out)
{
    ASSERT_U64(from_seq, >=, batch->first_seq);
    ASSERT_U64(from_seq, <=, batch_last_seq(batch));
    if (from_seq == batch->first_seq)
        buffer_put(out, batch->bytes.bytes, batch->bytes.length);
    else
        put_part(batch, (uint32_t)(from_seq - batch->first_seq), batch->count, out);
}

void batch_head(const struct batch *batch, uint64_t to_seq, struct buffer *out)
{
    ASSERT_U64(to_seq, >=, batch->first_seq);
    ASSERT_U64(to_seq, <=, batch_last_seq(batch));
    if (to_seq == batch_last_seq(batch))
        buffer_put(out, batch->bytes.bytes, batch->bytes.length);
    else
        put_part(batch, 0, (uint32_t)(to_seq - batch->first_seq) + 1, out);
}
