/* The hash chain of a log (R55): the chain at a record stands for that record and for all before
 * it.
 *
 *   chain(0)  all zero
 *   chain(n)  XXH3-128 of (chain(n - 1), XXH3-128 of the body, seq, generation, term, type, owner)
 *
 * Two logs whose chains are equal at a seq hold the same records up to it, but for a probability of
 * about 2^-128 by chance (faults of disks, memory or programs, and two primaries of one epoch).
 * Somebody who chooses values can build a collision: XXH3 resists nobody.
 *
 * Threads: a pure function. */
#ifndef RECORD_CHAIN_H
#define RECORD_CHAIN_H

#include "base/types.h"

/* The chain at a record, from the chain before it. `body`: its bytes in the batch. */
struct chain chain_next(struct chain before, const struct candor_pos *pos, uint8_t type,
                        struct slice body);

#endif
