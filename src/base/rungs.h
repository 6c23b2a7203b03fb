/* Ladders of read levels: what makes one (docs/wire.md). For nodes, libcandor and kvctl alike.
 * Pure, any thread. */
#ifndef BASE_RUNGS_H
#define BASE_RUNGS_H

#include "base/types.h"

_Static_assert(LIMIT_READ_RUNGS == CANDOR_RUNGS_MAX, "one limit of rungs");

/* NULL: they are a ladder. Else why not, beginning with the field of a rung that is at fault; `*at`
 * is the rung, from 0. There are 1 to LIMIT_READ_RUNGS of them. */
const char *rungs_problem(const struct candor_rung *rungs, size_t count, size_t *at);

#endif
