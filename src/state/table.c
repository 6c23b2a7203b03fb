/* Values of tables, each with a check that is compared before anybody sees the value (R54). */
#include "state/table.h"

#include <string.h>

static MDB_dbi handle_of(const struct env *env, enum table table)
{
    return table == TABLE_UNDO ? env->undo : env->tables[table];
}

/* Takes the check off, and compares. */
static int open_value(enum table table, struct slice key, MDB_val *value)
{
    if (value->mv_size < CHECK_BYTES)
        return MDB_CORRUPTED;
    const uint8_t *bytes = value->mv_data;
    struct slice own = slice_of(bytes + CHECK_BYTES, value->mv_size - CHECK_BYTES);
    if (entry_hash(table, key, own).low != get_u64(bytes))
        return MDB_CORRUPTED;
    *value = val_of(own);
    return 0;
}

int table_get(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
              MDB_val *value)
{
    MDB_val at = val_of(key);
    int rc = mdb_get(txn, handle_of(env, table), &at, value);
    return rc == 0 ? open_value(table, key, value) : rc;
}

int table_seek(MDB_cursor *cursor, enum table table, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
    int rc = mdb_cursor_get(cursor, key, value, op);
    return rc == 0 ? open_value(table, slice_of_val(key), value) : rc;
}

/* Writes head and tail where LMDB has made room, and the check in front of them. */
static void fill_value(enum table table, struct slice key, struct slice head, struct slice tail,
                       uint8_t *room, struct state_digest *hash)
{
    uint8_t *value = room + CHECK_BYTES;
    if (head.length > 0)
        memcpy(value, head.bytes, head.length);
    if (tail.length > 0)
        memcpy(value + head.length, tail.bytes, tail.length);
    struct state_digest own = entry_hash(table, key, slice_of(value, head.length + tail.length));
    put_u64(room, own.low);
    if (hash != NULL)
        *hash = own;
}

static int put_with(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
                    struct slice head, struct slice tail, unsigned flags, struct state_digest *hash)
{
    MDB_val at = val_of(key);
    MDB_val room = {CHECK_BYTES + head.length + tail.length, NULL};
    int rc = mdb_put(txn, handle_of(env, table), &at, &room, MDB_RESERVE | flags);
    if (rc == 0)
        fill_value(table, key, head, tail, room.mv_data, hash);
    return rc;
}

int table_put(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
              struct slice head, struct slice tail, struct state_digest *hash)
{
    return put_with(env, txn, table, key, head, tail, 0, hash);
}

int table_append(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
                 struct slice value)
{
    return put_with(env, txn, table, key, value, (struct slice){0}, MDB_APPEND, NULL);
}

int table_add(MDB_cursor *cursor, enum table table, struct slice key, struct slice value,
              MDB_val *old, struct state_digest *hash)
{
    MDB_val at = val_of(key);
    MDB_val room = {CHECK_BYTES + value.length, NULL};
    int rc = mdb_cursor_put(cursor, &at, &room, MDB_NOOVERWRITE | MDB_RESERVE);
    if (rc == 0)
        fill_value(table, key, value, (struct slice){0}, room.mv_data, hash);
    if (rc != MDB_KEYEXIST)
        return rc;
    *old = room;
    int opened = open_value(table, key, old);
    return opened == 0 ? MDB_KEYEXIST : opened;
}

int table_delete(const struct env *env, MDB_txn *txn, enum table table, struct slice key)
{
    MDB_val at = val_of(key);
    return mdb_del(txn, handle_of(env, table), &at, NULL);
}
