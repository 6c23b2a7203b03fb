/* protobuf-c's unpacking with an allocator that counts. */
#include "base/bounded_unpack.h"

#include <stdlib.h>

struct room {
    size_t left;
    bool no_memory;
};

static void *allocate(void *closure, size_t bytes)
{
    struct room *room = closure;
    if (bytes > room->left)
        return NULL;
    room->left -= bytes;
    void *memory = malloc(bytes);
    room->no_memory = room->no_memory || memory == NULL;
    return memory;
}

/* Not given back to the bound: what is freed while a message is decoded was replaced by something
 * larger. */
static void release(void *closure, void *at)
{
    (void)closure;
    free(at);
}

void *bounded_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                     bool *no_memory)
{
    static const uint8_t nothing[1];
    struct room room = {bytes.length * LIMIT_RPC_UNPACK_FACTOR + LIMIT_RPC_UNPACK_SLACK_BYTES,
                        false};
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = &room};
    void *message = protobuf_c_message_unpack(descriptor, &allocator, bytes.length,
                                              bytes.length == 0 ? nothing : bytes.bytes);
    if (no_memory != NULL && room.no_memory)
        *no_memory = true;
    return message;
}
