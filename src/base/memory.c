/* Memory, or the end of the process with a line that says who wanted it. */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/exit_status.h"
#include "base/logging.h"

void memory_exhausted(const char *who, size_t bytes)
{
    log_error(
        "no_memory",
        "wanted_by=%s bytes=%zu way_out=\"nothing is damaged: give it more memory, or less to "
        "do, and start it again\" exit=%d",
        who, bytes, NODE_EXIT_SHORTAGE);
    logging_exit(NODE_EXIT_SHORTAGE);
}

/* SIZE_MAX, which nobody has, where the product does not fit. */
static size_t product(size_t count, size_t each)
{
    size_t bytes;
    return __builtin_mul_overflow(count, each, &bytes) ? SIZE_MAX : bytes;
}

/* No memory and no bytes look alike to malloc()'s callers: at least one byte is asked for. */
static size_t at_least_one(size_t bytes)
{
    return bytes == 0 ? 1 : bytes;
}

void *memory_alloc_for(const char *who, size_t bytes)
{
    void *memory = malloc(at_least_one(bytes));
    if (memory == NULL)
        memory_exhausted(who, bytes);
    return memory;
}

void *memory_zeroed_for(const char *who, size_t count, size_t each)
{
    size_t bytes = product(count, each);
    void *memory = calloc(1, at_least_one(bytes));
    if (memory == NULL)
        memory_exhausted(who, bytes);
    return memory;
}

void *memory_resize_for(const char *who, void *old, size_t count, size_t each)
{
    size_t bytes = product(count, each);
    void *memory = realloc(old, at_least_one(bytes));
    if (memory == NULL)
        memory_exhausted(who, bytes);
    return memory;
}

size_t memory_grown(const char *who, size_t capacity, size_t wanted, size_t most)
{
    enum { FIRST = 16 };
    size_t grown = capacity == 0 ? FIRST : capacity;
    if (wanted > most)
        memory_exhausted(who, 0);
    while (grown < wanted)
        grown = grown > most / 2 ? most : grown * 2;
    return grown;
}

void *memory_given_for(const char *who, void *pointer)
{
    if (pointer == NULL)
        memory_exhausted(who, 0);
    return pointer;
}
