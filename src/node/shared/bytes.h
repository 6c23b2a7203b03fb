/* Bytes of messages as slices, and back. */
#ifndef NODE_BYTES_H
#define NODE_BYTES_H

#include <protobuf-c/protobuf-c.h>

#include "base/buffer.h"

static inline struct slice binary_slice(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

static inline ProtobufCBinaryData slice_binary(struct slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.length, .data = (uint8_t *)(uintptr_t)bytes.bytes};
}

#endif
