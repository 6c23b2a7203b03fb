/* Memory of one request: taken in pieces, given back at once. Not shared between threads.
 * arena_reset() keeps the first block, so a warm request that is small does not call malloc. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/budget.h"

struct arena_block;

struct arena {
    struct arena_block *first;
    struct arena_block *current;
    /* Of all pieces, for the limit. */
    size_t used_bytes;
    /* arena_alloc() gives NULL beyond it. */
    size_t limit_bytes;
    /* Of all blocks. */
    size_t held_bytes;
    /* Shared with other arenas: counts the blocks; NULL: nobody counts. */
    struct budget *budget;
    /* Blocks pass over the budget while they are no more than this. */
    size_t pass_bytes;
    /* A NULL came from the budget or from malloc(), not from the limit. Until the next reset. */
    bool starved;
};

void arena_init(struct arena *arena, size_t limit_bytes);
/* The same, with the blocks counted in `budget`, which must outlive the arena. */
void arena_init_counted(struct arena *arena, size_t limit_bytes, struct budget *budget);
void arena_free(struct arena *arena);
void arena_reset(struct arena *arena);
/* 16-byte aligned, not cleared; NULL at the limit, over the budget, and when there is no memory. */
void *arena_alloc(struct arena *arena, size_t bytes);

#endif
