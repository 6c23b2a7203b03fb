/* Which operation wrote what a read saw, and whether a read's data included a write.
 *
 * Positions order all writes of a history: a log is linear, and a later position stands behind an
 * earlier one in every log that holds both. A write has one acknowledged position, and may have
 * stood at others that were rolled back. Ownership: writes_free(). The history outlives the
 * index. */
#ifndef CHECK_WRITES_H
#define CHECK_WRITES_H

#include "check/history.h"

struct writes {
    const struct history *history;
    const struct history_op **by_value; /* may have written: by key, value, line */
    size_t count;
    bool *counters; /* by key: it is incremented */
    /* A position was rolled back at which no acknowledged write stands: any write may have stood
     * there before it was executed again, under its request id, where it was acknowledged. */
    bool unclaimed_rollback;
};

void writes_index(struct writes *writes, const struct history *history);
void writes_free(struct writes *writes);

/* Those that wrote, or may have written, `value` to `key`; *count of them. A delete wrote
 * HISTORY_ABSENT. */
const struct history_op *const *writes_of(const struct writes *writes, uint32_t key, uint32_t value,
                                          size_t *count);
/* The one write that `read` saw; NULL: none, or several. */
const struct history_op *writes_seen(const struct writes *writes, const struct history_op *read);

/* Whether `read` saw `write` where it stood before or after it stood at its acknowledged position:
 * a write that was rolled back is executed again when its client sends it once more. True also when
 * it cannot be told. */
bool writes_seen_elsewhere(const struct writes *writes, const struct history_op *read,
                           const struct history_op *write);

/* Whether the data that `read` was answered from certainly lacked `write`, an acknowledged write of
 * the same key with a position. False when it cannot be told, as with counters: what an increment
 * of unknown outcome left is not known. */
bool writes_missed(const struct writes *writes, const struct history_op *read,
                   const struct history_op *write);

#endif
