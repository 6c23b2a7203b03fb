/* The keys that end, in the order of their ends: so that those whose time is over are found without
 * looking at the others. The table follows the data: a record changes both, and what takes it back
 * takes back both (R69). */
#include "state/env.h"

#include "base/memory.h"
#include "state/table.h"

enum { END_KEY_BYTES = 20 };

static struct slice end_key(uint8_t out[END_KEY_BYTES], const struct item_end *end)
{
    env_be64(out, end->until_ms);
    env_be64(out + 8, end->seq);
    env_be32(out + 16, end->op);
    return slice_of(out, END_KEY_BYTES);
}

void ends_note(struct change *change, struct slice key, struct item_end from, struct item_end to)
{
    struct end_moves *moves = &change->ends;
    if (from.until_ms == 0 && to.until_ms == 0)
        return;
    memory_grow(moves->list, moves->capacity, moves->count + 1);
    moves->list[moves->count++] = (struct end_move){key, from, to};
}

int ends_apply(struct change *change)
{
    struct end_moves *moves = &change->ends;
    uint8_t bytes[END_KEY_BYTES];
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < moves->count; i++) {
        const struct end_move *move = &moves->list[i];
        if (move->from.until_ms != 0)
            rc = change_delete(change, TABLE_ENDS, end_key(bytes, &move->from));
        if (rc == 0 && move->to.until_ms != 0)
            rc = change_put(change, TABLE_ENDS, end_key(bytes, &move->to), move->key,
                            (struct slice){0});
    }
    moves->count = 0;
    return rc;
}

/* ---- Whose time is over ---------------------------------------------------------------------- */

/* No cursor is opened where no key ends. */
static int first_end(struct change *change, MDB_cursor **cursor, MDB_val *key, MDB_val *value)
{
    MDB_stat stat;
    int rc = mdb_stat(change->txn, change->env->tables[TABLE_ENDS], &stat);
    if (rc != 0)
        return rc;
    if (stat.ms_entries == 0)
        return MDB_NOTFOUND;
    rc = change_cursor(change, TABLE_ENDS, cursor);
    return rc == 0 ? table_seek(*cursor, TABLE_ENDS, key, value, MDB_FIRST) : rc;
}

int ends_due(struct change *change, uint64_t log_ms, struct slice *keys, uint32_t most,
             uint32_t *count, uint64_t *next_ms)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    *count = 0;
    *next_ms = 0;
    int rc = first_end(change, &cursor, &key, &value);
    while (rc == 0) {
        if (key.mv_size != END_KEY_BYTES)
            return MDB_CORRUPTED;
        *next_ms = env_from_be64(key.mv_data);
        if (*next_ms >= log_ms || *count == most)
            return 0;
        keys[(*count)++] = slice_of_val(&value);
        *next_ms = 0;
        rc = table_seek(cursor, TABLE_ENDS, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}
