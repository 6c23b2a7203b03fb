/* What a request asks for, in 64 bits: kept beside its result, so that its id is not taken for
 * another request's (R46).
 *
 * The method and each operation with all that decides its effect and answer count; the ack level,
 * the deadline and the session's token do not: a client may change them when it sends a request
 * again.
 *
 * Collisions: XXH3 of 64 bits, compared only with the one request that is remembered under the same
 * id. Two different requests under one id pass for the same with a chance of 2^-64 (1 in 1.8 *
 * 10^19) each time that an id is used twice. It is no defence against somebody who looks for a
 * collision: he would have to know the id, and mislead himself alone.
 *
 * Pure; any thread. */
#ifndef EVAL_DIGEST_H
#define EVAL_DIGEST_H

#include "eval/eval.h"

uint64_t eval_digest(struct slice method, const struct eval_op *ops, uint32_t count);

#endif
