/* Reading: one LMDB read transaction a view, renewed rather than made anew. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"
#include "state/env.h"

/* One of the present environment, from the pool or new; its slot is counted. */
static struct state_view *take_view(struct state *state)
{
    struct state_view *view = NULL;
    pthread_mutex_lock(&state->lock);
    while (state->env->pool == NULL && state->env->readers == LIMIT_STATE_READERS)
        pthread_cond_wait(&state->reader_freed, &state->lock);
    struct env *env = state->env;
    env->refs++;
    if (env->pool != NULL) {
        view = env->pool;
        env->pool = view->next;
    } else {
        env->readers++;
    }
    pthread_mutex_unlock(&state->lock);
    if (view != NULL) {
        int rc = mdb_txn_renew(view->txn);
        ASSERT(rc == 0);
        return view;
    }
    view = memory_zeroed(1, sizeof *view);
    view->state = state;
    view->env = env;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &view->txn);
    ASSERT(rc == 0); /* the slot was counted */
    return view;
}

struct state_view *state_view_begin(struct state *state)
{
    struct state_view *view = take_view(state);
    struct candor_error err;
    enum candor_code code = position_read_applied(view->env, view->txn, &view->position, &err);
    ASSERT(code ==
           CANDOR_OK); /* it was read when the state was opened, and only this process writes it */
    return view;
}

void state_view_end(struct state_view *view)
{
    struct state *state = view->state;
    struct env *env = view->env;
    mdb_txn_reset(view->txn);
    pthread_mutex_lock(&state->lock);
    view->next = env->pool;
    env->pool = view;
    bool last = --env->refs == 0; /* it was replaced by a snapshot meanwhile */
    pthread_cond_signal(&state->reader_freed);
    pthread_mutex_unlock(&state->lock);
    if (last)
        env_close(env);
}

struct pos state_view_applied(const struct state_view *view)
{
    return view->position.applied;
}

uint64_t state_view_rewinds(const struct state_view *view)
{
    return view->position.rewinds;
}

enum state_request_standing state_view_request(const struct state_view *view,
                                               const struct request_id *id,
                                               struct state_request *out)
{
    enum state_request_standing standing = STATE_REQUEST_NEW;
    *out = (struct state_request){0};
    int rc = requests_find(view->env, view->txn, id, out, &standing);
    ASSERT(rc == 0);
    return standing;
}

void state_view_history(const struct state_view *view, struct epoch_history *out)
{
    int rc = history_read(view->env, view->txn, out);
    ASSERT(rc == 0);
}

void item_decode(struct slice key, const MDB_val *value, struct state_item *out)
{
    ASSERT(value->mv_size >= ITEM_HEADER_BYTES);
    const uint8_t *bytes = value->mv_data;
    out->key = key;
    out->mod_seq = get_u64(bytes);
    out->version = get_u64(bytes + 8);
    out->value = slice_of(bytes + ITEM_HEADER_BYTES, value->mv_size - ITEM_HEADER_BYTES);
}

bool state_get(const struct state_view *view, struct slice key, struct state_item *out)
{
    if (key.length == 0 || key.length > LIMIT_KEY_BYTES)
        return false;
    MDB_val at = val_of(key);
    MDB_val value;
    int rc = mdb_get(view->txn, view->env->tables[TABLE_DATA], &at, &value);
    if (rc == MDB_NOTFOUND)
        return false;
    ASSERT(rc == 0);
    item_decode(key, &value, out);
    return true;
}

/* LMDB takes no key above its limit, but a bound may be longer: no key lies between it and its beginning so long,
 * except that one itself, which the caller compares with the whole bound. */
static MDB_val seekable(struct slice bound)
{
    return (MDB_val){min_u64(bound.length, LIMIT_KEY_BYTES), (void *)(uintptr_t)bound.bytes};
}

/* ---- Scanning ----------------------------------------------------------------------------------------- */

