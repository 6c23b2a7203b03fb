/* Deterministic random numbers (xoshiro256**), and true ones from the kernel for seeds and ids. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t word[4];
};

void rng_seed(struct rng *rng, uint64_t seed); /* any seed is good */
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(
    struct rng *rng,
    uint64_t bound); /* 0..bound-1; bound > 0; the bias is below 2^-32 for bounds below 2^32 */

/* From getrandom(2). Any thread. */
void random_bytes(void *out, size_t length);
uint64_t random_u64_nonzero(void);

#endif
