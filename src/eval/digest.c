/* Fields of fixed width, and lengths before bytes: two different requests never give the same input
 * to the hash. */
#include "eval/digest.h"

/* the state lies on the stack, whatever version of the library is installed */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buffer.h"

struct digest {
    XXH3_state_t hash;
};

static void add_u64(struct digest *digest, uint64_t number)
{
    uint8_t bytes[8];
    put_u64(bytes, number);
    XXH3_64bits_update(&digest->hash, bytes, sizeof bytes);
}

static void add_bytes(struct digest *digest, struct slice bytes)
{
    add_u64(digest, bytes.length);
    if (bytes.length > 0)
        XXH3_64bits_update(&digest->hash, bytes.bytes, bytes.length);
}

static void add_compare(struct digest *digest, const struct eval_compare *compare)
{
    add_bytes(digest, compare->key);
    add_u64(digest, (uint64_t)compare->target);
    add_u64(digest, (uint64_t)compare->relation);
    add_u64(digest, compare->exists);
    add_bytes(digest, compare->value);
    add_u64(digest, compare->number);
}

static void add_steps(struct digest *digest, const struct eval_steps *steps)
{
    add_u64(digest, steps->count);
    for (uint32_t i = 0; i < steps->count; i++) {
        add_u64(digest, (uint64_t)steps->list[i].kind);
        add_bytes(digest, steps->list[i].key);
        add_bytes(digest, steps->list[i].value);
        add_u64(digest, steps->list[i].ttl_ms);
    }
}

static void add_txn(struct digest *digest, const struct eval_op *op)
{
    add_u64(digest, op->compare_count);
    for (uint32_t i = 0; i < op->compare_count; i++)
        add_compare(digest, &op->compares[i]);
    add_steps(digest, &op->then_steps);
    add_steps(digest, &op->else_steps);
}

static void add_op(struct digest *digest, const struct eval_op *op)
{
    add_u64(digest, (uint64_t)op->kind);
    add_bytes(digest, op->key);
    switch (op->kind) {
    case EVAL_PUT:
        add_bytes(digest, op->value);
        add_u64(digest, op->ttl_ms);
        break;
    case EVAL_DELETE:
        break;
    case EVAL_CAS:
        add_bytes(digest, op->value);
        add_u64(digest, op->ttl_ms);
        add_compare(digest, &op->expect);
        break;
    case EVAL_EXPIRE:
        add_u64(digest, op->ttl_ms);
        add_compare(digest, &op->expect);
        break;
    case EVAL_INCREMENT:
        add_u64(digest, (uint64_t)op->delta);
        add_u64(digest, (uint64_t)op->min);
        add_u64(digest, (uint64_t)op->max);
        add_u64(digest, (uint64_t)op->initial);
        break;
    case EVAL_TXN:
        add_txn(digest, op);
        break;
    }
}

uint64_t eval_digest(struct slice method, const struct eval_op *ops, uint32_t count)
{
    struct digest digest;
    XXH3_64bits_reset(&digest.hash);
    add_bytes(&digest, method);
    add_u64(&digest, count);
    for (uint32_t i = 0; i < count; i++)
        add_op(&digest, &ops[i]);
    return XXH3_64bits_digest(&digest.hash);
}
