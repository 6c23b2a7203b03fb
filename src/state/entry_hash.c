/* What an entry's check and its part of the digest come from. */
#include <xxhash.h>

#include "state/table.h"

struct state_digest entry_hash(enum table table, struct slice key, struct slice value)
{
    uint64_t seed = XXH3_64bits_withSeed(key.bytes, key.length, (uint64_t)table + 1);
    XXH128_hash_t hash = XXH3_128bits_withSeed(value.bytes, value.length, seed);
    return (struct state_digest){.high = hash.high64, .low = hash.low64};
}
