/* How far a majority has come. */
#include "core/majority.h"

uint64_t majority_reached(uint64_t *reached, uint32_t count, uint32_t voters)
{
    for (uint32_t i = 1; i < count; i++) /* insertion sort: at most LIMIT_NODES */
        for (uint32_t j = i; j > 0 && reached[j - 1] < reached[j]; j--) {
            uint64_t swap = reached[j];
            reached[j] = reached[j - 1];
            reached[j - 1] = swap;
        }
    uint32_t majority = majority_of(voters);
    return majority <= count ? reached[majority - 1] : 0;
}
