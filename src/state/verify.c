/* Every entry read again: its check, and the digest that all of them make. */
#include "state/digest.h"
#include "state/table.h"

static int sum_table(const struct env *env, MDB_txn *txn, enum table table,
                     struct state_digest *sum)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->tables[table], &cursor);
    if (rc != 0)
        return rc;
    MDB_val key;
    MDB_val value;
    for (rc = table_seek(cursor, table, &key, &value, MDB_FIRST); rc == 0;
         rc = table_seek(cursor, table, &key, &value, MDB_NEXT))
        /* The position says also what is this node's own. */
        if (table != TABLE_META || slice_equal(slice_of_val(&key), members_key))
            digest_add(sum, entry_hash(table, slice_of_val(&key), slice_of_val(&value)));
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int digest_tables(const struct env *env, MDB_txn *txn, struct state_digest *out)
{
    int rc = 0;
    *out = (struct state_digest){0};
    for (enum table table = 0; table < TABLE_COUNT && rc == 0; table++)
        rc = sum_table(env, txn, table, out);
    return rc;
}

enum candor_code state_view_digest(struct state_view *view, struct state_digest *kept,
                                   struct candor_error *err)
{
    struct state_digest sum = {0};
    if (view->rc == 0)
        view->rc = digest_tables(view->env, view->txn, &sum);
    *kept = view->position.digest;
    enum candor_code code = state_view_check(view, err);
    if (code != CANDOR_OK || state_digest_equal(sum, *kept))
        return code;
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_STATE_DAMAGED,
                            "%s: the entries are not those that records have made: their digest is "
                            "another",
                            view->state->dir);
}
