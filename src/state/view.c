/* Reading: one LMDB read transaction a view, renewed rather than made anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "state/env.h"
#include "state/table.h"

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
        view->rc = mdb_txn_renew(view->txn);
        return view;
    }
    view = memory_zeroed(1, sizeof *view);
    view->state = state;
    view->env = env;
    view->rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &view->txn);
    return view;
}

/* The first failure is kept; `key`: of what could not be read, where it is an item's. */
static void note_failure(struct state_view *view, int rc, struct slice key)
{
    if (view->rc != 0 || rc == 0 || rc == MDB_NOTFOUND)
        return;
    view->rc = rc;
    size_t used = 0;
    for (size_t i = 0; i < key.length && used + 5 < sizeof view->failed_key; i++) {
        uint8_t c = key.bytes[i];
        bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
        used += (size_t)snprintf(view->failed_key + used, sizeof view->failed_key - used,
                                 plain ? "%c" : "\\x%02x", c);
    }
}

enum candor_code state_view_check(const struct state_view *view, struct candor_error *err)
{
    if (view->rc == 0)
        return CANDOR_OK;
    if (view->rc != MDB_CORRUPTED || view->failed_key[0] == '\0')
        return env_failed(view->rc, view->state->dir, "read", err);
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_STATE_DAMAGED,
                            "%s: what is stored at key \"%s\" is damaged", view->state->dir,
                            view->failed_key);
}

struct state_view *state_view_begin(struct state *state)
{
    struct state_view *view = take_view(state);
    struct candor_error err;
    view->failed_key[0] = '\0';
    /* Alone what is read: the members are large. */
    view->position.applied = (struct candor_pos){0};
    view->position.rewinds = 0;
    view->position.digest = (struct state_digest){0};
    /* it was read when the state was opened */
    if (view->rc == 0 &&
        position_read_applied(view->env, view->txn, &view->position, &err) != CANDOR_OK)
        view->rc = MDB_CORRUPTED;
    return view;
}

void state_view_end(struct state_view *view)
{
    struct state *state = view->state;
    struct env *env = view->env;
    bool made = view->txn != NULL;
    buffer_free(&view->joined);
    if (made)
        mdb_txn_reset(view->txn);
    pthread_mutex_lock(&state->lock);
    if (made) {
        view->next = env->pool;
        env->pool = view;
    } else {
        env->readers--;
    }
    bool last = --env->refs == 0; /* it was replaced by a snapshot meanwhile */
    pthread_cond_signal(&state->reader_freed);
    pthread_mutex_unlock(&state->lock);
    if (!made)
        free(view);
    if (last)
        env_close(env);
}

struct candor_pos state_view_applied(const struct state_view *view)
{
    return view->position.applied;
}

uint64_t state_view_rewinds(const struct state_view *view)
{
    return view->position.rewinds;
}

enum state_request_standing state_view_request(struct state_view *view, const struct request_id *id,
                                               struct state_request *out)
{
    enum state_request_standing standing = STATE_REQUEST_NEW;
    MDB_cursor *cursor;
    *out = (struct state_request){0};
    if (view->rc != 0)
        return standing;
    int rc = mdb_cursor_open(view->txn, view->env->tables[TABLE_REQUESTS], &cursor);
    if (rc == 0) {
        rc = requests_find(view->env, view->txn, cursor, id, out, &view->joined, &standing);
        mdb_cursor_close(cursor);
    }
    note_failure(view, rc, (struct slice){0});
    return standing;
}

void state_view_history(struct state_view *view, struct epoch_history *out)
{
    if (view->rc == 0)
        note_failure(view, history_read(view->env, view->txn, out), (struct slice){0});
}

int item_decode(struct slice key, const MDB_val *value, struct state_item *out)
{
    struct item_head head;
    if (!item_read(slice_of_val(value), &head, &out->value))
        return MDB_CORRUPTED;
    out->key = key;
    out->mod_seq = head.mod_seq;
    out->version = head.version;
    out->until_ms = head.end.until_ms;
    return 0;
}

