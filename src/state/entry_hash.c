/* What an entry's check (R54) and its part of the digest (R58) come from. */
#include <xxhash.h>

#include "state/table.h"

struct state_digest state_item_hash(const struct state_item *item)
{
    const uint64_t head[] = {item->mod_seq, item->version};
    uint64_t seed = XXH3_64bits_withSeed(head, sizeof head, (uint64_t)TABLE_DATA + 1);
    seed = XXH3_64bits_withSeed(item->key.bytes, item->key.length, seed);
    XXH128_hash_t hash = XXH3_128bits_withSeed(item->value.bytes, item->value.length, seed);
    return (struct state_digest){.high = hash.high64, .low = hash.low64};
}

struct state_digest entry_hash(enum table table, struct slice key, struct slice value)
{
    uint64_t seed = XXH3_64bits_withSeed(key.bytes, key.length, (uint64_t)table + 1);
    XXH128_hash_t hash = XXH3_128bits_withSeed(value.bytes, value.length, seed);
    return (struct state_digest){.high = hash.high64, .low = hash.low64};
}
