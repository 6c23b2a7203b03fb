/* Values of tables, each with a check.
 *
 * LMDB hands out what stands on its page, whatever became of it. So a value is stored as u64 check,
 * value; the check is the lower half of the entry's hash, over the table, the key and the value.
 * Whoever reads compares it: a mismatch is MDB_CORRUPTED and nothing is handed out. Every table
 * goes through here.
 *
 * An entry's hash is XXH3-128 of the value, seeded with XXH3-64 of the key, seeded with the table:
 * strong enough against rot and faults of programs (an entry that changed is missed once in 2^64),
 * not against somebody who chooses the bytes.
 *
 * The functions return LMDB's codes; values point into the page and are good up to the next
 * change. */
#ifndef STATE_TABLE_H
#define STATE_TABLE_H

#include "state/env.h"

enum { CHECK_BYTES = 8 };

struct state_digest entry_hash(enum table table, struct slice key, struct slice value);

int table_get(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
              MDB_val *value);
/* As mdb_cursor_get(); `cursor` is of `table`. */
int table_seek(MDB_cursor *cursor, enum table table, MDB_val *key, MDB_val *value,
               MDB_cursor_op op);
/* The value is head and tail, one behind the other. `*hash` of the new entry; may be NULL, here and
 * below. */
int table_put(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
              struct slice head, struct slice tail, struct state_digest *hash);
/* Likewise behind all keys there are. */
int table_append(const struct env *env, MDB_txn *txn, enum table table, struct slice key,
                 struct slice value);
/* Leaves the cursor at `key`. MDB_KEYEXIST when it was there: `*old` is what it holds. */
int table_add(MDB_cursor *cursor, enum table table, struct slice key, struct slice value,
              MDB_val *old, struct state_digest *hash);
int table_delete(const struct env *env, MDB_txn *txn, enum table table, struct slice key);

#endif
