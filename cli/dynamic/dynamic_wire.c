/* Protobuf's wire format: numbers and fields, read and written. */
#include "cli/dynamic/dynamic_wire.h"

uint64_t dynamic_wire_read_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        uint8_t byte = read_u8(reader);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return reader->ok ? value : 0;
    }
    reader->ok = false; /* more than ten bytes */
    return 0;
}

static struct wire_field read_one(struct reader *reader)
{
    uint64_t key = dynamic_wire_read_varint(reader);
    struct wire_field field = {.type = (enum wire_type)(key & 7)};
    if (key >> 3 == 0 || key >> 3 > WIRE_NUMBER_MAX) {
        reader->ok = false;
        return field;
    }
    field.number = (uint32_t)(key >> 3);
    switch (field.type) {
    case WIRE_VARINT:
        field.value = dynamic_wire_read_varint(reader);
        break;
    case WIRE_64:
        field.value = read_u64(reader);
        break;
    case WIRE_32:
        field.value = read_u32(reader);
        break;
    case WIRE_BYTES: {
        uint64_t length = dynamic_wire_read_varint(reader);
        if (length > reader_left(reader))
            reader->ok = false;
        else
            field.bytes = read_bytes(reader, (size_t)length);
        break;
    }
    case WIRE_GROUP_BEGIN:
    case WIRE_GROUP_END:
        break;
    default:
        reader->ok = false;
    }
    return field;
}

/* Without recursion: only the depth counts, ends must match in number. */
static void skip_group(struct reader *reader, uint32_t number)
{
    uint32_t open[LIMIT_DYNAMIC_DEPTH] = {number};
    size_t depth = 1;
    while (reader->ok && depth > 0) {
        struct wire_field field = read_one(reader);
        if (!reader->ok)
            return;
        if (field.type == WIRE_GROUP_BEGIN && depth < LIMIT_DYNAMIC_DEPTH)
            open[depth++] = field.number;
        else if (field.type == WIRE_GROUP_END && open[depth - 1] == field.number)
            depth--;
        else if (field.type == WIRE_GROUP_BEGIN || field.type == WIRE_GROUP_END)
            reader->ok = false;
    }
}

struct wire_field dynamic_wire_read(struct reader *reader)
{
    struct wire_field field = read_one(reader);
    if (!reader->ok)
        return field;
    if (field.type == WIRE_GROUP_END)
        reader->ok = false;
    else if (field.type == WIRE_GROUP_BEGIN)
        skip_group(reader, field.number);
    return field;
}

void dynamic_wire_put_varint(struct buffer *buffer, uint64_t value)
{
    while (value >= 0x80) {
        buffer_put_u8(buffer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_put_u8(buffer, (uint8_t)value);
}

void dynamic_wire_put_key(struct buffer *buffer, uint32_t number, enum wire_type type)
{
    dynamic_wire_put_varint(buffer, (uint64_t)number << 3 | (uint64_t)type);
}

enum wire_type dynamic_wire_type(enum dynamic_type type)
{
    switch (type) {
    case DYNAMIC_DOUBLE:
    case DYNAMIC_FIXED64:
    case DYNAMIC_SFIXED64:
        return WIRE_64;
    case DYNAMIC_FLOAT:
    case DYNAMIC_FIXED32:
    case DYNAMIC_SFIXED32:
        return WIRE_32;
    case DYNAMIC_STRING:
    case DYNAMIC_BYTES:
    case DYNAMIC_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}
