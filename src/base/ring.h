/* A queue of things of one size for one thread: pushed at the end, taken from the beginning, and
 * found between by number, for each that is pushed gets the next number. It grows, and keeps its
 * memory; who pushes bounds it.
 *
 * Threads: the caller's. Ends the process when out of memory (base/memory.h). */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stddef.h>
#include <stdint.h>

/* Empty when all but `each` is zero. */
struct ring {
    size_t each; /* bytes of one */
    size_t count;
    uint64_t first; /* number of the oldest; of the next one, when there is none */
    uint8_t *items;
    size_t capacity; /* a power of two */
};

void ring_free(struct ring *ring);
/* The place of the new one, not cleared, for the caller to fill. It is valid, as that of ring_at(),
 * until the next push. */
void *ring_push(struct ring *ring);
/* The one with this number, which is in the ring. */
void *ring_at(const struct ring *ring, uint64_t number);
/* Moves the oldest into `out`; there must be one. */
void ring_pop(struct ring *ring, void *out);

#endif
