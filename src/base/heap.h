/* A heap of numbered items, the least key first. An item is in it at most once, and can be taken
 * out wherever it stands: what waits for a position or a time is found, and given up, without a
 * search.
 *
 * Item numbers should be dense (indices of a table): memory grows with the largest, and is kept.
 * Threads: the caller's. Ends the process when out of memory (base/memory.h). */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_entry {
    uint64_t key;
    uint32_t item;
};

/* All zeros: empty. */
struct heap {
    struct heap_entry *list;
    uint32_t count;
    uint32_t capacity;
    /* Of each item: where it stands in the list, plus 1; 0: nowhere. */
    uint32_t *places;
    uint32_t place_count;
};

void heap_free(struct heap *heap);
/* Room for items 0 to count - 1, all at once: putting them takes no more memory. Of an empty heap.
 * False: there is none, and the heap is empty still. */
bool heap_reserve(struct heap *heap, uint32_t count);
/* The item must not be in it. O(log count). */
void heap_put(struct heap *heap, uint32_t item, uint64_t key);
/* Likewise, of one that was reserved for. */
void heap_put_reserved(struct heap *heap, uint32_t item, uint64_t key);
/* Does nothing when the item is not in it. O(log count). */
void heap_remove(struct heap *heap, uint32_t item);
/* An item with the least key; NULL when it is empty. Valid up to the next change. */
const struct heap_entry *heap_first(const struct heap *heap);

#endif
