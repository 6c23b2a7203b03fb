/* Messages out of hostile bytes, into an arena, within a limit. One thread an arena. */
#ifndef BASE_UNPACK_H
#define BASE_UNPACK_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/types.h"

enum unpack_result { UNPACK_OK, UNPACK_MALFORMED, UNPACK_TOO_LARGE, UNPACK_NO_MEMORY };

/* Sets the arena's limit to what `wire_bytes` may unfold to (LIMIT_RPC_UNPACK_FACTOR,
 * _SLACK_BYTES). */
void unpack_limit(struct arena *arena, size_t wire_bytes);
/* The message and all it points to live in the arena. TOO_LARGE: it unfolds to more than the
 * arena's limit. NO_MEMORY: it would fit, but for the arena's budget, or malloc(). */
enum unpack_result unpack_message(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                                  struct slice bytes, ProtobufCMessage **out);

#endif