static int seek_up(MDB_cursor *cursor, const struct state_scan *scan, MDB_val *key, MDB_val *value)
{
    struct slice from = scan->start;
    bool beyond = scan->after.length > 0 && slice_compare(scan->after, scan->start) >= 0;
    if (beyond)
        from = scan->after;
    if (from.length == 0)
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    *key = seekable(from);
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc != 0)
        return rc;
    int order = slice_compare(slice_of_val(key), from);
    bool wanted = order > 0 || (order == 0 && !beyond);
    return wanted ? 0 : mdb_cursor_get(cursor, key, value, MDB_NEXT);
}

/* The last key below the lower of `end` and `after`. */
static int seek_down(MDB_cursor *cursor, const struct state_scan *scan, MDB_val *key,
                     MDB_val *value)
{
    struct slice below = scan->end;
    if (scan->after.length > 0 && (below.length == 0 || slice_compare(scan->after, below) < 0))
        below = scan->after;
    if (below.length == 0)
        return mdb_cursor_get(cursor, key, value, MDB_LAST);
    *key = seekable(below);
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
        return mdb_cursor_get(cursor, key, value, MDB_LAST);
    if (rc == 0 && slice_compare(slice_of_val(key), below) >= 0)
        rc = mdb_cursor_get(cursor, key, value, MDB_PREV);
    return rc;
}

static bool in_range(const struct state_scan *scan, struct slice key)
{
    if (scan->reverse)
        return scan->start.length == 0 || slice_compare(key, scan->start) >= 0;
    return scan->end.length == 0 || slice_compare(key, scan->end) < 0;
}

void state_scan(const struct state_view *view, const struct state_scan *scan,
                bool (*each)(const struct state_item *item, void *closure), void *closure)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(view->txn, view->env->tables[TABLE_DATA], &cursor);
    ASSERT(rc == 0);
    MDB_val key;
    MDB_val value;
    rc =
        scan->reverse ? seek_down(cursor, scan, &key, &value) : seek_up(cursor, scan, &key, &value);
    while (rc == 0 && in_range(scan, slice_of_val(&key))) {
        struct state_item item;
        item_decode(slice_of_val(&key), &value, &item);
        if (!each(&item, closure))
            break;
        rc = mdb_cursor_get(cursor, &key, &value, scan->reverse ? MDB_PREV : MDB_NEXT);
    }
    ASSERT(rc == 0 || rc == MDB_NOTFOUND);
    mdb_cursor_close(cursor);
}

/* ---- Digest ------------------------------------------------------------------------------------------- */

static void digest_bytes(XXH3_state_t *hash, const MDB_val *bytes)
{
    uint8_t length[4];
    put_u32(length, (uint32_t)bytes->mv_size);
    XXH3_64bits_update(hash, length, sizeof length);
    XXH3_64bits_update(hash, bytes->mv_data, bytes->mv_size);
}

/* All but the position, which also says what is this node's own. */
static void digest_table(XXH3_state_t *hash, const struct state_view *view, enum table table)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(view->txn, view->env->tables[table], &cursor);
    ASSERT(rc == 0);
    MDB_val key;
    MDB_val value;
    XXH3_64bits_update(hash, &table, 1);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (table == TABLE_META && !slice_equal(slice_of_val(&key), members_key))
            continue;
        digest_bytes(hash, &key);
        digest_bytes(hash, &value);
    }
    ASSERT(rc == MDB_NOTFOUND);
    mdb_cursor_close(cursor);
}

uint64_t state_digest(struct state *state)
{
    XXH3_state_t *hash = memory_given(XXH3_createState());
    XXH3_64bits_reset(hash);
    struct state_view *view = state_view_begin(state);
    for (enum table table = 0; table < TABLE_COUNT; table++)
        digest_table(hash, view, table);
    uint8_t seq[8];
    put_u64(seq, view->position.applied.seq);
    XXH3_64bits_update(hash, seq, sizeof seq);
    state_view_end(view);
    uint64_t digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return digest;
}
