/* Decoding what came from outside within a bound: a message of N bytes may unfold to
 * LIMIT_RPC_UNPACK_FACTOR * N bytes plus LIMIT_RPC_UNPACK_SLACK_BYTES. Without one, empty elements
 * of two bytes each become some 80 bytes each. Where there is an arena, base/unpack.h bounds it by
 * the same figures. */
#ifndef BASE_BOUNDED_UNPACK_H
#define BASE_BOUNDED_UNPACK_H

#include <protobuf-c/protobuf-c.h>

#include "base/types.h"

/* NULL: it does not decode, unfolds beyond the bound, or there is no memory, which *no_memory then
 * says; it may be NULL. Freed by protobuf_c_message_free_unpacked(message, NULL) or the generated
 * ..._free_unpacked(). Any thread. */
void *bounded_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                     bool *no_memory);

#endif
