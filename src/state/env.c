/* One LMDB environment: opened, its tables, their codings, its transactions. */
#include "state/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/units.h"
#include "state/map_fault.h"
#include "state/table.h"

enum {
    /* slots that no view takes: a checkpoint's copy has a transaction of its own */
    OWN_READERS = 8,
};

/* LMDB's own codes that are negative. */
static bool is_lmdb_shortage(int rc)
{
    return rc == MDB_TXN_FULL || rc == MDB_READERS_FULL;
}

static enum candor_code state_is_full(const char *dir, struct candor_error *err)
{
    return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_STATE_FULL,
                            "%s: the state has reached limits.state: delete keys, or raise it in "
                            "the topology and start this node again",
                            dir);
}

static enum candor_code meta_page_failed(const char *dir, const char *what,
                                         struct candor_error *err)
{
    return candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_DISK_FULL,
                            "%s: cannot %s: the disk did not take LMDB's meta page, as a full "
                            "one that copies on write; the state is as it was: make room, and "
                            "start this node again",
                            dir, what);
}

enum candor_code env_failed(int rc, const char *dir, const char *what, struct candor_error *err)
{
    if (rc == MDB_MAP_FULL)
        return state_is_full(dir, err);
    if (rc == MDB_PANIC)
        return meta_page_failed(dir, what, err);
    if (is_lmdb_shortage(rc) || disk_error_is_shortage(rc))
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, disk_error_reason(rc),
                                "%s: cannot %s: %s", dir, what, mdb_strerror(rc));
    if (rc == MDB_VERSION_MISMATCH)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                                "%s: it was written by another version of LMDB", dir);
    enum candor_code code = rc > 0 ? disk_error_code(rc) : CANDOR_DATA_LOSS;
    if (code == CANDOR_PERMISSION_DENIED)
        return candor_error_set(err, code, CANDOR_REASON_NONE, "%s: cannot %s: %s", dir, what,
                                mdb_strerror(rc));
    return candor_error_set(
        err, CANDOR_DATA_LOSS, rc < 0 ? CANDOR_REASON_STATE_DAMAGED : CANDOR_REASON_NONE,
        "%s: cannot %s: %s; the state is damaged. Restore this node by removing its data directory "
        "(it then copies the state from the primary)",
        dir, what, mdb_strerror(rc));
}

void env_write_begin(void)
{
    errno = 0;
}

int env_write_result(int rc)
{
    return rc == EIO && errno != EIO ? ENOSPC : rc;
}

int env_commit(const struct env *env, MDB_txn *txn)
{
    MDB_txn *probe;
    env_write_begin();
    int rc = env_write_result(mdb_txn_commit(txn));
    if (rc == 0)
        return 0;
    int then = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &probe);
    if (then == 0)
        mdb_txn_abort(probe);
    return then == MDB_PANIC ? MDB_PANIC : rc;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Made only where there is none yet: one whose name has rotted would else be replaced by an empty
 * one. */
static int open_each(struct env *env, MDB_txn *txn, bool read_only)
{
    static const char *const names[TABLE_COUNT] = {"data",    "epochs", "meta", "requests",
                                                   "clients", "ages",   "ends"};
    MDB_dbi all;
    MDB_stat stat = {0};
    int rc = mdb_dbi_open(txn, NULL, 0, &all);
    if (rc == 0)
        rc = mdb_stat(txn, all, &stat);
    unsigned flags = read_only || stat.ms_entries > 0 ? 0 : MDB_CREATE;
    for (size_t i = 0; i < TABLE_COUNT && rc == 0; i++)
        rc = mdb_dbi_open(txn, names[i], flags, &env->tables[i]);
    return rc == 0 ? mdb_dbi_open(txn, "undo", flags, &env->undo) : rc;
}

/* Nothing is made in an environment of another format: the transaction is given up. */
static enum candor_code open_tables(struct env *env, const char *dir, bool read_only,
                                    struct candor_error *err)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return env_failed(rc, dir, "open the state", err);
    rc = open_each(env, txn, read_only);
    struct state_position position;
    enum candor_code code = CANDOR_OK;
    if (rc == MDB_NOTFOUND && env->tables[TABLE_META] != 0) /* perhaps of another format */
        code = position_read_applied(env, txn, &position, err);
    if (rc == MDB_NOTFOUND && code == CANDOR_OK)
        code =
            candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                             "%s: a table is missing: the state is damaged. Restore this node by "
                             "removing its data directory (it then copies the state from the "
                             "primary)",
                             dir);
    else if (rc != 0 && code == CANDOR_OK)
        code = env_failed(rc, dir, "open the state", err);
    if (code == CANDOR_OK)
        code = position_read_applied(env, txn, &position, err);
    if (code != CANDOR_OK) {
        mdb_txn_abort(txn);
        return code;
    }
    env_write_begin();
    rc = env_write_result(mdb_txn_commit(txn));
    return rc == 0 ? CANDOR_OK : env_failed(rc, dir, "open the state", err);
}

