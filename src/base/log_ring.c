/* A ring of whole log lines. */
#include "base/log_ring.h"

static char *byte_at(struct log_ring *ring, uint64_t at)
{
    return &ring->bytes[at % sizeof ring->bytes];
}

bool log_ring_put(struct log_ring *ring, const char *line, size_t length)
{
    if (length > sizeof ring->bytes - (ring->put_bytes - ring->taken_bytes)) {
        if (ring->dropped++ == 0)
            ring->dropped_at = ring->put_bytes;
        return false;
    }
    for (size_t i = 0; i < length; i++)
        *byte_at(ring, ring->put_bytes + i) = line[i];
    ring->put_bytes += length;
    return true;
}

size_t log_ring_take(struct log_ring *ring, char *out, size_t room)
{
    uint64_t end = ring->dropped > 0 ? ring->dropped_at : ring->put_bytes;
    size_t lines_bytes = 0;
    for (size_t i = 0; i < room && ring->taken_bytes + i < end; i++) {
        out[i] = *byte_at(ring, ring->taken_bytes + i);
        if (out[i] == '\n')
            lines_bytes = i + 1;
    }
    ring->taken_bytes += lines_bytes;
    return lines_bytes;
}

uint64_t log_ring_take_dropped(struct log_ring *ring)
{
    if (ring->dropped == 0 || ring->taken_bytes < ring->dropped_at)
        return 0;
    uint64_t lines = ring->dropped;
    ring->dropped = 0;
    return lines;
}

void log_ring_lost(struct log_ring *ring, uint64_t lines)
{
    if (ring->dropped == 0 || ring->dropped_at > ring->taken_bytes)
        ring->dropped_at = ring->taken_bytes;
    ring->dropped += lines;
}
