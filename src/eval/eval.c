/* Operations evaluated: conditions, one key, Txn. */
#include "eval/eval.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "eval/answer.h"
#include "eval/overlay.h"

void eval_free(struct eval *eval)
{
    free(eval->ops);
    buffer_free(&eval->answer);
    overlay_free(eval->overlay);
    *eval = (struct eval){0};
}

static void add_effect(struct eval *eval, struct record_op op)
{
    memory_grow(eval->ops, eval->op_capacity, eval->op_count + 1);
    eval->ops[eval->op_count++] = op;
}

static uint64_t end_of(const struct eval *eval, uint64_t ttl_ms)
{
    return ttl_ms != 0 ? eval->log_ms + ttl_ms : 0;
}

static void add_put(struct eval *eval, struct slice key, struct slice value, uint64_t until_ms)
{
    add_effect(eval, (struct record_op){RECORD_PUT, key, value, until_ms});
}

static void add_delete(struct eval *eval, struct slice key)
{
    add_effect(eval, (struct record_op){.kind = RECORD_DELETE, .key = key});
}

static void answer_begin(struct eval *eval, enum eval_kind kind, bool flag)
{
    buffer_put_u8(&eval->answer, (uint8_t)kind);
    buffer_put_u8(&eval->answer, flag);
}

static enum candor_code failed(struct eval *eval, enum candor_code code, enum candor_reason reason)
{
    eval->code = code;
    eval->reason = reason;
    eval->op_count = 0;
    return code;
}

/* ---- Conditions ------------------------------------------------------------------------------ */

static bool related(int order, enum eval_relation relation)
{
    switch (relation) {
    case EVAL_EQUAL:
        return order == 0;
    case EVAL_NOT_EQUAL:
        return order != 0;
    case EVAL_LESS:
        return order < 0;
    case EVAL_GREATER:
        return order > 0;
    }
    ASSERT(!"a relation");
    return false;
}

static int order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static bool holds(const struct eval_compare *compare, bool found, const struct eval_item *item)
{
    switch (compare->target) {
    case EVAL_EXISTS:
        return found == compare->exists;
    case EVAL_VALUE:
        return found && related(slice_compare(item->value, compare->value), compare->relation);
    case EVAL_MOD_SEQ:
        return related(order_of(found ? item->mod_seq : 0, compare->number), compare->relation);
    case EVAL_VERSION:
        return related(order_of(found ? item->version : 0, compare->number), compare->relation);
    }
    ASSERT(!"a target");
    return false;
}

/* ---- One key --------------------------------------------------------------------------------- */

static bool get(const struct eval_reader *reader, struct slice key, struct eval_item *out)
{
    *out = (struct eval_item){0};
    return reader->get(reader->closure, key, out);
}

static void run_put(struct eval *eval, const struct eval_op *op, const struct eval_reader *reader)
{
    struct eval_item item;
    answer_begin(eval, EVAL_PUT, get(reader, op->key, &item));
    add_put(eval, op->key, op->value, end_of(eval, op->ttl_ms));
}

/* Deleting what is not there is a record, too: it has a position, as every Delete. */
static void run_delete(struct eval *eval, const struct eval_op *op,
                       const struct eval_reader *reader)
{
    struct eval_item item;
    answer_begin(eval, EVAL_DELETE, get(reader, op->key, &item));
    add_delete(eval, op->key);
}

static void run_cas(struct eval *eval, const struct eval_op *op, const struct eval_reader *reader)
{
    struct eval_item item;
    bool found = get(reader, op->key, &item);
    bool succeeded = holds(&op->expect, found, &item);
    answer_begin(eval, EVAL_CAS, succeeded);
    if (succeeded)
        add_put(eval, op->key, op->value, end_of(eval, op->ttl_ms));
    else
        eval_answer_put_item(&eval->answer, found, &item);
}

/* The key keeps its value, and with it mod_seq and version. */
static void run_expire(struct eval *eval, const struct eval_op *op,
                       const struct eval_reader *reader)
{
    struct eval_item item;
    bool found = get(reader, op->key, &item);
    bool succeeded = found && holds(&op->expect, found, &item);
    answer_begin(eval, EVAL_EXPIRE, succeeded);
    if (!succeeded)
        eval_answer_put_item(&eval->answer, found, &item);
    else if (op->ttl_ms != 0 || item.until_ms != 0)
        add_effect(eval, (struct record_op){.kind = RECORD_KEEP,
                                            .key = op->key,
                                            .until_ms = end_of(eval, op->ttl_ms)});
}

static bool parse_number(struct slice text, int64_t *out)
{
    size_t at = text.length > 0 && text.bytes[0] == '-' ? 1 : 0;
    int64_t number = 0;
    if (at == text.length)
        return false;
    for (; at < text.length; at++) {
        uint8_t c = text.bytes[at];
        if (c < '0' || c > '9')
            return false;
        /* Downwards, so that the least number has its place. */
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, c - '0', &number))
            return false;
    }
    if (text.bytes[0] == '-')
        *out = number;
    else if (__builtin_sub_overflow((int64_t)0, number, out))
        return false;
    return true;
}

