/* A message around a message, packed once: the body goes straight to its place in the NNG message.
 * Any thread. */
#ifndef RPC_ENVELOPE_H
#define RPC_ENVELOPE_H

#include <nng/nng.h>
#include <protobuf-c/protobuf-c.h>

#include "base/budget.h"
#include "base/types.h"

/* The number of the `bytes body` field. */
enum { ENVELOPE_REQUEST_BODY = 5, ENVELOPE_REPLY_BODY = 6 };

struct envelope_body {
    const ProtobufCMessage *message; /* NULL: `packed` is it */
    struct slice packed;
};

/* Where the message is counted (message_memory.h). */
struct envelope_room {
    struct budget *budget;
    uint32_t pipe;
};

/* False: the bytes, which decode as an envelope with this `checksum`, were damaged on their way; or
 * it has none (0), or has lost it. */
bool envelope_is_sound(struct slice bytes, uint32_t checksum);

/* `envelope` with its own body and checksum fields unset. Returns the size; *out is NULL when that
 * is over `limit_bytes`, and when there is no memory, or no room in `room` (NULL: nobody
 * counts). */
size_t envelope_pack(const ProtobufCMessage *envelope, uint32_t body_field,
                     struct envelope_body body, size_t limit_bytes,
                     const struct envelope_room *room, nng_msg **out);

#endif
