/* The arithmetic of majorities: pure, any thread. */
#ifndef CORE_MAJORITY_H
#define CORE_MAJORITY_H

#include <stdint.h>

/* How many of `voters` are more than half. */
static inline uint32_t majority_of(uint32_t voters)
{
    return voters / 2 + 1;
}

/* What a majority of `voters` has reached at least, by what `count` of them have: the k-th largest,
 * k being a majority. 0 when fewer than a majority are known. `reached` is sorted, descending. */
uint64_t majority_reached(uint64_t *reached, uint32_t count, uint32_t voters);

#endif
