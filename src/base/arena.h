/* Memory of one request: taken in pieces, given back at once. Not shared between threads.
 * arena_reset() keeps the first block, so a warm request does not call malloc. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *first;
    struct arena_block *current;
    size_t used_bytes;  /* of all blocks, for the limit */
    size_t limit_bytes; /* arena_alloc gives NULL beyond it */
};

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_free(struct arena *arena);
void arena_reset(struct arena *arena);
/* 16-byte aligned, not cleared; NULL at the limit, and when there is no memory. */
void *arena_alloc(struct arena *arena, size_t bytes);

#endif