/* The map takes its whole size of address space, however little it holds. */
static enum candor_code map_failed(int rc, const char *dir, uint64_t map_bytes, unsigned flags,
                                   struct candor_error *err)
{
    char size[UNIT_TEXT_BYTES];
    /* by limits.state; copies are opened by the default */
    bool limited = (flags & MDB_RDONLY) == 0;
    if (rc != ENOMEM)
        return env_failed(rc, dir, "open the state", err);
    return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                            "%s: cannot open the state: %s; it takes %s of address space: raise "
                            "what the process may have (ulimit -v)%s",
                            dir, strerror(rc), size_text(map_bytes, size),
                            limited ? ", or lower limits.state in the topology" : "");
}

enum candor_code env_open(const char *dir, uint64_t map_bytes, unsigned flags, struct env **out,
                          struct candor_error *err)
{
    struct env *env = memory_zeroed(1, sizeof *env);
    bool locks = (flags & MDB_NOLOCK) == 0;
    enum candor_code code =
        locks ? room_for_lock_file(dir, LIMIT_STATE_READERS + OWN_READERS, err) : CANDOR_OK;
    if (code != CANDOR_OK) {
        free(env);
        return code;
    }
    int rc = mdb_env_create(&env->mdb);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env->mdb, 8);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(env->mdb, LIMIT_STATE_READERS + OWN_READERS);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env->mdb, map_bytes + LIMIT_STATE_RESERVE_BYTES);
    if (rc == 0)
        rc = mdb_env_open(env->mdb, dir, flags | MDB_NOTLS, DISK_FILE_MODE);
    if (rc == 0)
        map_fault_watch(env->mdb, dir);
    code = rc == 0 ? open_tables(env, dir, (flags & MDB_RDONLY) != 0, err)
                   : map_failed(rc, dir, map_bytes, flags, err);
    if (code != CANDOR_OK) {
        env_close(env);
        return code;
    }
    if ((flags & MDB_RDONLY) == 0)
        room_keep(env);
    env->refs = 1;
    *out = env;
    return CANDOR_OK;
}

void env_close(struct env *env)
{
    while (env->pool != NULL) {
        struct state_view *view = env->pool;
        env->pool = view->next;
        mdb_txn_abort(view->txn);
        free(view);
    }
    if (env->mdb != NULL) {
        map_fault_forget(env->mdb);
        mdb_env_close(env->mdb);
    }
    free(env);
}

/* ---- Position -------------------------------------------------------------------------------- */

static const struct slice position_key = {(const uint8_t *)"position", 8};
const struct slice members_key = {(const uint8_t *)"members", 7};

static void put_members(struct buffer *out, const struct members *members)
{
    buffer_put_u32(out, members->count);
    for (uint32_t i = 0; i < members->count; i++) {
        buffer_put_node_id(out, members->list[i].id);
        buffer_put_u64(out, members->list[i].store_id);
        buffer_put_u8(out, members->list[i].voter);
    }
}

static bool read_members(struct reader *reader, struct members *out)
{
    *out = (struct members){0};
    uint32_t count = read_u32(reader);
    if (!reader->ok || count > LIMIT_NODES)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_node_id(reader, &out->list[i].id))
            return false;
        out->list[i].store_id = read_u64(reader);
        out->list[i].voter = read_u8(reader) == 1;
    }
    out->count = count;
    return reader->ok;
}

void put_chain(struct buffer *out, struct chain chain)
{
    buffer_put_u64(out, chain.high);
    buffer_put_u64(out, chain.low);
}

struct chain read_chain(struct reader *reader)
{
    uint64_t high = read_u64(reader);
    return (struct chain){high, read_u64(reader)};
}

