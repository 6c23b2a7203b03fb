/* links: record */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "record/batch.h"
#include "record/chain.h"

static struct candor_epoch epoch_7a(void)
{
    return (struct candor_epoch){.generation = 1, .term = 7, .owner = node_id_of("a")};
}

static struct slice text(const char *s)
{
    return slice_of(s, strlen(s));
}

static struct request_id request(uint64_t number)
{
    struct request_id id = {.number = number};
    memset(id.client, 0xc1, sizeof id.client);
    return id;
}

/* What the batches here follow. */
static struct chain chain_before(void)
{
    return (struct chain){UINT64_C(0x1122334455667788), 42};
}

/* `count` writes; write number i puts "key-<i>" and, if it is odd, deletes "gone". */
static void put_writes(struct buffer *out, uint64_t first_seq, uint32_t count)
{
    struct batch_writer writer =
        batch_begin(out, RECORD_WRITE, epoch_7a(), first_seq, chain_before());
    for (uint32_t i = 0; i < count; i++) {
        char key[16] = "key-0";
        key[4] = (char)('0' + i % 10);
        struct record_op ops[] = {
            {.kind = RECORD_PUT, .key = text(key), .value = text("a value")},
            {.kind = RECORD_DELETE, .key = text("gone")},
        };
        struct record_write write = {.ack = CANDOR_ACK_MAJORITY,
                                     .wall_ms = 1000 + i,
                                     .request = request(first_seq + i),
                                     .result = text(i % 2 == 0 ? "" : "answered"),
                                     .part = (uint16_t)i,
                                     .digest = UINT64_MAX - i};
        batch_add_write(&writer, &write, ops, 1 + i % 2);
    }
    batch_end(&writer);
}

static struct members two_members(void)
{
    struct members members = {.count = 2};
    members.list[0] = (struct member){node_id_of("a"), 11, true};
    members.list[1] = (struct member){node_id_of("b"), 0, false};
    return members;
}

static void put_members(struct buffer *out, enum record_type type, uint64_t seq,
                        const struct members *members)
{
    struct batch_writer writer = batch_begin(out, type, epoch_7a(), seq, chain_before());
    batch_add_members(&writer, 77, 99, members);
    batch_end(&writer);
}

static struct batch decode(const struct buffer *buffer)
{
    struct slice bytes = buffer_slice(buffer);
    struct batch batch;
    struct candor_error err;
    if (batch_decode(&bytes, &batch, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(bytes.length, 0);
    return batch;
}

/* In memory of its exact size, so that a read beyond it is seen by the address sanitizer. */
static enum candor_code decode_copy(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(copy);
    if (length > 0)
        memcpy(copy, bytes, length);
    struct slice slice = slice_of(copy, length);
    struct batch batch;
    struct candor_error err = {0};
    enum candor_code code = batch_decode(&slice, &batch, &err);
    if (code != CANDOR_OK) {
        assert_int_equal(code, CANDOR_DATA_LOSS);
        assert_int_equal(err.reason, CANDOR_REASON_MALFORMED);
        assert_ptr_equal(slice.bytes, copy); /* not moved */
    }
    free(copy);
    return code;
}

/* Makes the checksum right again, so that what is behind it is looked at. */
static void reseal(struct buffer *buffer)
{
    put_u32(buffer->bytes + 4, crc32c(0, buffer->bytes + 8, buffer->length - 8));
}

static void writes_come_back_as_they_went_in(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 41, 3);
    struct batch batch = decode(&buffer);
    assert_int_equal(batch.first_seq, 41);
    assert_int_equal(batch.count, 3);
    assert_int_equal(batch_last_seq(&batch), 43);
    assert_int_equal(batch.type, RECORD_WRITE);
    assert_true(epoch_equal(batch.epoch, epoch_7a()));
    assert_int_equal(batch.bytes.length, buffer.length);

    size_t cursor = 0;
    struct record record;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(batch_next(&batch, &cursor, &record));
        assert_int_equal(record.seq, 41 + i);
        assert_true(epoch_equal(record.epoch, epoch_7a()));
        assert_int_equal(record.type, RECORD_WRITE);
        assert_int_equal(record.ack, CANDOR_ACK_MAJORITY);
        assert_int_equal(record.wall_ms, 1000 + i);
        assert_int_equal(record.request.number, 41 + i);
        assert_int_equal(record.request.client[15], 0xc1);
        assert_true(slice_equal(record.result, text(i % 2 == 0 ? "" : "answered")));
        assert_int_equal(record.part, i);
        assert_true(record.digest == UINT64_MAX - i);
        assert_int_equal(record.op_count, 1 + i % 2);
        struct slice ops = record.ops;
        struct record_op op;
        assert_true(record_op_next(&ops, &op));
        assert_int_equal(op.kind, RECORD_PUT);
        assert_int_equal(op.key.length, 5);
        assert_int_equal(op.key.bytes[4], '0' + i);
        assert_true(slice_equal(op.value, text("a value")));
        if (i % 2 == 1) {
            assert_true(record_op_next(&ops, &op));
            assert_int_equal(op.kind, RECORD_DELETE);
            assert_true(slice_equal(op.key, text("gone")));
            assert_int_equal(op.value.length, 0);
        }
        assert_false(record_op_next(&ops, &op));
    }
    assert_false(batch_next(&batch, &cursor, &record));
    assert_false(batch_next(&batch, &cursor, &record));
    buffer_free(&buffer);
}

