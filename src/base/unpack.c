/* Unpacking into an arena, within its limit. */
#include "base/unpack.h"

struct arena_allocator {
    struct arena *arena;
    bool exhausted;
};

static void *allocate(void *closure, size_t bytes)
{
    struct arena_allocator *allocator = closure;
    void *at = arena_alloc(allocator->arena, bytes);
    if (at == NULL)
        allocator->exhausted = true;
    return at;
}

static void release(void *closure, void *at)
{
    (void)closure; /* the arena is reset as a whole */
    (void)at;
}

void unpack_limit(struct arena *arena, size_t wire_bytes)
{
    arena->limit_bytes = wire_bytes * LIMIT_RPC_UNPACK_FACTOR + LIMIT_RPC_UNPACK_SLACK_BYTES;
}

enum unpack_result unpack_message(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                                  struct slice bytes, ProtobufCMessage **out)
{
    struct arena_allocator closure = {.arena = arena};
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = &closure};
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.length == 0 ? nothing : bytes.bytes;
    *out = protobuf_c_message_unpack(descriptor, &allocator, bytes.length, at);
    if (*out != NULL)
        return UNPACK_OK;
    if (arena->starved)
        return UNPACK_NO_MEMORY;
    return closure.exhausted ? UNPACK_TOO_LARGE : UNPACK_MALFORMED;
}
