/* Applying batches: one transaction for many records, their pre-images and the new position. What
 * does not follow the state's chain is not applied (R55). */
#include "state/env.h"

#include "base/assert.h"

static int store(struct change *change, const struct record_op *op, const MDB_val *old,
                 const struct item_head *head, struct slice value)
{
    uint8_t bytes[ITEM_HEADER_BYTES + ITEM_END_BYTES];
    size_t length = item_write_head(bytes, head);
    return change_put_over(change, TABLE_DATA, op->key, old, slice_of(bytes, length), value);
}

/* A put makes the key anew; what only keeps it, another end alone. */
static int apply_present(struct change *change, const struct record_op *op, uint32_t index,
                         const MDB_val *old, struct item_head *head, struct slice old_value)
{
    if (op->kind == RECORD_KEEP && old == NULL)
        return change_keep_absent(change, TABLE_DATA, op->key);
    struct item_end from = head->end;
    head->end = (struct item_end){0};
    if (op->until_ms != 0)
        head->end = (struct item_end){op->until_ms, change->seq, index};
    ends_note(change, op->key, from, head->end);
    if (op->kind == RECORD_PUT) {
        head->mod_seq = change->seq;
        head->version++;
        return store(change, op, old, head, op->value);
    }
    /* The old value lies on a page that changes. */
    buffer_clear(&change->grown);
    buffer_put(&change->grown, old_value.bytes, old_value.length);
    return store(change, op, old, head, buffer_slice(&change->grown));
}

static int apply_op(struct change *change, const struct record_op *op, uint32_t index)
{
    MDB_val old;
    struct item_head head = {0};
    struct slice old_value = {0};
    int rc = change_get(change, TABLE_DATA, op->key, &old);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    bool existed = rc == 0;
    if (existed && !item_read(slice_of_val(&old), &head, &old_value))
        return MDB_CORRUPTED;
    if (!record_op_deletes(op))
        return apply_present(change, op, index, existed ? &old : NULL, &head, old_value);
    ends_note(change, op->key, head.end, (struct item_end){0});
    return change_delete_over(change, TABLE_DATA, op->key, existed ? &old : NULL);
}

/* The ops first: their pre-images have the record's first places, in order. */
static int apply_write(struct change *change, const struct record *record)
{
    struct slice ops = record->ops;
    struct record_op op;
    int rc = 0;
    for (uint32_t index = 0; rc == 0 && record_op_next(&ops, &op); index++)
        rc = apply_op(change, &op, index);
    if (rc == 0 && change->ends.count > 0)
        rc = ends_apply(change);
    return rc == 0 ? requests_note(change, record) : rc;
}

static int apply_meta(struct change *change, const struct record *record, struct chain chain)
{
    struct buffer bytes = {0};
    members_encode(&bytes, record->cluster_id, &record->members);
    int rc = change_put(change, TABLE_META, members_key, buffer_slice(&bytes), (struct slice){0});
    buffer_free(&bytes);
    if (rc == 0 && record->type == RECORD_EPOCH_START)
        rc = history_append(change, &(struct epoch_start){record->epoch, record->seq, chain});
    change->position.members = record->members;
    change->position.cluster_id = record->cluster_id;
    return rc;
}

int apply_record(struct change *change, const struct record *record)
{
    struct candor_pos *applied = &change->position.applied;
    ASSERT_U64(record->seq, ==, applied->seq + 1);
    change->seq = record->seq;
    change->index = 0;
    struct chain chain = record_chain(change->position.chain, record);
    int rc = record->type == RECORD_WRITE ? apply_write(change, record)
                                          : apply_meta(change, record, chain);
    if (rc == 0)
        rc = change_keep_chain(change);
    *applied = (struct candor_pos){record->epoch, record->seq};
    change->position.chain = chain;
    change->position.log_ms = max_u64(change->position.log_ms, record->log_ms);
    return rc;
}

static int apply_batch(struct change *change, const struct batch *batch)
{
    size_t cursor = 0;
    struct record record;
    int rc = 0;
    while (rc == 0 && batch_next(batch, &cursor, &record))
        rc = apply_record(change, &record);
    return rc;
}

static enum candor_code next_batch(const struct change *change, struct slice *batches,
                                   struct batch *out, struct candor_error *err)
{
    enum candor_code code = batch_decode(batches, out, err);
    if (code != CANDOR_OK || chain_equal(out->before, change->position.chain))
        return code;
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s: record %" PRIu64 " follows other records than those applied; "
                            "restore this node by removing its data directory (it then copies the "
                            "state from the primary)",
                            change->state->dir, out->first_seq);
}

enum candor_code state_apply(struct state *state, struct slice batches, uint64_t commit,
                             struct candor_error *err)
{
    struct change change;
    enum candor_code code = change_begin(&change, state, commit, err);
    if (code != CANDOR_OK)
        return code;
    int rc = 0;
    env_write_begin(); /* a large transaction writes before its commit */
    while (rc == 0 && batches.length > 0) {
        struct batch batch;
        code = next_batch(&change, &batches, &batch, err);
        if (code != CANDOR_OK) {
            change_abort(&change);
            return code;
        }
        rc = env_write_result(apply_batch(&change, &batch));
    }
    return change_end_applied(&change, rc, err);
}

enum candor_code state_commit(struct state *state, uint64_t commit, struct candor_error *err)
{
    uint64_t floor = min_u64(commit, state->position.applied.seq);
    if (floor <= state->position.undo_floor)
        return CANDOR_OK;
    struct change change;
    enum candor_code code = change_begin(&change, state, commit, err);
    return code == CANDOR_OK ? change_end_applied(&change, 0, err) : code;
}