static void the_layout_on_disk_is_the_one_the_header_documents(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 41, 1);
    assert_memory_equal(buffer.bytes, "CBR4", 4);
    assert_int_equal(get_u32(buffer.bytes + 4), crc32c(0, buffer.bytes + 8, buffer.length - 8));
    assert_int_equal(get_u32(buffer.bytes + 8), buffer.length);
    assert_int_equal(get_u32(buffer.bytes + 12), 1);
    assert_int_equal(get_u64(buffer.bytes + 16), 41);
    assert_int_equal(get_u64(buffer.bytes + 24), 1);
    assert_int_equal(get_u64(buffer.bytes + 32), 7);
    assert_memory_equal(buffer.bytes + 40, "a\0", 2);
    assert_int_equal(buffer.bytes[72], RECORD_WRITE);
    assert_int_equal(get_u64(buffer.bytes + 80), chain_before().high);
    assert_int_equal(get_u64(buffer.bytes + 88), chain_before().low);
    assert_int_equal(get_u32(buffer.bytes + 96), buffer.length - 100);
    assert_int_equal(buffer.bytes[100], CANDOR_ACK_MAJORITY);
    buffer_free(&buffer);
}

static void members_come_back_as_they_went_in(void **state)
{
    (void)state;
    struct members members = two_members();
    static const enum record_type types[] = {RECORD_EPOCH_START, RECORD_MEMBERS};
    for (size_t i = 0; i < 2; i++) {
        struct buffer buffer = {0};
        put_members(&buffer, types[i], 5, &members);
        struct batch batch = decode(&buffer);
        size_t cursor = 0;
        struct record record;
        assert_true(batch_next(&batch, &cursor, &record));
        assert_int_equal(record.type, types[i]);
        assert_int_equal(record.seq, 5);
        assert_int_equal(record.wall_ms, 77);
        assert_int_equal(record.cluster_id, 99);
        assert_int_equal(record.op_count, 0);
        assert_int_equal(record.members.count, 2);
        for (uint32_t m = 0; m < 2; m++) {
            assert_true(node_id_equal(record.members.list[m].id, members.list[m].id));
            assert_int_equal(record.members.list[m].store_id, members.list[m].store_id);
            assert_int_equal(record.members.list[m].voter, members.list[m].voter);
        }
        assert_false(batch_next(&batch, &cursor, &record));
        buffer_free(&buffer);
    }
}

