/* What a history proves or refutes. Each check prints every violation with the lines concerned and
 * one line of what it checked, and returns how many violations it found.
 *
 * Threads: no shared state. The history is finished (history_finish) and outlives the call. */
#ifndef CHECK_JUDGE_H
#define CHECK_JUDGE_H

#include "check/history.h"

/* Values: a read saw nothing that nobody wrote, nor what certainly was not executed. */
size_t judge_values(const struct history *history, FILE *out);

/* I7: LINEARIZABLE reads, MAJORITY and ALL writes, key by key; a search may visit `budget`
 * configurations. Input that cannot be judged (writes by other means to the same key) is
 * CANDOR_INVALID_ARGUMENT. */
enum candor_code judge_registers(const struct history *history, uint64_t budget, FILE *out,
                                 size_t *violations, struct candor_error *err);

/* I8: read-your-writes, monotonic reads, monotonic writes, writes-follow-reads, or SESSION_LOST.
 * CANDOR_INVALID_ARGUMENT: operations of a session overlap. */
enum candor_code judge_sessions(const struct history *history, FILE *out, size_t *violations,
                                struct candor_error *err);

/* I9: every staleness bound that was claimed was true. */
size_t judge_bounds(const struct history *history, FILE *out);

/* I10: an answer that is not flagged stale was heard and proven within stale_after. */
size_t judge_flags(const struct history *history, FILE *out);

/* I6: nothing acknowledged MAJORITY or ALL was rolled back. */
size_t judge_durability(const struct history *history, FILE *out);

#endif
