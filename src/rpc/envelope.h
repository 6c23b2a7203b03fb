/* A message around a message, packed once: the body goes straight to its place in the NNG message.
 * Any thread. */
#ifndef RPC_ENVELOPE_H
#define RPC_ENVELOPE_H

#include <nng/nng.h>
#include <protobuf-c/protobuf-c.h>

#include "base/budget.h"
#include "base/types.h"

/* The number of the `bytes body` field. */
enum {
    ENVELOPE_SAME = 0, /* the body is more fields of the envelope itself */
    ENVELOPE_REQUEST_BODY = 5,
    ENVELOPE_REPLY_BODY = 6,
};

/* One of: a message, packed bytes, packed bytes in pieces; nothing. */
struct envelope_body {
    const ProtobufCMessage *message;
    struct slice packed;
    const struct slice *pieces;
    size_t piece_count;
};

/* A field's tag and length. */
#define ENVELOPE_FRAME_BYTES 11

/* Where the message is counted (message_memory.h). */
struct envelope_room {
    struct budget *budget;
    uint32_t pipe;
};

/* An envelope and its body, measured once. */
struct envelope_layout {
    const ProtobufCMessage *envelope;
    struct envelope_body body;
    uint8_t frame[ENVELOPE_FRAME_BYTES]; /* of the body */
    size_t frame_bytes;
    size_t head_bytes;
    size_t body_bytes;
    size_t bytes; /* in all, without a checksum */
};

/* False: the bytes, which decode as an envelope with this `checksum`, were damaged on their way; or
 * it has none (0), or has lost it. */
bool envelope_is_sound(struct slice bytes, uint32_t checksum);

/* What stands before the bytes of a field below 16. Returns its length. */
size_t envelope_frame(uint8_t out[ENVELOPE_FRAME_BYTES], uint32_t field, size_t length);

/* `envelope` with its own body and checksum fields unset; it and the body stay until they are
 * put. */
void envelope_measure(const ProtobufCMessage *envelope, uint32_t body_field,
                      struct envelope_body body, struct envelope_layout *out);
/* `bytes` of the layout, without a checksum: part of another message. */
void envelope_put(const struct envelope_layout *layout, uint8_t *out);

/* A message of its own. Returns the size; *out is NULL when that is over `limit_bytes`, and when
 * there is no memory, or no room in `room` (NULL: nobody counts). */
size_t envelope_pack(const ProtobufCMessage *envelope, uint32_t body_field,
                     struct envelope_body body, size_t limit_bytes,
                     const struct envelope_room *room, nng_msg **out);

#endif