static void a_full_cluster_of_members_fits(void **state)
{
    (void)state;
    struct members members = {.count = LIMIT_NODES};
    for (uint32_t i = 0; i < LIMIT_NODES; i++) {
        char id[] = "n-a-0123456789-0123456789-01234";
        id[2] = (char)(i < 26 ? 'a' + i : 'A' + i - 26);
        members.list[i] = (struct member){node_id_of(id), UINT64_MAX - i, i % 2 == 0};
    }
    struct buffer buffer = {0};
    put_members(&buffer, RECORD_MEMBERS, 1, &members);
    struct batch batch = decode(&buffer);
    size_t cursor = 0;
    struct record record;
    assert_true(batch_next(&batch, &cursor, &record));
    assert_int_equal(record.members.count, LIMIT_NODES);
    assert_int_equal(record.members.list[LIMIT_NODES - 1].store_id, UINT64_MAX - LIMIT_NODES + 1);
    buffer_free(&buffer);
}

static void a_write_without_operations_is_a_record(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct batch_writer writer = batch_begin(&buffer, RECORD_WRITE, epoch_7a(), 1, chain_before());
    struct record_write write = {.ack = CANDOR_ACK_LOCAL, .wall_ms = 1, .request = request(1)};
    batch_add_write(&writer, &write, NULL, 0);
    batch_end(&writer);
    struct batch batch = decode(&buffer);
    size_t cursor = 0;
    struct record record;
    struct record_op op;
    assert_true(batch_next(&batch, &cursor, &record));
    assert_int_equal(record.op_count, 0);
    assert_false(record_op_next(&record.ops, &op));
    assert_false(batch_next(&batch, &cursor, &record));
    buffer_free(&buffer);
}

/* R46: a result over its limit is refused when it comes, too: what is kept per request is
 * bounded. */
static void a_result_has_its_limit(void **state)
{
    (void)state;
    static const uint8_t bytes[LIMIT_RESULT_BYTES + 1];
    struct buffer buffer = {0};
    struct batch_writer writer = batch_begin(&buffer, RECORD_WRITE, epoch_7a(), 1, chain_before());
    struct record_write write = {.ack = CANDOR_ACK_LOCAL,
                                 .result = slice_of(bytes, LIMIT_RESULT_BYTES)};
    batch_add_write(&writer, &write, NULL, 0);
    batch_end(&writer);
    struct batch batch = decode(&buffer);
    size_t cursor = 0;
    struct record record;
    assert_true(batch_next(&batch, &cursor, &record));
    assert_int_equal(record.result.length, LIMIT_RESULT_BYTES);

    size_t length_at = BATCH_HEADER_BYTES + 4 + 1 + 8 + 16 + 8;
    buffer_put_u8(&buffer, 0);
    put_u32(buffer.bytes + 8, (uint32_t)buffer.length);
    put_u32(buffer.bytes + BATCH_HEADER_BYTES, get_u32(buffer.bytes + BATCH_HEADER_BYTES) + 1);
    uint32_t tail = get_u32(buffer.bytes + length_at) + 1; /* the length's two bytes come first */
    put_u32(buffer.bytes + length_at, tail);
    reseal(&buffer);
    struct slice rest = buffer_slice(&buffer);
    assert_int_equal(batch_decode(&rest, &batch, NULL), CANDOR_DATA_LOSS);
    buffer_free(&buffer);
}

/* The writer applies each record before the batch that holds it is ended. */
static void the_newest_record_is_read_before_the_batch_is_ended(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_put_u8(&buffer, 'x'); /* batches may be chained behind anything */
    struct batch_writer writer = batch_begin(&buffer, RECORD_WRITE, epoch_7a(), 90, chain_before());
    struct record record;
    struct record_op op;
    for (uint32_t i = 0; i < 3; i++) {
        struct record_op ops[] = {
            {.kind = RECORD_PUT, .key = text("k"), .value = text("value")},
            {.kind = RECORD_DELETE, .key = text("gone")},
        };
        struct record_write write = {
            .ack = CANDOR_ACK_ALL, .request = request(i), .result = text("yes"), .part = 7};
        size_t before = batch_bytes(&writer);
        batch_add_write(&writer, &write, ops, i % 3);
        assert_int_equal(batch_bytes(&writer) - before, batch_write_bytes(&write, ops, i % 3));
        batch_newest(&writer, &record);
        assert_int_equal(record.seq, 90 + i);
        assert_true(epoch_equal(record.epoch, epoch_7a()));
        assert_int_equal(record.request.number, i);
        assert_int_equal(record.part, 7);
        assert_true(slice_equal(record.result, text("yes")));
        assert_int_equal(record.op_count, i % 3);
    }
    assert_true(record_op_next(&record.ops, &op));
    assert_true(record_op_next(&record.ops, &op));
    assert_int_equal(op.kind, RECORD_DELETE);
    buffer_free(&buffer);
}

