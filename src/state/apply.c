/* Applying batches: one transaction for many records, their pre-images and the new position. */
#include "state/env.h"

#include <string.h>

#include "base/assert.h"

/* A transaction of the writer under way. */
struct apply {
    struct state *state;
    struct env *env;
    MDB_txn *txn;
    struct state_position position;
    uint64_t commit;
    bool *existed; /* NULL: not wanted; else the next one's place */
    struct buffer image;
};

static int keep_image(struct apply *apply, uint64_t seq, uint32_t op)
{
    uint8_t bytes[UNDO_KEY_BYTES];
    undo_key(bytes, seq, op);
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value = val_of(buffer_slice(&apply->image));
    return mdb_put(apply->txn, apply->env->undo, &key, &value, MDB_APPEND);
}

static int write_item(struct apply *apply, const struct record_op *op, uint64_t seq,
                      uint64_t version)
{
    MDB_val key = val_of(op->key);
    MDB_val value = {ITEM_HEADER_BYTES + op->value.length, NULL};
    int rc = mdb_put(apply->txn, apply->env->data, &key, &value, MDB_RESERVE);
    if (rc != 0)
        return rc;
    put_u64(value.mv_data, seq);
    put_u64((uint8_t *)value.mv_data + 8, version);
    if (op->value.length > 0)
        memcpy((uint8_t *)value.mv_data + ITEM_HEADER_BYTES, op->value.bytes, op->value.length);
    return 0;
}

static int apply_op(struct apply *apply, const struct record *record, uint32_t index,
                    const struct record_op *op)
{
    MDB_val key = val_of(op->key);
    MDB_val old;
    int rc = mdb_get(apply->txn, apply->env->data, &key, &old);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    bool existed = rc == 0;
    if (existed && old.mv_size < ITEM_HEADER_BYTES)
        return MDB_CORRUPTED;
    uint64_t version = existed ? get_u64((const uint8_t *)old.mv_data + 8) : 0;
    if (apply->existed != NULL)
        *apply->existed++ = existed;
    rc = 0;
    if (record->seq > apply->commit) {
        buffer_clear(&apply->image);
        undo_encode_op(&apply->image, op->key, existed ? &old : NULL);
        rc = keep_image(apply, record->seq, index);
    }
    if (rc != 0)
        return rc;
    if (op->kind == RECORD_PUT) {
        apply->position.keys += !existed;
        return write_item(apply, op, record->seq, version + 1);
    }
    if (!existed)
        return 0;
    apply->position.keys--;
    return mdb_del(apply->txn, apply->env->data, &key, NULL);
}

static int apply_write(struct apply *apply, const struct record *record)
{
    struct slice ops = record->ops;
    struct record_op op;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && record_op_next(&ops, &op); i++)
        rc = apply_op(apply, record, i, &op);
    return rc;
}

static int apply_meta(struct apply *apply, const struct record *record)
{
    int rc = 0;
    if (record->seq > apply->commit) {
        buffer_clear(&apply->image);
        undo_encode_meta(&apply->image, &apply->position);
        rc = keep_image(apply, record->seq, 0);
    }
    if (rc == 0 && record->type == RECORD_EPOCH_START)
        rc = history_append(apply->env, apply->txn, record->epoch, record->seq);
    apply->position.members = record->members;
    apply->position.cluster_id = record->cluster_id;
    return rc;
}

static int apply_batch(struct apply *apply, const struct batch *batch)
{
    ASSERT_U64(batch->first_seq, ==, apply->position.applied.seq + 1);
    size_t cursor = 0;
    struct record record;
    int rc = 0;
    while (rc == 0 && batch_next(batch, &cursor, &record))
        rc = record.type == RECORD_WRITE ? apply_write(apply, &record) : apply_meta(apply, &record);
    apply->position.applied = (struct pos){batch->epoch, batch_last_seq(batch)};
    return rc;
}

static enum candor_code begin(struct apply *apply, struct state *state, uint64_t commit,
                              struct candor_error *err)
{
    *apply = (struct apply){
        .state = state, .env = state->env, .position = state->position, .commit = commit};
    int rc = mdb_txn_begin(apply->env->mdb, NULL, 0, &apply->txn);
    return rc == 0 ? CANDOR_OK : env_failed(rc, state->dir, "begin a transaction", err);
}

/* Drops what commit has made final, notes the position, commits; or aborts when `rc` says so. */
static enum candor_code end(struct apply *apply, int rc, struct candor_error *err)
{
    struct state_position *position = &apply->position;
    uint64_t floor = min_u64(apply->commit, position->applied.seq);
    if (rc == 0)
        rc = undo_drop(apply->env, apply->txn, floor, LIMIT_UNDO_RECORDS_PER_TXN);
    position->undo_floor = max_u64(position->undo_floor, floor);
    if (rc == 0)
        rc = position_write(apply->env, apply->txn, position);
    if (rc == 0)
        rc = mdb_txn_commit(apply->txn);
    else
        mdb_txn_abort(apply->txn);
    buffer_free(&apply->image);
    if (rc != 0)
        return env_failed(rc, apply->state->dir, "apply records", err);
    state_publish(apply->state, position);
    return CANDOR_OK;
}

enum candor_code state_apply(struct state *state, struct slice batches, uint64_t commit,
                             bool *existed, struct candor_error *err)
{
    struct apply apply;
    enum candor_code code = begin(&apply, state, commit, err);
    if (code != CANDOR_OK)
        return code;
    apply.existed = existed;
    int rc = 0;
    while (rc == 0 && batches.length > 0) {
        struct batch batch;
        code = batch_decode(&batches, &batch, err);
        if (code != CANDOR_OK) {
            mdb_txn_abort(apply.txn);
            buffer_free(&apply.image);
            return code;
        }
        rc = apply_batch(&apply, &batch);
    }
    return end(&apply, rc, err);
}

enum candor_code state_commit(struct state *state, uint64_t commit, struct candor_error *err)
{
    uint64_t floor = min_u64(commit, state->position.applied.seq);
    if (floor <= state->position.undo_floor)
        return CANDOR_OK;
    struct apply apply;
    enum candor_code code = begin(&apply, state, commit, err);
    return code == CANDOR_OK ? end(&apply, 0, err) : code;
}
