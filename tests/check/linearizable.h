/* Is a history of operations on one key linearizable? Wing and Gong's search with Lowe's memory of
 * visited configurations ("Testing for linearizability", 2017): looks for an order of the
 * operations that respects real time and that a single register could have given. Keys are
 * independent (Herlihy and Wing's locality), so a store is checked key by key.
 *
 * Threads: no shared state. */
#ifndef CHECK_LINEARIZABLE_H
#define CHECK_LINEARIZABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The register holds a value's number (the caller numbers distinct values from 1) or
 * CHECK_ABSENT. */
#define CHECK_ABSENT 0
#define CHECK_NEVER UINT64_MAX

enum check_op_type {
    CHECK_READ,         /* saw `value` */
    CHECK_WRITE,        /* leaves `value`; a delete leaves CHECK_ABSENT */
    CHECK_CAS,          /* found `expected` and left `value` */
    CHECK_CAS_FAILED,   /* found something else than `expected`; saw `value` */
    CHECK_CAS_DIFFERED, /* found something else than `expected`, and does not say what */
    CHECK_INCREMENT,    /* numbers: found `expected`, left `value`; the caller computes both */
};

struct check_op {
    enum check_op_type type;
    uint64_t value;
    uint64_t expected;
    uint64_t invoke_ns;
    /* CHECK_NEVER: the outcome is not known; it may have taken effect at any time, or never */
    uint64_t complete_ns;
    size_t line; /* of the caller's history, for the report */
};

enum check_verdict { CHECK_LINEARIZABLE, CHECK_VIOLATION, CHECK_TOO_HARD };

/* `ops` in any order; begins with the register absent. CHECK_TOO_HARD after `budget`
 * configurations. On CHECK_VIOLATION `*stuck` is the index of an operation that could not be placed
 * in the longest order found. */
enum check_verdict check_linearizable(const struct check_op *ops, size_t count, uint64_t budget,
                                      size_t *stuck);

#endif
