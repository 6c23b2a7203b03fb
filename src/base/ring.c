/* The one with number n stands at n modulo the capacity, whatever came and went before. */
#include "base/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum { FIRST_CAPACITY = 64 };

void ring_free(struct ring *ring)
{
    free(ring->items);
    *ring = (struct ring){.each = ring->each};
}

static void *place_of(const struct ring *ring, uint64_t number)
{
    return ring->items + (size_t)(number & (ring->capacity - 1)) * ring->each;
}

static void grow(struct ring *ring)
{
    size_t capacity = ring->capacity == 0 ? FIRST_CAPACITY : 2 * ring->capacity;
    struct ring larger = {.each = ring->each,
                          .capacity = capacity,
                          .items = memory_resize(NULL, capacity, ring->each)};
    for (uint64_t number = ring->first; number != ring->first + ring->count; number++)
        memcpy(place_of(&larger, number), place_of(ring, number), ring->each);
    free(ring->items);
    ring->items = larger.items;
    ring->capacity = capacity;
}

void *ring_push(struct ring *ring)
{
    if (ring->count == ring->capacity)
        grow(ring);
    return place_of(ring, ring->first + ring->count++);
}

void *ring_at(const struct ring *ring, uint64_t number)
{
    ASSERT_U64(number - ring->first, <, ring->count);
    return place_of(ring, number);
}

void ring_pop(struct ring *ring, void *out)
{
    ASSERT(ring->count > 0);
    memcpy(out, place_of(ring, ring->first), ring->each);
    ring->first++;
    ring->count--;
}