static void chained_batches_are_decoded_one_by_one(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct members members = two_members();
    put_members(&buffer, RECORD_EPOCH_START, 1, &members);
    put_writes(&buffer, 2, 2);
    put_writes(&buffer, 4, 1);
    struct slice bytes = buffer_slice(&buffer);
    struct batch batch;
    static const uint64_t firsts[] = {1, 2, 4};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(batch_decode(&bytes, &batch, NULL), CANDOR_OK);
        assert_int_equal(batch.first_seq, firsts[i]);
    }
    assert_int_equal(bytes.length, 0);
    assert_int_equal(batch_decode(&bytes, &batch, NULL), CANDOR_DATA_LOSS);
    buffer_free(&buffer);
}

static void a_batch_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 41, 4);
    assert_int_equal(decode_copy(buffer.bytes, buffer.length), CANDOR_OK);
    for (size_t length = 0; length < buffer.length; length++)
        if (decode_copy(buffer.bytes, length) == CANDOR_OK)
            fail_msg("accepted when cut to %zu of %zu bytes", length, buffer.length);
    buffer_free(&buffer);
}

static void a_flipped_bit_is_refused_wherever_it_is(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 41, 4);
    for (size_t bit = 0; bit < buffer.length * 8; bit++) {
        buffer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (decode_copy(buffer.bytes, buffer.length) == CANDOR_OK)
            fail_msg("accepted with bit %zu flipped", bit);
        buffer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(decode_copy(buffer.bytes, buffer.length), CANDOR_OK);
    buffer_free(&buffer);
}

/* What a hostile peer sends has a good checksum: whatever is accepted must be walkable. */
static void walk_all(const struct batch *batch)
{
    size_t cursor = 0;
    struct record record;
    struct record_op op;
    uint32_t records = 0;
    while (batch_next(batch, &cursor, &record)) {
        uint32_t ops = 0;
        while (record_op_next(&record.ops, &op))
            ops++;
        assert_int_equal(ops, record.op_count);
        records++;
    }
    assert_int_equal(records, batch->count);
    (void)batch_chain(batch, batch_last_seq(batch));
}

static void a_resealed_flip_is_refused_or_walkable(void **state)
{
    (void)state;
    struct members members = two_members();
    uint32_t refused = 0;
    for (int kind = 0; kind < 2; kind++) {
        struct buffer buffer = {0};
        if (kind == 0)
            put_writes(&buffer, 41, 4);
        else
            put_members(&buffer, RECORD_EPOCH_START, 41, &members);
        for (size_t bit = 64; bit < buffer.length * 8; bit++) {
            buffer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            reseal(&buffer);
            struct slice bytes = buffer_slice(&buffer);
            struct batch batch;
            if (batch_decode(&bytes, &batch, NULL) == CANDOR_OK)
                walk_all(&batch);
            else
                refused++;
            buffer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        buffer_free(&buffer);
    }
    assert_true(refused > 300); /* lengths, counts, kinds, ids, reserved bytes */
}

struct patch {
    const char *what;
    size_t at;
    uint8_t value;
    bool accepted;
};

static void check_patches(const struct buffer *good, const struct patch *patches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buffer buffer = {0};
        buffer_put(&buffer, good->bytes, good->length);
        buffer.bytes[patches[i].at] = patches[i].value;
        reseal(&buffer);
        bool ok = decode_copy(buffer.bytes, buffer.length) == CANDOR_OK;
        if (ok != patches[i].accepted)
            fail_msg("%s: %s", patches[i].what, ok ? "accepted" : "refused");
        buffer_free(&buffer);
    }
}

