/* An arena: blocks of memory that are given back at once. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

/* A call that waits keeps its first block: a small request with all that its call needs fits, and
 * takes none. Later ones double, so that a large request takes few. */
#define BLOCK_BYTES_FIRST ((size_t)2 << 10)
#define BLOCK_BYTES_MOST ((size_t)16 << 10)
#define ALIGNMENT ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    _Alignas(16) uint8_t bytes[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

void arena_init_counted(struct arena *arena, size_t limit_bytes, struct budget *budget)
{
    arena_init(arena, limit_bytes);
    arena->budget = budget;
}

static void free_from(struct arena *arena, struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        arena->held_bytes -= block->capacity;
        if (arena->budget != NULL)
            budget_give(arena->budget, block->capacity);
        free(block);
        block = next;
    }
}

void arena_free(struct arena *arena)
{
    free_from(arena, arena->first);
    arena_init_counted(arena, arena->limit_bytes, arena->budget);
}

void arena_reset(struct arena *arena)
{
    if (arena->first != NULL && arena->first->capacity > BLOCK_BYTES_FIRST) {
        free_from(arena, arena->first);
        arena->first = NULL;
    } else if (arena->first != NULL) {
        free_from(arena, arena->first->next);
        arena->first->next = NULL;
        arena->first->used = 0;
    }
    arena->current = arena->first;
    arena->used_bytes = 0;
    arena->starved = false;
}

static size_t block_capacity(const struct arena *arena, size_t bytes)
{
    size_t capacity = arena->current == NULL ? BLOCK_BYTES_FIRST : 2 * arena->current->capacity;
    if (capacity > BLOCK_BYTES_MOST)
        capacity = BLOCK_BYTES_MOST;
    return bytes > capacity ? bytes : capacity;
}

static bool count_block(struct arena *arena, size_t capacity)
{
    if (arena->budget == NULL)
        return true;
    if (arena->held_bytes + capacity > arena->pass_bytes)
        return budget_take(arena->budget, capacity);
    budget_count(arena->budget, capacity);
    return true;
}

/* NULL: over the budget, or there is no memory. */
static struct arena_block *block_new(struct arena *arena, size_t bytes)
{
    size_t capacity = block_capacity(arena, bytes);
    if (!count_block(arena, capacity))
        return NULL;
    struct arena_block *block = malloc(sizeof *block + capacity);
    if (block == NULL) {
        if (arena->budget != NULL)
            budget_give(arena->budget, capacity);
        return NULL;
    }
    *block = (struct arena_block){.capacity = capacity};
    if (arena->current == NULL)
        arena->first = block;
    else
        arena->current->next = block;
    arena->current = block;
    arena->held_bytes += capacity;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > arena->limit_bytes || arena->used_bytes > arena->limit_bytes - bytes)
        return NULL;
    size_t rounded = (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    struct arena_block *block = arena->current;
    if (block == NULL || block->capacity - block->used < rounded)
        block = block_new(arena, rounded);
    if (block == NULL) {
        arena->starved = true;
        return NULL;
    }
    void *at = block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return at;
}