static enum candor_code run_increment(struct eval *eval, const struct eval_op *op,
                                      const struct eval_reader *reader)
{
    struct eval_item item;
    int64_t present = op->initial;
    int64_t next;
    if (get(reader, op->key, &item) && !parse_number(item.value, &present))
        return failed(eval, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE);
    bool succeeded =
        !__builtin_add_overflow(present, op->delta, &next) && next >= op->min && next <= op->max;
    answer_begin(eval, EVAL_INCREMENT, succeeded);
    buffer_put_u64(&eval->answer, (uint64_t)(succeeded ? next : present));
    if (!succeeded)
        return failed(eval, CANDOR_OUT_OF_RANGE, CANDOR_REASON_NONE);
    int length = snprintf(eval->number, sizeof eval->number, "%" PRId64, next);
    add_put(eval, op->key, slice_of(eval->number, (size_t)length), item.until_ms);
    return CANDOR_OK;
}

/* ---- Txn ------------------------------------------------------------------------------------- */

struct txn {
    struct eval *eval;
    const struct eval_reader *reader;
    uint64_t seq;
    size_t most_bytes; /* of the answer */
};

/* With what the earlier steps have made of it. */
static bool get_own(const struct txn *txn, struct slice key, struct eval_item *out)
{
    const struct overlay_entry *entry = overlay_find(txn->eval->overlay, key);
    if (entry == NULL)
        return get(txn->reader, key, out);
    *out =
        (struct eval_item){.value = entry->value, .mod_seq = txn->seq, .version = entry->version};
    return entry->exists;
}

/* False: the answer would be too large. */
static bool run_step(struct txn *txn, const struct eval_step *step)
{
    struct buffer *answer = &txn->eval->answer;
    struct eval_item item;
    bool found = get_own(txn, step->key, &item);
    buffer_put_u8(answer, (uint8_t)step->kind);
    if (step->kind == EVAL_STEP_GET) {
        if (answer->length + eval_answer_item_bytes(found, &item) > txn->most_bytes)
            return false;
        eval_answer_put_item(answer, found, &item);
        return true;
    }
    bool puts = step->kind == EVAL_STEP_PUT;
    buffer_put_u8(answer, found);
    if (puts)
        add_put(txn->eval, step->key, step->value, end_of(txn->eval, step->ttl_ms));
    else
        add_delete(txn->eval, step->key);
    overlay_set(txn->eval->overlay, &(struct overlay_entry){.key = step->key,
                                                            .exists = puts,
                                                            .version = found ? item.version + 1 : 1,
                                                            .value = step->value});
    return true;
}

static bool all_hold(const struct eval_op *op, const struct eval_reader *reader)
{
    for (uint32_t i = 0; i < op->compare_count; i++) {
        struct eval_item item;
        bool found = get(reader, op->compares[i].key, &item);
        if (!holds(&op->compares[i], found, &item))
            return false;
    }
    return true;
}

static bool writes(const struct eval_steps *steps)
{
    for (uint32_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind != EVAL_STEP_GET)
            return true;
    return false;
}

static enum candor_code run_txn(struct eval *eval, const struct eval_op *op, uint64_t seq,
                                const struct eval_reader *reader)
{
    bool succeeded = all_hold(op, reader);
    const struct eval_steps *steps = succeeded ? &op->then_steps : &op->else_steps;
    ASSERT_U64(steps->count, <=, LIMIT_BATCH_OPS);
    struct txn txn = {eval, reader, seq, writes(steps) ? LIMIT_RESULT_BYTES : LIMIT_TXN_READ_BYTES};
    overlay_begin(&eval->overlay, steps->count);
    answer_begin(eval, EVAL_TXN, succeeded);
    buffer_put_u16(&eval->answer, (uint16_t)steps->count);
    for (uint32_t i = 0; i < steps->count; i++)
        if (!run_step(&txn, &steps->list[i]))
            return failed(eval, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE);
    return CANDOR_OK;
}

enum candor_code eval_run(struct eval *eval, const struct eval_op *op, uint64_t seq,
                          uint64_t log_ms, const struct eval_reader *reader)
{
    eval->log_ms = log_ms;
    eval->code = CANDOR_OK;
    eval->reason = CANDOR_REASON_NONE;
    eval->op_count = 0;
    buffer_clear(&eval->answer);
    switch (op->kind) {
    case EVAL_PUT:
        run_put(eval, op, reader);
        return CANDOR_OK;
    case EVAL_DELETE:
        run_delete(eval, op, reader);
        return CANDOR_OK;
    case EVAL_CAS:
        run_cas(eval, op, reader);
        return CANDOR_OK;
    case EVAL_EXPIRE:
        run_expire(eval, op, reader);
        return CANDOR_OK;
    case EVAL_INCREMENT:
        return run_increment(eval, op, reader);
    case EVAL_TXN:
        return run_txn(eval, op, seq, reader);
    }
    ASSERT(!"an operation");
    return CANDOR_INTERNAL;
}
