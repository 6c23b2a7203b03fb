/* A message around a message, packed once; its checksum. */
#include "rpc/envelope.h"

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/crc32c.h"
#include "rpc/message_memory.h"

#define WIRE_TYPE_BYTES 2
#define WIRE_TYPE_FIXED32 5
/* The field that ends each envelope: RpcRequest.checksum, RpcReply.checksum. */
#define CHECKSUM_TAG (15 << 3 | WIRE_TYPE_FIXED32)
#define CHECKSUM_BYTES 5

static size_t varint_put(uint8_t *out, uint64_t value)
{
    size_t bytes = 0;
    while (value >= 0x80) {
        out[bytes++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[bytes++] = (uint8_t)value;
    return bytes;
}

static size_t body_bytes(struct envelope_body body)
{
    return body.message != NULL ? protobuf_c_message_get_packed_size(body.message)
                                : body.packed.length;
}

static void body_put(struct envelope_body body, uint8_t *out, size_t bytes)
{
    if (body.message != NULL)
        ASSERT_U64(protobuf_c_message_pack(body.message, out), ==, bytes);
    else
        memcpy(out, body.packed.bytes, bytes);
}

/* 0 would say that there is none. */
static uint32_t checksum_of(const uint8_t *bytes, size_t length)
{
    uint32_t crc = crc32c(0, bytes, length);
    return crc != 0 ? crc : 1;
}

static void checksum_put(uint8_t *bytes, size_t length)
{
    bytes[length] = CHECKSUM_TAG;
    put_u32(bytes + length + 1, checksum_of(bytes, length));
}

bool envelope_is_sound(struct slice bytes, uint32_t checksum)
{
    if (checksum == 0 || bytes.length < CHECKSUM_BYTES)
        return false;
    size_t length = bytes.length - CHECKSUM_BYTES;
    return bytes.bytes[length] == CHECKSUM_TAG && get_u32(bytes.bytes + length + 1) == checksum &&
           checksum_of(bytes.bytes, length) == checksum;
}

size_t envelope_pack(const ProtobufCMessage *envelope, uint32_t body_field,
                     struct envelope_body body, size_t limit_bytes,
                     const struct envelope_room *room, nng_msg **out)
{
    *out = NULL;
    size_t head_bytes = protobuf_c_message_get_packed_size(envelope);
    size_t length = body_bytes(body);
    uint8_t frame[1 + 10]; /* the field's tag and length */
    size_t frame_bytes = 0;
    if (length > 0) { /* proto3: an empty field is left out */
        frame[0] = (uint8_t)(body_field << 3 | WIRE_TYPE_BYTES);
        frame_bytes = 1 + varint_put(frame + 1, length);
    }
    size_t total = head_bytes + frame_bytes + length + CHECKSUM_BYTES;
    if (total > limit_bytes)
        return total;

    nng_msg *message;
    int error = room == NULL ? nng_msg_alloc(&message, total)
                             : message_memory_alloc(&message, total, room->budget, room->pipe);
    if (error != 0)
        return total;
    uint8_t *at = nng_msg_body(message);
    ASSERT_U64(protobuf_c_message_pack(envelope, at), ==, head_bytes);
    memcpy(at + head_bytes, frame, frame_bytes);
    if (length > 0)
        body_put(body, at + head_bytes + frame_bytes, length);
    checksum_put(at, total - CHECKSUM_BYTES);
    *out = message;
    return total;
}
