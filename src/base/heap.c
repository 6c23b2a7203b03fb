/* A binary heap in an array, with the place of each item beside it. */
#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

void heap_free(struct heap *heap)
{
    free(heap->list);
    free(heap->places);
    *heap = (struct heap){0};
}

bool heap_reserve(struct heap *heap, uint32_t count)
{
    ASSERT(heap->capacity == 0 && heap->place_count == 0);
    heap->list = malloc(count * sizeof *heap->list);
    heap->places = calloc(count, sizeof *heap->places);
    if (heap->list == NULL || heap->places == NULL) {
        heap_free(heap);
        return false;
    }
    heap->capacity = heap->place_count = count;
    return true;
}

static void reserve(struct heap *heap, uint32_t item)
{
    uint32_t known = heap->place_count;
    memory_grow(heap->list, heap->capacity, heap->count + 1);
    memory_grow(heap->places, heap->place_count, item + 1);
    memset(heap->places + known, 0, (heap->place_count - known) * sizeof *heap->places);
}

static void stand(struct heap *heap, uint32_t at, struct heap_entry entry)
{
    heap->list[at] = entry;
    heap->places[entry.item] = at + 1;
}

static void rise(struct heap *heap, uint32_t at, struct heap_entry entry)
{
    while (at > 0 && heap->list[(at - 1) / 2].key > entry.key) {
        stand(heap, at, heap->list[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    stand(heap, at, entry);
}

static void sink(struct heap *heap, uint32_t at, struct heap_entry entry)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < heap->count && heap->list[child + 1].key < heap->list[child].key)
            child++;
        if (child >= heap->count || heap->list[child].key >= entry.key)
            break;
        stand(heap, at, heap->list[child]);
        at = child;
    }
    stand(heap, at, entry);
}

void heap_put_reserved(struct heap *heap, uint32_t item, uint64_t key)
{
    ASSERT_U64(heap->count, <, heap->capacity);
    ASSERT_U64(item, <, heap->place_count);
    ASSERT_U64(heap->places[item], ==, 0);
    rise(heap, heap->count++, (struct heap_entry){key, item});
}

void heap_put(struct heap *heap, uint32_t item, uint64_t key)
{
    reserve(heap, item);
    heap_put_reserved(heap, item, key);
}

void heap_remove(struct heap *heap, uint32_t item)
{
    if (item >= heap->place_count || heap->places[item] == 0)
        return;
    uint32_t at = heap->places[item] - 1;
    heap->places[item] = 0;
    struct heap_entry last = heap->list[--heap->count];
    if (at == heap->count)
        return;
    if (at > 0 && heap->list[(at - 1) / 2].key > last.key)
        rise(heap, at, last);
    else
        sink(heap, at, last);
}

const struct heap_entry *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? &heap->list[0] : NULL;
}
