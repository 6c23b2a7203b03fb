/* A growable byte buffer; little-endian numbers into and out of bytes. */
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum { FIRST_BYTES = 256 };

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
}

uint8_t *buffer_grow(struct buffer *buffer, size_t more)
{
    ASSERT(more <= SIZE_MAX / 4 && buffer->length <= SIZE_MAX / 4);
    size_t wanted = buffer->length + more;
    if (wanted > buffer->capacity)
        memory_grow(buffer->bytes, buffer->capacity, max_u64(wanted, FIRST_BYTES));
    uint8_t *at = buffer->bytes + buffer->length;
    buffer->length = wanted;
    return at;
}

void buffer_put(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(buffer_grow(buffer, length), bytes, length);
}

void buffer_put_u8(struct buffer *buffer, uint8_t value)
{
    *buffer_grow(buffer, 1) = value;
}

void buffer_put_u16(struct buffer *buffer, uint16_t value)
{
    uint8_t *p = buffer_grow(buffer, 2);
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

void put_u64(uint8_t *p, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

void buffer_put_u32(struct buffer *buffer, uint32_t value)
{
    put_u32(buffer_grow(buffer, 4), value);
}

void buffer_put_u64(struct buffer *buffer, uint64_t value)
{
    put_u64(buffer_grow(buffer, 8), value);
}

void buffer_put_node_id(struct buffer *buffer, struct candor_node_id id)
{
    buffer_put(buffer, id.text, sizeof id.text);
}

void buffer_put_epoch(struct buffer *buffer, struct candor_epoch epoch)
{
    buffer_put_u64(buffer, epoch.generation);
    buffer_put_u64(buffer, epoch.term);
    buffer_put_node_id(buffer, epoch.owner);
}

void buffer_put_pos(struct buffer *buffer, struct candor_pos pos)
{
    buffer_put_epoch(buffer, pos.epoch);
    buffer_put_u64(buffer, pos.seq);
}

void buffer_set_u32(struct buffer *buffer, size_t at, uint32_t value)
{
    ASSERT(at + 4 <= buffer->length);
    put_u32(buffer->bytes + at, value);
}

struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->bytes, buffer->length);
}

uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

struct reader reader_of(struct slice bytes)
{
    /* An empty slice may carry NULL; NULL + 0 is fine to compare, not to add to. */
    const uint8_t *at = bytes.bytes;
    return (struct reader){.at = at, .end = bytes.length == 0 ? at : at + bytes.length, .ok = true};
}

bool read_node_id(struct reader *reader, struct candor_node_id *out)
{
    struct slice raw = read_bytes(reader, LIMIT_NODE_ID_BYTES);
    *out = (struct candor_node_id){0};
    if (!reader->ok)
        return false;
    size_t length = strnlen((const char *)raw.bytes, raw.length);
    if (length > 0 && !node_id_parse((const char *)raw.bytes, length, out))
        return false;
    return memcmp(out->text, raw.bytes, sizeof out->text) == 0;
}

bool read_epoch(struct reader *reader, struct candor_epoch *out)
{
    out->generation = read_u64(reader);
    out->term = read_u64(reader);
    return read_node_id(reader, &out->owner);
}

bool read_pos(struct reader *reader, struct candor_pos *out)
{
    bool good = read_epoch(reader, &out->epoch);
    out->seq = read_u64(reader);
    return good && reader->ok;
}

size_t reader_left(const struct reader *reader)
{
    return reader->at == reader->end ? 0 : (size_t)(reader->end - reader->at);
}

struct slice read_bytes(struct reader *reader, size_t length)
{
    if (!reader->ok || length > reader_left(reader)) {
        reader->ok = false;
        return (struct slice){0};
    }
    struct slice bytes = slice_of(reader->at, length);
    if (length > 0)
        reader->at += length;
    return bytes;
}

uint8_t read_u8(struct reader *reader)
{
    struct slice s = read_bytes(reader, 1);
    return reader->ok ? s.bytes[0] : 0;
}

uint16_t read_u16(struct reader *reader)
{
    struct slice s = read_bytes(reader, 2);
    return reader->ok ? get_u16(s.bytes) : 0;
}

uint32_t read_u32(struct reader *reader)
{
    struct slice s = read_bytes(reader, 4);
    return reader->ok ? get_u32(s.bytes) : 0;
}

uint64_t read_u64(struct reader *reader)
{
    struct slice s = read_bytes(reader, 8);
    return reader->ok ? get_u64(s.bytes) : 0;
}
