/* xoshiro256**, and random bytes of the kernel. */
#include "base/rng.h"

#include <sys/random.h>

#include "base/assert.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->word[i] = splitmix(&seed);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->word;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    ASSERT(bound > 0);
    return rng_next(rng) % bound;
}

void random_bytes(void *out, size_t length)
{
    uint8_t *at = out;
    while (length > 0) {
        size_t chunk = length < 256 ? length : 256; /* getrandom never cuts 256 short */
        ssize_t got = getrandom(at, chunk, 0);
        ASSERT(got == (ssize_t)chunk);
        at += chunk;
        length -= chunk;
    }
}

uint64_t random_u64_nonzero(void)
{
    uint64_t value;
    do
        random_bytes(&value, sizeof value);
    while (value == 0);
    return value;
}