static void every_field_of_a_write_is_checked(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 1, 1); /* op at 157: kind, key_length, value_length */
    static const struct patch patches[] = {
        {"untouched", 72, RECORD_WRITE, true},
        {"no record", 12, 0, false},
        {"more records than there are", 12, 2, false},
        {"a huge record count", 15, 0xff, false},
        {"first_seq 0", 16, 0, false},
        {"no owner", 40, 0, false},
        {"a blank in the owner", 40, ' ', false},
        {"garbage behind the owner's end", 60, 'x', false},
        {"an owner without end", 71, 'x', false},
        {"type 0", 72, 0, false},
        {"a write called members", 72, RECORD_MEMBERS, false},
        {"type 4", 72, 4, false},
        {"reserved byte", 73, 1, false},
        {"last reserved byte", 79, 1, false},
        {"record too long", 99, 1, false},
        {"record too short", 96, 1, false},
        {"ack 4", 100, 4, false},
        {"ack 3", 100, 3, true},
        {"another digest", 141, 9, true},
        {"a result beyond the record", 149, 200, false},
        {"another part", 151, 9, true},
        {"op count 0 with an op", 153, 0, false},
        {"op count 2 with one op", 153, 2, false},
        {"huge op count", 156, 0xff, false},
        {"op kind 0", 157, 0, false},
        {"op kind 5", 157, 5, false},
        {"an end with a put that has none", 157, RECORD_PUT | 0x80, false},
        {"an expiry with a value", 157, RECORD_EXPIRE, false},
        {"another end with a value", 157, RECORD_KEEP, false},
        {"another time of the log", 109, 9, true},
        {"a delete with a value", 157, RECORD_DELETE, false},
        {"key length 0", 158, 0, false},
        {"key length beyond the op", 158, 200, false},
        {"value length beyond the record", 160, 8, false},
    };
    assert_int_equal(buffer.bytes[157], RECORD_PUT);
    check_patches(&buffer, patches, sizeof patches / sizeof patches[0]);
    buffer_free(&buffer);
}

static void every_field_of_members_is_checked(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct members members = two_members();
    put_members(&buffer, RECORD_MEMBERS, 1, &members); /* members at 120 and 161 */
    static const struct patch patches[] = {
        {"untouched", 120, 'a', true},
        {"count 1 with two members", 116, 1, false},
        {"count 3 with two members", 116, 3, false},
        {"count over LIMIT_NODES", 116, LIMIT_NODES + 1, false},
        {"two records", 12, 2, false},
        {"a member without id", 120, 0, false},
        {"the same member twice", 120, 'b', false},
        {"voter 2", 160, 2, false},
        {"voter 0", 160, 0, true},
        {"members called a write", 72, RECORD_WRITE, false},
    };
    assert_int_equal(buffer.bytes[161], 'b');
    check_patches(&buffer, patches, sizeof patches / sizeof patches[0]);
    buffer_free(&buffer);
}

/* A batch of one put, made by hand: the encoder would refuse these. */
static void put_raw_op(struct buffer *out, uint16_t key_length, uint32_t value_length)
{
    struct batch_writer writer = batch_begin(out, RECORD_WRITE, epoch_7a(), 1, chain_before());
    uint32_t op_bytes = 7u + key_length + value_length;
    buffer_put_u32(out, 57 + op_bytes);
    buffer_put_u8(out, CANDOR_ACK_LOCAL);
    buffer_put_u64(out, 0);
    buffer_put_u64(out, 0);
    memset(buffer_grow(out, 16), 0, 16);
    buffer_put_u64(out, 0);
    buffer_put_u64(out, 0);
    buffer_put_u16(out, 0);
    buffer_put_u16(out, 0);
    buffer_put_u32(out, 1);
    buffer_put_u8(out, RECORD_PUT);
    buffer_put_u16(out, key_length);
    buffer_put_u32(out, value_length);
    size_t payload = (size_t)key_length + value_length;
    if (payload > 0)
        memset(buffer_grow(out, payload), 'k', payload);
    buffer_set_u32(out, writer.start + 8, (uint32_t)out->length);
    buffer_set_u32(out, writer.start + 12, 1);
    reseal(out);
}

