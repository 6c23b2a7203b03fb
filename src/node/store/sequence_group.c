/* The records of a group: each goes into its batch, and into the state's open transaction. */
#include "node/store/sequence_group.h"

#include "base/assert.h"
#include "base/limits.h"

/* A batch stays small enough for one message, unless one record alone is larger. */
void sequence_add(struct group *group, const struct record_write *write,
                  const struct record_op *ops, uint32_t op_count)
{
    bool full = group->batch.count > 0 &&
                batch_bytes(&group->batch) + batch_write_bytes(write, ops, op_count) >
                    LIMIT_GROUP_COMMIT_BYTES;
    if (full)
        batch_end(&group->batch);
    if (full || group->batch.count == 0)
        group->batch = batch_begin(group->out, RECORD_WRITE, group->epoch, group->next_seq,
                                   state_group_chain(group->state));
    batch_add_write(&group->batch, write, ops, op_count);
    struct record record;
    batch_newest(&group->batch, &record);
    ASSERT_U64(record.seq, ==, group->next_seq);
    state_group_apply(group->state, &record);
    group->next_seq++;
}
