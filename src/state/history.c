/* The epoch history: table `epochs`, be64 first_seq -> epoch, chain. */
#include "state/env.h"
#include "state/table.h"

/* As long a history as the core's: the oldest goes. */
static int forget_oldest(struct change *change)
{
    MDB_stat stat;
    MDB_cursor *cursor;
    MDB_dbi table = change->env->tables[TABLE_EPOCHS];
    int rc = mdb_stat(change->txn, table, &stat);
    if (rc != 0 || stat.ms_entries <= LIMIT_EPOCH_HISTORY)
        return rc;
    rc = mdb_cursor_open(change->txn, table, &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    uint8_t first[8];
    rc = table_seek(cursor, TABLE_EPOCHS, &key, &value, MDB_FIRST);
    if (rc == 0)
        env_be64(first, env_from_be64(key.mv_data));
    mdb_cursor_close(cursor);
    return rc == 0 ? change_delete(change, TABLE_EPOCHS, slice_of(first, sizeof first)) : rc;
}

int history_append(struct change *change, const struct epoch_start *start)
{
    uint8_t first[8];
    env_be64(first, start->first_seq);
    struct buffer bytes = {0};
    buffer_put_epoch(&bytes, start->epoch);
    put_chain(&bytes, start->chain);
    int rc = change_put(change, TABLE_EPOCHS, slice_of(first, sizeof first), buffer_slice(&bytes),
                        (struct slice){0});
    buffer_free(&bytes);
    return rc == 0 ? forget_oldest(change) : rc;
}

static bool read_start(const MDB_val *key, const MDB_val *value, struct epoch_start *out)
{
    struct reader reader = reader_of(slice_of_val(value));
    if (key->mv_size != 8 || !read_epoch(&reader, &out->epoch))
        return false;
    out->chain = read_chain(&reader);
    out->first_seq = env_from_be64(key->mv_data);
    return reader.ok && reader_left(&reader) == 0;
}

int history_read(const struct env *env, MDB_txn *txn, struct epoch_history *out)
{
    out->count = 0;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->tables[TABLE_EPOCHS], &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    rc = table_seek(cursor, TABLE_EPOCHS, &key, &value, MDB_FIRST);
    while (rc == 0 && out->count < LIMIT_EPOCH_HISTORY) {
        if (!read_start(&key, &value, &out->starts[out->count++]))
            rc = MDB_CORRUPTED;
        else
            rc = table_seek(cursor, TABLE_EPOCHS, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int history_at(const struct env *env, MDB_txn *txn, uint64_t seq, struct candor_epoch *out)
{
    *out = (struct candor_epoch){0};
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->tables[TABLE_EPOCHS], &cursor);
    if (rc != 0)
        return rc;
    uint8_t bytes[8];
    env_be64(bytes, seq);
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value;
    rc = table_seek(cursor, TABLE_EPOCHS, &key, &value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
        rc = table_seek(cursor, TABLE_EPOCHS, &key, &value, MDB_LAST);
    else if (rc == 0 && env_from_be64(key.mv_data) > seq)
        rc = table_seek(cursor, TABLE_EPOCHS, &key, &value, MDB_PREV);
    struct epoch_start start;
    if (rc == 0 && !read_start(&key, &value, &start))
        rc = MDB_CORRUPTED;
    else if (rc == 0)
        *out = start.epoch;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
