/* What a record adds to the chain of its log. */
#include "record/chain.h"

#include <string.h>
#include <xxhash.h>

#include "base/buffer.h"

/* The bytes that are hashed: fixed places, little-endian, so that all machines agree. */
enum {
    AT_BEFORE = 0,
    AT_BODY = 16,
    AT_SEQ = 32,
    AT_GENERATION = 40,
    AT_TERM = 48,
    AT_TYPE = 56,
    AT_OWNER = 64,
    LINK_BYTES = AT_OWNER + LIMIT_NODE_ID_BYTES,
};

static void put_hash(uint8_t *out, uint64_t high, uint64_t low)
{
    put_u64(out, high);
    put_u64(out + 8, low);
}

struct chain chain_next(struct chain before, const struct candor_pos *pos, uint8_t type,
                        struct slice body)
{
    XXH128_hash_t own = XXH3_128bits(body.bytes, body.length);
    uint8_t link[LINK_BYTES];
    put_hash(link + AT_BEFORE, before.high, before.low);
    put_hash(link + AT_BODY, own.high64, own.low64);
    put_u64(link + AT_SEQ, pos->seq);
    put_u64(link + AT_GENERATION, pos->epoch.generation);
    put_u64(link + AT_TERM, pos->epoch.term);
    put_u64(link + AT_TYPE, type);
    memcpy(link + AT_OWNER, pos->epoch.owner.text, LIMIT_NODE_ID_BYTES);
    XXH128_hash_t hash = XXH3_128bits(link, sizeof link);
    return (struct chain){.high = hash.high64, .low = hash.low64};
}
