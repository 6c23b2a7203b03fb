/* The digest of a state: the sum, modulo 2^128, of the hashes of its entries (entry_hash() in
 * table.h), over all tables that records make: items, requests, clients and their ages, epochs,
 * members.
 *
 * The sum is independent of the order in which entries were made, so each change of a table changes
 * it by what went and what came (the additive multiset hash of Bellare and Micciancio's incremental
 * hashing, and of Clarke et al., over XXH3-128 instead of a cryptographic hash): a put costs the
 * hash of the old value and that of the new one. Two states that differ have equal digests with a
 * probability of about 2^-128 by chance (faults of disks, memory or programs); somebody who chooses
 * keys and values can build a collision, as XXH3 resists nobody.
 *
 * Equal at equal positions on all nodes: nothing of a node's own is in it. */
#ifndef STATE_DIGEST_H
#define STATE_DIGEST_H

#include "base/types.h"

static inline void digest_add(struct state_digest *sum, struct state_digest hash)
{
    sum->low += hash.low;
    sum->high += hash.high + (sum->low < hash.low);
}

static inline void digest_subtract(struct state_digest *sum, struct state_digest hash)
{
    sum->high -= hash.high + (sum->low < hash.low);
    sum->low -= hash.low;
}

#endif