int position_write(const struct env *env, MDB_txn *txn, const struct state_position *position)
{
    struct buffer bytes = {0};
    buffer_put_u32(&bytes, STATE_FORMAT);
    buffer_put_epoch(&bytes, position->applied.epoch);
    buffer_put_u64(&bytes, position->applied.seq);
    put_chain(&bytes, position->chain);
    buffer_put_u64(&bytes, position->undo_floor);
    buffer_put_u64(&bytes, position->rewinds);
    buffer_put_u64(&bytes, position->digest.high);
    buffer_put_u64(&bytes, position->digest.low);
    buffer_put_u64(&bytes, position->log_ms);
    int rc = table_put(env, txn, TABLE_META, position_key, buffer_slice(&bytes), (struct slice){0},
                       NULL);
    buffer_free(&bytes);
    return rc;
}

void members_encode(struct buffer *out, uint64_t cluster_id, const struct members *members)
{
    buffer_put_u64(out, cluster_id);
    put_members(out, members);
}

static enum candor_code position_damaged(const char *what, struct candor_error *err)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "the state's position %s: restore this node by removing its data "
                            "directory",
                            what);
}

static enum candor_code other_format(uint32_t format, struct candor_error *err)
{
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                            "the state has format %u, this version reads %d", format, STATE_FORMAT);
}

/* Formats up to 3 had no checks, and began with their number. */
static bool is_older_format(const struct env *env, MDB_txn *txn, uint32_t *out)
{
    MDB_val key = val_of(position_key);
    MDB_val value;
    if (mdb_get(txn, env->tables[TABLE_META], &key, &value) != 0 || value.mv_size < sizeof *out)
        return false;
    *out = get_u32(value.mv_data);
    return *out >= 1 && *out <= 999 && *out != STATE_FORMAT;
}

enum candor_code position_read_applied(const struct env *env, MDB_txn *txn,
                                       struct state_position *out, struct candor_error *err)
{
    memset(out, 0, sizeof *out);
    MDB_val value;
    int rc = table_get(env, txn, TABLE_META, position_key, &value);
    if (rc == MDB_NOTFOUND)
        return CANDOR_OK;
    uint32_t format;
    if (rc == MDB_CORRUPTED && is_older_format(env, txn, &format))
        return other_format(format, err);
    if (rc != 0)
        return env_failed(rc, "state", "read the position", err);
    struct reader reader = reader_of(slice_of_val(&value));
    format = read_u32(&reader);
    if (format != STATE_FORMAT)
        return other_format(format, err);
    bool ok = read_epoch(&reader, &out->applied.epoch);
    out->applied.seq = read_u64(&reader);
    out->chain = read_chain(&reader);
    out->undo_floor = read_u64(&reader);
    out->rewinds = read_u64(&reader);
    out->digest.high = read_u64(&reader);
    out->digest.low = read_u64(&reader);
    out->log_ms = read_u64(&reader);
    if (!ok || reader_left(&reader) != 0)
        return position_damaged("does not decode", err);
    return CANDOR_OK;
}

int members_read(const struct env *env, MDB_txn *txn, struct state_position *out)
{
    out->cluster_id = 0;
    out->members.count = 0;
    MDB_val value;
    int rc = table_get(env, txn, TABLE_META, members_key, &value);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    struct reader reader = reader_of(slice_of_val(&value));
    out->cluster_id = read_u64(&reader);
    bool ok = read_members(&reader, &out->members);
    return ok && reader_left(&reader) == 0 ? 0 : MDB_CORRUPTED;
}

int keys_count(const struct env *env, MDB_txn *txn, uint64_t *out)
{
    MDB_stat stat;
    int rc = mdb_stat(txn, env->tables[TABLE_DATA], &stat);
    if (rc == 0)
        *out = stat.ms_entries;
    return rc;
}

enum candor_code position_read(const struct env *env, MDB_txn *txn, struct state_position *out,
                               struct candor_error *err)
{
    enum candor_code code = position_read_applied(env, txn, out, err);
    if (code != CANDOR_OK)
        return code;
    int rc = members_read(env, txn, out);
    if (rc == 0)
        rc = keys_count(env, txn, &out->keys);
    return rc == 0 ? CANDOR_OK : env_failed(rc, "state", "read the members", err);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

void env_be32(uint8_t out[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

void env_be64(uint8_t out[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

uint64_t env_from_be64(const void *bytes)
{
    const uint8_t *p = bytes;
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return value;
}

void undo_key(uint8_t out[UNDO_KEY_BYTES], uint64_t seq, uint32_t op)
{
    env_be64(out, seq);
    env_be32(out + 8, op);
}

uint64_t undo_key_seq(const MDB_val *key)
{
    ASSERT(key->mv_size == UNDO_KEY_BYTES);
    return env_from_be64(key->mv_data);
}
