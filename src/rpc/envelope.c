/* A message around a message, packed once; its checksum. */
#include "rpc/envelope.h"

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/crc32c.h"
#include "net/message_memory.h"

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

size_t envelope_frame(uint8_t out[ENVELOPE_FRAME_BYTES], uint32_t field, size_t length)
{
    out[0] = (uint8_t)(field << 3 | WIRE_TYPE_BYTES);
    return 1 + varint_put(out + 1, length);
}

static size_t body_bytes(const struct envelope_body *body)
{
    if (body->message != NULL)
        return protobuf_c_message_get_packed_size(body->message);
    size_t bytes = body->packed.length;
    for (size_t i = 0; i < body->piece_count; i++)
        bytes += body->pieces[i].length;
    return bytes;
}

static void body_put(const struct envelope_body *body, uint8_t *out, size_t bytes)
{
    if (body->message != NULL) {
        ASSERT_U64(protobuf_c_message_pack(body->message, out), ==, bytes);
        return;
    }
    if (body->packed.length > 0)
        memcpy(out, body->packed.bytes, body->packed.length);
    out += body->packed.length;
    for (size_t i = 0; i < body->piece_count; i++) {
        memcpy(out, body->pieces[i].bytes, body->pieces[i].length);
        out += body->pieces[i].length;
    }
}

void envelope_measure(const ProtobufCMessage *envelope, uint32_t body_field,
                      struct envelope_body body, struct envelope_layout *out)
{
    out->envelope = envelope;
    out->body = body;
    out->head_bytes = protobuf_c_message_get_packed_size(envelope);
    out->body_bytes = body_bytes(&body);
    /* proto3: an empty field is left out */
    out->frame_bytes = out->body_bytes > 0 && body_field != ENVELOPE_SAME
                           ? envelope_frame(out->frame, body_field, out->body_bytes)
                           : 0;
    out->bytes = out->head_bytes + out->frame_bytes + out->body_bytes;
}

void envelope_put(const struct envelope_layout *layout, uint8_t *out)
{
    ASSERT_U64(protobuf_c_message_pack(layout->envelope, out), ==, layout->head_bytes);
    memcpy(out + layout->head_bytes, layout->frame, layout->frame_bytes);
    if (layout->body_bytes > 0)
        body_put(&layout->body, out + layout->head_bytes + layout->frame_bytes, layout->body_bytes);
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
    struct envelope_layout layout;
    envelope_measure(envelope, body_field, body, &layout);
    size_t total = layout.bytes + CHECKSUM_BYTES;
    if (total > limit_bytes)
        return total;

    nng_msg *message;
    int error = room == NULL ? nng_msg_alloc(&message, total)
                             : message_memory_alloc(&message, total, room->budget, room->pipe);
    if (error != 0)
        return total;
    envelope_put(&layout, nng_msg_body(message));
    checksum_put(nng_msg_body(message), layout.bytes);
    *out = message;
    return total;
}
