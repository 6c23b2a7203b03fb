/* Bytes that many holders may have together. Any thread. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    atomic_size_t used_bytes;
    size_t limit_bytes;
};

/* Counts bytes that have to pass. Balanced by budget_give(). */
static inline void budget_count(struct budget *budget, size_t bytes)
{
    atomic_fetch_add_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
}

static inline void budget_give(struct budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
}

/* False, and nothing is counted, where they would go over the limit. */
static inline bool budget_take(struct budget *budget, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    if (bytes <= budget->limit_bytes && before <= budget->limit_bytes - bytes)
        return true;
    budget_give(budget, bytes);
    return false;
}

static inline size_t budget_used(const struct budget *budget)
{
    return atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
}

#endif