static void key_and_value_lengths_have_their_limits(void **state)
{
    (void)state;
    static const struct {
        uint16_t key_length;
        uint32_t value_length;
        bool accepted;
    } cases[] = {
        {0, 1, false},
        {1, 0, true},
        {LIMIT_KEY_BYTES, 1, true},
        {LIMIT_KEY_BYTES + 1, 1, false},
        {UINT16_MAX, 1, false},
        {1, LIMIT_VALUE_BYTES_MAX, true},
        {1, LIMIT_VALUE_BYTES_MAX + 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer buffer = {0};
        put_raw_op(&buffer, cases[i].key_length, cases[i].value_length);
        bool ok = decode_copy(buffer.bytes, buffer.length) == CANDOR_OK;
        if (ok != cases[i].accepted)
            fail_msg("key %u, value %u: %s", cases[i].key_length, cases[i].value_length,
                     ok ? "accepted" : "refused");
        buffer_free(&buffer);
    }
}

static void a_batch_over_the_limit_is_refused(void **state)
{
    (void)state;
    /* Two legal values that are too much together. */
    struct buffer buffer = {0};
    put_raw_op(&buffer, 1, LIMIT_VALUE_BYTES_MAX);
    size_t one = buffer.length - BATCH_HEADER_BYTES;
    uint8_t *second = buffer_grow(&buffer, one);
    memcpy(second, buffer.bytes + BATCH_HEADER_BYTES, one);
    buffer_set_u32(&buffer, 8, (uint32_t)buffer.length);
    buffer_set_u32(&buffer, 12, 2);
    reseal(&buffer);
    assert_true(buffer.length > LIMIT_RECORD_BATCH_BYTES);
    struct slice bytes = buffer_slice(&buffer);
    struct batch batch;
    struct candor_error err;
    assert_int_equal(batch_decode(&bytes, &batch, &err), CANDOR_DATA_LOSS);
    assert_int_equal(err.reason, CANDOR_REASON_MALFORMED);
    buffer_free(&buffer);
}

static void the_last_seq_never_wraps(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 1, 3);
    put_u64(buffer.bytes + 16, UINT64_MAX - 3);
    reseal(&buffer);
    assert_int_equal(decode_copy(buffer.bytes, buffer.length), CANDOR_OK);
    put_u64(buffer.bytes + 16, UINT64_MAX - 2);
    reseal(&buffer);
    assert_int_equal(decode_copy(buffer.bytes, buffer.length), CANDOR_DATA_LOSS);
    buffer_free(&buffer);
}

/* `part` must hold exactly the records of `whole` from `from` to `to`. */
static void assert_part(const struct batch *whole, const struct buffer *part, uint64_t from,
                        uint64_t to)
{
    struct batch batch = decode(part);
    for (uint64_t seq = from; seq <= to; seq++)
        assert_true(chain_equal(batch_chain(&batch, seq), batch_chain(whole, seq)));
    assert_int_equal(batch.first_seq, from);
    assert_int_equal(batch_last_seq(&batch), to);
    assert_true(epoch_equal(batch.epoch, epoch_7a()));
    size_t cursor = 0;
    struct record record;
    for (uint64_t seq = from; seq <= to; seq++) {
        assert_true(batch_next(&batch, &cursor, &record));
        assert_int_equal(record.seq, seq);
        assert_int_equal(record.request.number, seq);
    }
    assert_false(batch_next(&batch, &cursor, &record));
}

static void tails_and_heads_are_batches_of_their_own(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 100, 7);
    struct batch whole = decode(&buffer);
    for (uint64_t seq = 100; seq <= 106; seq++) {
        struct buffer part = {0};
        batch_tail(&whole, seq, &part);
        assert_part(&whole, &part, seq, 106);
        struct batch tail = decode(&part);
        struct buffer middle = {0};
        batch_head(&tail, 106 - (106 - seq) / 2, &middle);
        assert_part(&whole, &middle, seq, 106 - (106 - seq) / 2);
        buffer_clear(&part);
        batch_head(&whole, seq, &part);
        assert_part(&whole, &part, 100, seq);
        buffer_free(&middle);
        buffer_free(&part);
    }
    buffer_free(&buffer);
}

