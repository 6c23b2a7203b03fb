/* Every change of a table by a record goes through here: what the change overwrites is kept as a
 * pre-image as long as the record is not committed, so that one mechanism takes everything back
 * that a record did (R12).
 *
 * A pre-image: u8 table, u8 kind, with FIRST in it where it is the first of its record: u64 high,
 * u64 low of the chain at the record before, u64 log_ms before; u16 key_length, key, and
 *   ABSENT  nothing: the key was not there
 *   WHOLE   the old value
 *   HEAD    u32 old length, the old value's first bytes; the rest of it begins the
 *           present value's rest
 *   NOTHING nothing, and the key is empty: the record changed no table */
#include "state/env.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "state/digest.h"
#include "state/table.h"

enum { IMAGE_FIRST = 0x80 };

static void image_begin(struct change *change, enum table table, enum image_kind kind,
                        struct slice key)
{
    struct buffer *image = &change->image;
    buffer_clear(image);
    buffer_put_u8(image, (uint8_t)table);
    bool first = change->index == 0;
    buffer_put_u8(image, (uint8_t)kind | (first ? IMAGE_FIRST : 0));
    if (first)
        put_chain(image, change->position.chain);
    if (first)
        buffer_put_u64(image, change->position.log_ms);
    buffer_put_u16(image, (uint16_t)key.length);
    buffer_put(image, key.bytes, key.length);
}

bool image_decode(struct slice bytes, struct image *out)
{
    *out = (struct image){0};
    struct reader reader = reader_of(bytes);
    uint8_t table = read_u8(&reader);
    uint8_t kind = read_u8(&reader);
    out->first = (kind & IMAGE_FIRST) != 0;
    kind &= (uint8_t)~IMAGE_FIRST;
    if (out->first) {
        out->before = read_chain(&reader);
        out->log_ms = read_u64(&reader);
    }
    out->key = read_bytes(&reader, read_u16(&reader));
    if (kind == IMAGE_HEAD)
        out->length = read_u32(&reader);
    out->value = read_bytes(&reader, reader_left(&reader));
    out->table = (enum table)table;
    out->kind = (enum image_kind)kind;
    bool has_key = out->key.length > 0;
    return reader.ok && table < TABLE_COUNT && kind <= IMAGE_NOTHING &&
           has_key == (kind != IMAGE_NOTHING);
}

/* Under the record's next index: the ops of a WRITE come first, so each has its own place
 * (archive.c looks there). */
static int image_keep(struct change *change)
{
    uint8_t bytes[UNDO_KEY_BYTES];
    undo_key(bytes, change->seq, change->index++);
    change->kept++;
    return table_append(change->env, change->txn, TABLE_UNDO, slice_of(bytes, sizeof bytes),
                        buffer_slice(&change->image));
}

static bool is_kept(const struct change *change)
{
    return change->seq > change->commit;
}

void change_count_gone(struct change *change, enum table table, struct slice key,
                       const MDB_val *old)
{
    digest_subtract(&change->position.digest, entry_hash(table, key, slice_of_val(old)));
}

int change_keep(struct change *change, enum table table, struct slice key, const MDB_val *old)
{
    if (old != NULL)
        change_count_gone(change, table, key, old);
    if (!is_kept(change))
        return 0;
    image_begin(change, table, old != NULL ? IMAGE_WHOLE : IMAGE_ABSENT, key);
    if (old != NULL)
        buffer_put(&change->image, old->mv_data, old->mv_size);
    return image_keep(change);
}

static int keep_head(struct change *change, enum table table, struct slice key, const MDB_val *old,
                     size_t head_bytes)
{
    change_count_gone(change, table, key, old);
    if (!is_kept(change))
        return 0;
    image_begin(change, table, IMAGE_HEAD, key);
    buffer_put_u32(&change->image, (uint32_t)old->mv_size);
    buffer_put(&change->image, old->mv_data, head_bytes);
    return image_keep(change);
}

int change_keep_absent(struct change *change, enum table table, struct slice key)
{
    return change_keep(change, table, key, NULL);
}

int change_keep_chain(struct change *change)
{
    if (!is_kept(change) || change->index > 0)
        return 0;
    image_begin(change, TABLE_META, IMAGE_NOTHING, (struct slice){0});
    return image_keep(change);
}

