/* Pre-images: what each op of a record that is not committed has overwritten; and taking records back (R12).
 *
 * A pre-image of an op:   u8 1, u8 existed, u64 mod_seq, u64 version, u16 key_length, key, value
 * of EPOCH_START, MEMBERS: u8 2, u64 cluster_id, members */
#include "state/env.h"

#include <string.h>

#include "base/assert.h"

enum { IMAGE_OP = 1, IMAGE_META = 2 };

void undo_encode_op(struct buffer *out, struct slice key, const MDB_val *old)
{
    buffer_put_u8(out, IMAGE_OP);
    buffer_put_u8(out, old != NULL);
    const uint8_t *item = old != NULL ? old->mv_data : NULL;
    buffer_put_u64(out, item != NULL ? get_u64(item) : 0);
    buffer_put_u64(out, item != NULL ? get_u64(item + 8) : 0);
    buffer_put_u16(out, (uint16_t)key.length);
    buffer_put(out, key.bytes, key.length);
    if (item != NULL)
        buffer_put(out, item + ITEM_HEADER_BYTES, old->mv_size - ITEM_HEADER_BYTES);
}

void undo_encode_meta(struct buffer *out, const struct state_position *before)
{
    buffer_put_u8(out, IMAGE_META);
    buffer_put_u64(out, before->cluster_id);
    put_members(out, &before->members);
}

bool undo_decode(struct slice bytes, struct undo_image *out)
{
    *out = (struct undo_image){0};
    struct reader reader = reader_of(bytes);
    uint8_t type = read_u8(&reader);
    if (type == IMAGE_META) {
        out->meta = true;
        out->cluster_id = read_u64(&reader);
        return read_members(&reader, &out->members) && reader_left(&reader) == 0;
    }
    out->existed = read_u8(&reader) == 1;
    out->mod_seq = read_u64(&reader);
    out->version = read_u64(&reader);
    out->key = read_bytes(&reader, read_u16(&reader));
    out->value = read_bytes(&reader, reader_left(&reader));
    return reader.ok && type == IMAGE_OP && out->key.length > 0;
}

int undo_drop(const struct env *env, MDB_txn *txn, uint64_t commit, uint32_t most)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->undo, &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (rc == 0 && most-- > 0 && undo_key_seq(&key) <= commit) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- Taking back -------------------------------------------------------------------------------------- */

static int restore_op(const struct env *env, MDB_txn *txn, const struct undo_image *image,
                      struct state_position *position)
{
    MDB_val key = val_of(image->key);
    MDB_val present;
    int rc = mdb_get(txn, env->data, &key, &present);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    bool exists = rc == 0;
    position->keys = position->keys + image->existed - exists;
    if (!image->existed)
        return exists ? mdb_del(txn, env->data, &key, NULL) : 0;
    MDB_val value = {ITEM_HEADER_BYTES + image->value.length, NULL};
    rc = mdb_put(txn, env->data, &key, &value, MDB_RESERVE);
    if (rc != 0)
        return rc;
    put_u64(value.mv_data, image->mod_seq);
    put_u64((uint8_t *)value.mv_data + 8, image->version);
    if (image->value.length > 0)
        memcpy((uint8_t *)value.mv_data + ITEM_HEADER_BYTES, image->value.bytes,
               image->value.length);
    return 0;
}

/* Takes back the newest pre-image when it is of `seq`; `*found` tells. The image is copied first: the page it
 * lies on may be written while it is restored. */
static int restore_newest(const struct env *env, MDB_txn *txn, uint64_t seq,
                          struct state_position *position, struct buffer *copy, bool *found)
{
    *found = false;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->undo, &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (rc == 0 && undo_key_seq(&key) == seq) {
        *found = true;
        buffer_clear(copy);
        buffer_put(copy, value.mv_data, value.mv_size);
        rc = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (rc != 0 || !*found)
        return rc == MDB_NOTFOUND ? 0 : rc;
    struct undo_image image;
    if (!undo_decode(buffer_slice(copy), &image))
        return MDB_CORRUPTED;
    if (!image.meta)
        return restore_op(env, txn, &image, position);
    position->members = image.members;
    position->cluster_id = image.cluster_id;
    return 0;
}

static int undo_record(const struct env *env, MDB_txn *txn, struct state_position *position,
                       struct buffer *copy)
{
    uint64_t seq = position->applied.seq;
    bool found = true;
    int rc = 0;
    while (rc == 0 && found)
        rc = restore_newest(env, txn, seq, position, copy, &found);
    if (rc == 0)
        rc = history_truncate(env, txn, seq - 1, &position->applied.epoch);
    position->applied.seq = seq - 1;
    if (position->applied.seq == 0)
        position->applied.epoch = (struct epoch){0};
    return rc;
}

enum candor_code state_undo(struct state *state, uint64_t to_seq, uint32_t most, bool *done,
                            struct candor_error *err)
{
    struct env *env = state->env;
    struct state_position position = state->position; /* the writer thread alone changes it */
    *done = position.applied.seq <= to_seq;
    if (*done)
        return CANDOR_OK;
    if (to_seq < position.undo_floor)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_FORKED,
                                "record %" PRIu64 " cannot be taken back: all up to %" PRIu64
                                " is committed",
                                to_seq + 1, position.undo_floor);
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc != 0)
        return env_failed(rc, state->dir, "begin an undo", err);
    struct buffer copy = {0};
    position.rewinds++;
    for (uint32_t i = 0; rc == 0 && i < most && position.applied.seq > to_seq; i++)
        rc = undo_record(env, txn, &position, &copy);
    buffer_free(&copy);
    if (rc == 0)
        rc = position_write(env, txn, &position);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    if (rc != 0)
        return env_failed(rc, state->dir, "undo", err);
    state_publish(state, &position);
    *done = position.applied.seq == to_seq;
    return CANDOR_OK;
}
