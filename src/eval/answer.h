/* What operations answer, as bytes that a record keeps: little-endian,
 *
 *   PUT, DELETE  u8 kind, u8 existed
 *   CAS, EXPIRE  u8 kind, u8 succeeded, and if not an item: what is there
 *   INCREMENT    u8 kind, u8 succeeded, u64 the number's bits: the new one; failed: the present one
 *   TXN          u8 kind, u8 succeeded, u16 steps, each: u8 kind; then PUT, DELETE:
 *                u8 existed; GET: an item
 *   an item      u8 found, and if so u64 mod_seq, u64 version, u32 length, value
 *
 * Pure; any thread. What is read may be hostile: it came with a record. */
#ifndef EVAL_ANSWER_H
#define EVAL_ANSWER_H

#include "eval/eval.h"

void eval_answer_put_item(struct buffer *out, bool found, const struct eval_item *item);
size_t eval_answer_item_bytes(bool found, const struct eval_item *item);

struct eval_answer {
    enum eval_kind kind;
    bool succeeded; /* CAS, EXPIRE, INCREMENT, TXN */
    /* PUT, DELETE: the key, before it. CAS, EXPIRE that failed: whether `item` is set */
    bool existed;
    struct eval_item item;
    int64_t number;
    uint32_t step_count; /* TXN */
    struct reader steps; /* for eval_answer_step() */
};

struct eval_step_answer {
    enum eval_step_kind kind;
    bool found; /* GET: `item` is set; else: the key existed before the step */
    struct eval_item item;
};

/* Reads the answer that `*bytes` begins with and moves behind it (a Batch has one an operation).
 * False: there is none. */
bool eval_answer_read(struct slice *bytes, struct eval_answer *out);
/* The next of answer->step_count steps; they were checked by eval_answer_read(). */
void eval_answer_step(struct eval_answer *answer, struct eval_step_answer *out);

#endif