int change_cursor(struct change *change, enum table table, MDB_cursor **out)
{
    int rc = 0;
    if (change->cursors[table] == NULL)
        rc = mdb_cursor_open(change->txn, change->env->tables[table], &change->cursors[table]);
    *out = change->cursors[table];
    return rc;
}

int change_get(struct change *change, enum table table, struct slice key, MDB_val *out)
{
    return table_get(change->env, change->txn, table, key, out);
}

int change_put_counted(struct change *change, enum table table, struct slice key, struct slice head,
                       struct slice tail)
{
    struct state_digest hash;
    int rc = table_put(change->env, change->txn, table, key, head, tail, &hash);
    if (rc == 0)
        digest_add(&change->position.digest, hash);
    return rc;
}

int change_put_over(struct change *change, enum table table, struct slice key, const MDB_val *old,
                    struct slice head, struct slice tail)
{
    int rc = change_keep(change, table, key, old);
    return rc == 0 ? change_put_counted(change, table, key, head, tail) : rc;
}

int change_put(struct change *change, enum table table, struct slice key, struct slice head,
               struct slice tail)
{
    MDB_val old;
    int rc = change_get(change, table, key, &old);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    return change_put_over(change, table, key, rc == 0 ? &old : NULL, head, tail);
}

int change_grow(struct change *change, enum table table, struct slice key, const MDB_val *old,
                struct slice head, struct slice more)
{
    ASSERT_U64(head.length, <=, old->mv_size);
    buffer_clear(&change->grown);
    buffer_put(&change->grown, head.bytes, head.length);
    buffer_put(&change->grown, (const uint8_t *)old->mv_data + head.length,
               old->mv_size - head.length);
    buffer_put(&change->grown, more.bytes, more.length);
    int rc = keep_head(change, table, key, old, head.length);
    return rc == 0 ? change_put_counted(change, table, key, buffer_slice(&change->grown),
                                        (struct slice){0})
                   : rc;
}

int change_delete_over(struct change *change, enum table table, struct slice key,
                       const MDB_val *old)
{
    int rc = change_keep(change, table, key, old);
    if (rc != 0 || old == NULL)
        return rc;
    return table_delete(change->env, change->txn, table, key);
}

int change_delete(struct change *change, enum table table, struct slice key)
{
    MDB_val old;
    int rc = change_get(change, table, key, &old);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    return change_delete_over(change, table, key, rc == 0 ? &old : NULL);
}

/* ---- A transaction of the writer ------------------------------------------------------------- */

enum candor_code change_begin(struct change *change, struct state *state, uint64_t commit,
                              struct candor_error *err)
{
    *change = (struct change){
        .state = state, .env = state->env, .position = state->position, .commit = commit};
    int rc = mdb_txn_begin(change->env->mdb, NULL, 0, &change->txn);
    return rc == 0 ? CANDOR_OK : env_failed(rc, state->dir, "begin a transaction", err);
}

static void change_free(struct change *change)
{
    buffer_free(&change->image);
    buffer_free(&change->grown);
    free(change->ends.list);
}

void change_abort(struct change *change)
{
    mdb_txn_abort(change->txn);
    change_free(change);
}

enum candor_code change_end(struct change *change, int rc, const char *what,
                            struct candor_error *err)
{
    struct state *state = change->state;
    if (rc == 0)
        rc = keys_count(change->env, change->txn, &change->position.keys);
    env_write_begin();
    if (rc == 0)
        rc = env_write_result(position_write(change->env, change->txn, &change->position));
    if (rc == 0)
        rc = env_commit(change->env, change->txn);
    else
        mdb_txn_abort(change->txn);
    change_free(change);
    if (rc != 0)
        return env_failed(rc, state->dir, what, err);
    room_keep(change->env);
    state_publish(state, &change->position);
    return CANDOR_OK;
}

enum candor_code change_end_applied(struct change *change, int rc, struct candor_error *err)
{
    struct state_position *position = &change->position;
    uint64_t floor = min_u64(change->commit, position->applied.seq);
    /* More than were made, so that the table never grows while commit keeps up. */
    env_write_begin();
    if (rc == 0)
        rc = env_write_result(undo_drop(change->env, change->txn, floor,
                                        LIMIT_UNDO_RECORDS_PER_TXN + 2 * change->kept));
    position->undo_floor = max_u64(position->undo_floor, floor);
    return change_end(change, rc, "apply records", err);
}
