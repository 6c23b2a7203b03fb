/* Evaluating an operation against what is there: which puts and deletes it comes to, and what it
 * answers (R47).
 *
 * Decided once, at the primary, and kept in one record: effects, never conditions. An operation
 * without effect makes no record; repeated, it is evaluated again. The answer (answer.h) is bytes,
 * kept in the record too (R46).
 *
 * Pure: no clock, no randomness, no I/O but the reader it is given.
 * Threads: an evaluation belongs to one thread. Ownership: eval_free(); slices in an operation must
 * live as long as the outcome is used. */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include <candor/status.h>

#include "base/buffer.h"
#include "record/batch.h"

/* ---- Operations ------------------------------------------------------------------------------ */

enum eval_kind {
    EVAL_PUT = 1,
    EVAL_DELETE = 2,
    EVAL_CAS = 3,       /* put `value` if `expect` holds */
    EVAL_INCREMENT = 4, /* the value is a number: optional '-', decimal digits, within 64 bits */
    EVAL_TXN = 5,       /* if all compares hold the first list of steps, else the second */
    EVAL_EXPIRE = 6,    /* a key that is there, and as `expect` says, ends after `ttl_ms`, or not */
};

enum eval_target { EVAL_EXISTS, EVAL_VALUE, EVAL_MOD_SEQ, EVAL_VERSION };
enum eval_relation { EVAL_EQUAL, EVAL_NOT_EQUAL, EVAL_LESS, EVAL_GREATER }; /* present to given */

/* An absent key has mod_seq 0 and version 0; no comparison with its value holds, whatever the
 * relation. */
struct eval_compare {
    struct slice key;
    enum eval_target target;
    enum eval_relation relation; /* not of EXISTS */
    bool exists;                 /* EXISTS */
    struct slice value;          /* VALUE: compared bytewise, shorter first */
    uint64_t number;             /* MOD_SEQ, VERSION */
};

enum eval_step_kind { EVAL_STEP_PUT = 1, EVAL_STEP_DELETE = 2, EVAL_STEP_GET = 3 };

struct eval_step {
    enum eval_step_kind kind;
    struct slice key;
    struct slice value; /* PUT */
    uint64_t ttl_ms;    /* PUT; 0: the key does not end */
};

struct eval_steps {
    const struct eval_step *list;
    uint32_t count; /* at most LIMIT_BATCH_OPS */
};

struct eval_op {
    enum eval_kind kind;
    struct slice key;   /* not of TXN */
    struct slice value; /* PUT, CAS */
    uint64_t ttl_ms;    /* PUT, CAS, EXPIRE: how long the key is there; 0: it does not end */
    struct eval_compare expect; /* CAS, EXPIRE; of the same key */
    /* INCREMENT: new = present + delta must be within [min, max]; an absent key counts as
     * `initial` */
    int64_t delta;
    int64_t min;
    int64_t max;
    int64_t initial;
    /* TXN */
    const struct eval_compare *compares;
    uint32_t compare_count; /* at most LIMIT_BATCH_OPS */
    struct eval_steps then_steps;
    struct eval_steps else_steps;
};

/* ---- What is there --------------------------------------------------------------------------- */

struct eval_item {
    struct slice value; /* good until the next call of the reader */
    uint64_t mod_seq;
    uint64_t version;
    uint64_t until_ms; /* the time of the log at which it ends; 0: it does not */
};

/* What is there; nothing of it has ended yet. */
struct eval_reader {
    bool (*get)(void *closure, struct slice key, struct eval_item *out); /* false: absent */
    void *closure;
};

/* ---- Evaluating ------------------------------------------------------------------------------ */

struct eval_overlay;

/* The outcome of the newest eval_run(), and memory that is used again. Begins as all zeros. */
struct eval {
    enum candor_code code; /* below */
    enum candor_reason reason;
    struct record_op *ops; /* effects, in order; slices of the operation, or of this struct */
    uint32_t op_count;     /* 0: no record is to be made */
    struct buffer answer;  /* for eval_answer_read() */
    /* private */
    uint32_t op_capacity;
    uint64_t log_ms;
    char number[24];
    struct eval_overlay *overlay;
};

void eval_free(struct eval *eval);

/* Evaluates `op`, whose record would stand at `seq`, at the time `log_ms` of the log: gets of a TXN
 * see its own earlier steps, with that mod_seq; a key with a ttl_ms ends so much later (R69).
 *
 * OK                           the answer says whether a condition held
 * OUT_OF_RANGE                 INCREMENT: a bound would be crossed, or 64 bits; the answer holds
 *                              the present number
 * FAILED_PRECONDITION          INCREMENT: the value is not a number
 * RESOURCE_EXHAUSTED/TOO_LARGE TXN: its gets read more than LIMIT_RESULT_BYTES beside effects, or
 * LIMIT_TXN_READ_BYTES In all but the first there is no effect. Returns the code. */
enum candor_code eval_run(struct eval *eval, const struct eval_op *op, uint64_t seq,
                          uint64_t log_ms, const struct eval_reader *reader);

#endif
