/* A key that is only incremented and read, as operations of check/linearizable.h. */
#ifndef CHECK_COUNTERS_H
#define CHECK_COUNTERS_H

#include "check/history.h"
#include "check/linearizable.h"

/* `ops` by time. Fills `lines` and `out`, both with room for `count`; *out_count of them count.
 * CANDOR_INVALID_ARGUMENT: the lines cannot be judged: deltas differ, or a value is no number. */
enum candor_code counters_fill(const struct history *history, const struct history_op *const *ops,
                               size_t count, const struct history_op **lines, struct check_op *out,
                               size_t *out_count, struct candor_error *err);

#endif