static void whole_tails_and_heads_are_the_same_bytes_and_are_appended(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 100, 7);
    struct batch whole = decode(&buffer);
    struct buffer out = {0};
    buffer_put(&out, "before", 6);
    batch_tail(&whole, 100, &out);
    batch_head(&whole, 106, &out);
    assert_int_equal(out.length, 6 + 2 * buffer.length);
    assert_memory_equal(out.bytes, "before", 6);
    assert_memory_equal(out.bytes + 6, buffer.bytes, buffer.length);
    assert_memory_equal(out.bytes + 6 + buffer.length, buffer.bytes, buffer.length);
    buffer_free(&out);
    buffer_free(&buffer);
}

/* ---- The chain (R55) ------------------------------------------------------------------------- */

static struct chain chain_of_patch(const struct buffer *good, size_t at)
{
    struct buffer buffer = {0};
    buffer_put(&buffer, good->bytes, good->length);
    buffer.bytes[at] ^= 2;
    reseal(&buffer);
    struct batch batch = decode(&buffer);
    struct chain chain = batch_chain(&batch, batch_last_seq(&batch));
    buffer_free(&buffer);
    return chain;
}

static void the_chain_stands_for_every_field_of_a_record_and_for_all_before_it(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    put_writes(&buffer, 40, 2);
    struct batch batch = decode(&buffer);
    struct chain first = batch_chain(&batch, 40);
    struct chain chain = batch_chain(&batch, 41);
    assert_false(chain_equal(first, chain));
    assert_true(chain_equal(chain, batch_chain(&batch, 41)));
    static const struct {
        const char *what;
        size_t at;
    } fields[] = {
        {"seq", 16},
        {"generation", 24},
        {"term", 32},
        {"owner", 40},
        {"the chain before", 80},
        {"and its low half", 88},
        {"ack", 100},
        {"time", 101},
        {"the log's time", 109},
        {"request", 125},
        {"digest", 141},
        {"key", 164},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (chain_equal(chain_of_patch(&buffer, fields[i].at), chain))
            fail_msg("%s does not count", fields[i].what);
    buffer_free(&buffer);
}

/* Written down once and for all: it stands on disks, and other versions reckon it, too. */
static void the_chain_is_the_one_that_its_header_documents(void **state)
{
    (void)state;
    struct candor_pos pos = {epoch_7a(), 41};
    struct chain before = {1, 2};
    struct chain chain = chain_next(before, &pos, RECORD_WRITE, text("body"));
    assert_true(chain.high == UINT64_C(0xdb0c6a665e0ea074));
    assert_true(chain.low == UINT64_C(0x9f5bb7b1002b792));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_come_back_as_they_went_in),
        cmocka_unit_test(the_layout_on_disk_is_the_one_the_header_documents),
        cmocka_unit_test(members_come_back_as_they_went_in),
        cmocka_unit_test(a_full_cluster_of_members_fits),
        cmocka_unit_test(a_write_without_operations_is_a_record),
        cmocka_unit_test(a_result_has_its_limit),
        cmocka_unit_test(the_newest_record_is_read_before_the_batch_is_ended),
        cmocka_unit_test(chained_batches_are_decoded_one_by_one),
        cmocka_unit_test(a_batch_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused_wherever_it_is),
        cmocka_unit_test(a_resealed_flip_is_refused_or_walkable),
        cmocka_unit_test(every_field_of_a_write_is_checked),
        cmocka_unit_test(every_field_of_members_is_checked),
        cmocka_unit_test(key_and_value_lengths_have_their_limits),
        cmocka_unit_test(a_batch_over_the_limit_is_refused),
        cmocka_unit_test(the_last_seq_never_wraps),
        cmocka_unit_test(tails_and_heads_are_batches_of_their_own),
        cmocka_unit_test(whole_tails_and_heads_are_the_same_bytes_and_are_appended),
        cmocka_unit_test(the_chain_stands_for_every_field_of_a_record_and_for_all_before_it),
        cmocka_unit_test(the_chain_is_the_one_that_its_header_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
