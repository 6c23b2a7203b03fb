/* Ranges of keys, and which of them hold a key: a search tree of their beginnings, in which each
 * node knows the furthest end below it (an interval tree). Kept in balance by chance (a treap).
 *
 * Threads: the caller's. It allocates nothing: an interval is part of what it is of. */
#ifndef BASE_INTERVALS_H
#define BASE_INTERVALS_H

#include "base/rng.h"
#include "base/types.h"

struct interval {
    /* The caller's; their bytes must stay while it is in a set. */
    struct slice start; /* the first key of it */
    struct slice end;   /* the first key behind it; empty: no end */
    /* The set's. */
    struct interval *low;
    struct interval *high;
    struct slice furthest;
    uint64_t priority;
};

/* All zeros but for the generator, which is seeded: empty. */
struct intervals {
    struct interval *root;
    struct rng rng;
    size_t count;
};

/* Must not be in a set. O(log count). */
void intervals_put(struct intervals *set, struct interval *interval);
/* Must be in it. O(log count). */
void intervals_remove(struct intervals *set, struct interval *interval);
/* Calls `each` for those that hold `key`, in the order of their beginnings; the set must not change
 * meanwhile. O(log count) for each that is found, and for none. */
void intervals_find(const struct intervals *set, struct slice key,
                    void (*each)(struct interval *interval, void *closure), void *closure);
/* Any one; NULL: empty. */
struct interval *intervals_any(const struct intervals *set);

static inline bool interval_holds(const struct interval *interval, struct slice key)
{
    return slice_compare(interval->start, key) <= 0 &&
           (interval->end.length == 0 || slice_compare(key, interval->end) < 0);
}

#endif
