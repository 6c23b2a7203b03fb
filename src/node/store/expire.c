/* Keys whose time is over are deleted by records of their own, before the writes of the group: so
 * no condition sees them, and every node deletes them at the same place of its log (R69). */
#include "base/limits.h"
#include "base/types.h"
#include "eval/eval.h"
#include "node/store/sequence_group.h"

static void add_record(struct group *group, const struct record_op *ops, uint32_t count)
{
    struct record_write record = {
        .ack = CANDOR_ACK_NONE, .wall_ms = group->wall_ms, .log_ms = group->log_ms};
    sequence_add(group, &record, ops, count);
}

void expire_due(struct group *group)
{
    struct slice keys[LIMIT_EXPIRE_AT_ONCE];
    struct record_op ops[LIMIT_EXPIRE_AT_ONCE];
    uint64_t next_ms;
    uint32_t count =
        state_group_due(group->state, group->log_ms, keys, LIMIT_EXPIRE_AT_ONCE, &next_ms);
    for (uint32_t i = 0; i < count; i++)
        ops[i] = (struct record_op){.kind = RECORD_EXPIRE, .key = keys[i]};
    bool mark =
        next_ms != 0 && group->log_ms >= state_group_log_ms(group->state) + LIMIT_LOG_TIME_MARK_MS;
    if (count > 0 || mark)
        add_record(group, ops, count);
    group->expires_more = next_ms != 0 && next_ms < group->log_ms;
}

static void expire_key(struct group *group, struct slice key)
{
    struct state_item item;
    struct record_op op = {.kind = RECORD_EXPIRE, .key = key};
    if (state_group_get(group->state, key, &item) && item.until_ms != 0 &&
        item.until_ms < group->log_ms)
        add_record(group, &op, 1);
}

static void expire_steps(struct group *group, const struct eval_steps *steps)
{
    for (uint32_t i = 0; i < steps->count; i++)
        expire_key(group, steps->list[i].key);
}

void expire_named(struct group *group, const struct eval_op *op)
{
    if (!group->expires_more)
        return;
    if (op->kind != EVAL_TXN) {
        expire_key(group, op->key);
        return;
    }
    for (uint32_t i = 0; i < op->compare_count; i++)
        expire_key(group, op->compares[i].key);
    expire_steps(group, &op->then_steps);
    expire_steps(group, &op->else_steps);
}
