/* Dropping pre-images, and taking records back by them (R12). */
#include "state/env.h"

#include "base/assert.h"
#include "state/table.h"

/* A key of another length is no pre-image's. */
static int undo_seek(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op which)
{
    int rc = table_seek(cursor, TABLE_UNDO, key, value, which);
    return rc == 0 && key->mv_size != UNDO_KEY_BYTES ? MDB_CORRUPTED : rc;
}

int undo_drop(const struct env *env, MDB_txn *txn, uint64_t commit, uint32_t most)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->undo, &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    rc = undo_seek(cursor, &key, &value, MDB_FIRST);
    while (rc == 0 && most-- > 0 && undo_key_seq(&key) <= commit) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = undo_seek(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- Taking back ----------------------------------------------------------------------------- */

/* The value before it was grown: the old head, and what of the rest was there. */
static int restore_head(struct change *change, const struct image *image, const MDB_val *present)
{
    if (image->value.length > image->length || image->length > present->mv_size)
        return MDB_CORRUPTED;
    struct buffer *old = &change->grown;
    buffer_clear(old);
    buffer_put(old, image->value.bytes, image->value.length);
    buffer_put(old, (const uint8_t *)present->mv_data + image->value.length,
               image->length - image->value.length);
    change_count_gone(change, image->table, image->key, present);
    return change_put_counted(change, image->table, image->key, buffer_slice(old),
                              (struct slice){0});
}

static int restore(struct change *change, const struct image *image)
{
    if (image->first) {
        change->position.chain = image->before;
        change->position.log_ms = image->log_ms;
    }
    if (image->kind == IMAGE_NOTHING)
        return 0;
    MDB_val present;
    int rc = change_get(change, image->table, image->key, &present);
    bool there = rc == 0;
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    if (image->kind == IMAGE_HEAD)
        return there ? restore_head(change, image, &present) : MDB_CORRUPTED;
    if (there)
        change_count_gone(change, image->table, image->key, &present);
    if (image->kind == IMAGE_WHOLE)
        return change_put_counted(change, image->table, image->key, image->value,
                                  (struct slice){0});
    /* ABSENT; or a deletion of what was not there. */
    return there ? table_delete(change->env, change->txn, image->table, image->key) : 0;
}

/* Takes back the newest pre-image, which must be of `seq`; `*first`: it was the first of its
 * record. The image is copied before: the page it lies on may be written while it is restored. */
static int restore_newest(struct change *change, uint64_t seq, bool *first)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(change->txn, change->env->undo, &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    rc = undo_seek(cursor, &key, &value, MDB_LAST);
    if (rc == MDB_NOTFOUND || (rc == 0 && undo_key_seq(&key) != seq))
        rc = MDB_CORRUPTED;
    if (rc == 0) {
        buffer_clear(&change->image);
        buffer_put(&change->image, value.mv_data, value.mv_size);
        rc = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (rc != 0)
        return rc;
    struct image image;
    if (!image_decode(buffer_slice(&change->image), &image))
        return MDB_CORRUPTED;
    *first = image.first;
    return restore(change, &image);
}

static int undo_record(struct change *change)
{
    struct candor_pos *applied = &change->position.applied;
    bool first = false;
    int rc = 0;
    while (rc == 0 && !first)
        rc = restore_newest(change, applied->seq, &first);
    applied->seq--;
    return rc;
}

/* The position follows from the tables that were taken back. */
static int refresh_position(struct change *change)
{
    struct state_position *position = &change->position;
    int rc = members_read(change->env, change->txn, position);
    if (rc != 0)
        return rc;
    return history_at(change->env, change->txn, position->applied.seq, &position->applied.epoch);
}

enum candor_code state_undo(struct state *state, uint64_t to_seq, uint32_t most, bool *done,
                            struct candor_error *err)
{
    const struct state_position *before = &state->position; /* the writer thread alone changes it */
    *done = before->applied.seq <= to_seq;
    if (*done)
        return CANDOR_OK;
    if (to_seq < before->undo_floor)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_FORKED,
                                "record %" PRIu64 " cannot be taken back: all up to %" PRIu64
                                " is committed",
                                to_seq + 1, before->undo_floor);
    struct change change;
    enum candor_code code = change_begin(&change, state, 0, err);
    if (code != CANDOR_OK)
        return code;
    change.position.rewinds++;
    int rc = 0;
    env_write_begin();
    for (uint32_t i = 0; rc == 0 && i < most && change.position.applied.seq > to_seq; i++)
        rc = env_write_result(undo_record(&change));
    if (rc == 0)
        rc = refresh_position(&change);
    code = change_end(&change, rc, "undo", err);
    *done = code == CANDOR_OK && state->position.applied.seq == to_seq;
    return code;
}