bool state_get(struct state_view *view, struct slice key, struct state_item *out)
{
    if (key.length == 0 || key.length > LIMIT_KEY_BYTES || view->rc != 0)
        return false;
    MDB_val value;
    int rc = table_get(view->env, view->txn, TABLE_DATA, key, &value);
    if (rc == 0)
        rc = item_decode(key, &value, out);
    note_failure(view, rc, key);
    return rc == 0;
}

/* LMDB takes no key above its limit, but a bound may be longer: no key lies between it and its
 * beginning so long, except that one itself, which the caller compares with the whole bound. */
static MDB_val seekable(struct slice bound)
{
    return (MDB_val){min_u64(bound.length, LIMIT_KEY_BYTES), (void *)(uintptr_t)bound.bytes};
}

/* ---- Scanning -------------------------------------------------------------------------------- */

static int seek_up(MDB_cursor *cursor, const struct state_scan *scan, MDB_val *key, MDB_val *value)
{
    struct slice from = scan->start;
    bool beyond = scan->after.length > 0 && slice_compare(scan->after, scan->start) >= 0;
    if (beyond)
        from = scan->after;
    if (from.length == 0)
        return table_seek(cursor, TABLE_DATA, key, value, MDB_FIRST);
    *key = seekable(from);
    int rc = table_seek(cursor, TABLE_DATA, key, value, MDB_SET_RANGE);
    if (rc != 0)
        return rc;
    int order = slice_compare(slice_of_val(key), from);
    bool wanted = order > 0 || (order == 0 && !beyond);
    return wanted ? 0 : table_seek(cursor, TABLE_DATA, key, value, MDB_NEXT);
}

/* The last key below the lower of `end` and `after`. */
static int seek_down(MDB_cursor *cursor, const struct state_scan *scan, MDB_val *key,
                     MDB_val *value)
{
    struct slice below = scan->end;
    if (scan->after.length > 0 && (below.length == 0 || slice_compare(scan->after, below) < 0))
        below = scan->after;
    if (below.length == 0)
        return table_seek(cursor, TABLE_DATA, key, value, MDB_LAST);
    *key = seekable(below);
    int rc = table_seek(cursor, TABLE_DATA, key, value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
        return table_seek(cursor, TABLE_DATA, key, value, MDB_LAST);
    if (rc == 0 && slice_compare(slice_of_val(key), below) >= 0)
        rc = table_seek(cursor, TABLE_DATA, key, value, MDB_PREV);
    return rc;
}

static bool in_range(const struct state_scan *scan, struct slice key)
{
    if (scan->reverse)
        return scan->start.length == 0 || slice_compare(key, scan->start) >= 0;
    return scan->end.length == 0 || slice_compare(key, scan->end) < 0;
}

void state_scan(struct state_view *view, const struct state_scan *scan,
                bool (*each)(const struct state_item *item, void *closure), void *closure)
{
    if (view->rc != 0)
        return;
    MDB_cursor *cursor;
    MDB_val key = {0};
    MDB_val value;
    int rc = mdb_cursor_open(view->txn, view->env->tables[TABLE_DATA], &cursor);
    note_failure(view, rc, (struct slice){0});
    if (rc != 0)
        return;
    rc =
        scan->reverse ? seek_down(cursor, scan, &key, &value) : seek_up(cursor, scan, &key, &value);
    while (rc == 0 && in_range(scan, slice_of_val(&key))) {
        struct state_item item;
        rc = item_decode(slice_of_val(&key), &value, &item);
        if (rc != 0 || !each(&item, closure))
            break;
        rc = table_seek(cursor, TABLE_DATA, &key, &value, scan->reverse ? MDB_PREV : MDB_NEXT);
    }
    note_failure(view, rc, rc == MDB_CORRUPTED ? slice_of_val(&key) : (struct slice){0});
    mdb_cursor_close(cursor);
}
