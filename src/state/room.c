/* Room for what frees room. A delete, and the record that opens an epoch, need some pages before
 * they give any back: the pre-image, and the pages on the way to the key. So that they are possible
 * when all is full, what stores more is refused a little earlier, twice over:
 *   limits.state  LMDB's map is larger than the limit by LIMIT_STATE_RESERVE_BYTES.
 *   the disk      blocks are allocated for the data file ahead of its end, LIMIT_STATE_SLACK_BYTES
 *                 at least, for as long as the disk has them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/env.h"

#define TRY_AGAIN_NS (200 * NS_PER_MS)
/* Ahead of what is used: twice the least, so that not each commit allocates. */
#define KEPT_BYTES ((uint64_t)2 * LIMIT_STATE_SLACK_BYTES)

/* ---- The disk -------------------------------------------------------------------------------- */

static uint64_t page_bytes(const struct env *env)
{
    MDB_stat stat = {0};
    (void)mdb_env_stat(env->mdb, &stat);
    return stat.ms_psize;
}

/* Up to the last page that was ever used: LMDB's file never shrinks. */
static uint64_t used_bytes(const struct env *env)
{
    MDB_envinfo info = {0};
    (void)mdb_env_info(env->mdb, &info);
    return ((uint64_t)info.me_last_pgno + 1) * page_bytes(env);
}

static int allocate(const struct env *env, uint64_t bytes)
{
    mdb_filehandle_t fd;
    int failed = mdb_env_get_fd(env->mdb, &fd);
    while (failed == 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) != 0) {
        if (errno == EINTR)
            continue;
        failed = errno;
    }
    return failed;
}

void room_keep(struct env *env)
{
    uint64_t used = used_bytes(env);
    if (env->allocated_bytes >= used + LIMIT_STATE_SLACK_BYTES)
        return;
    uint64_t now_ns = clock_boot_ns();
    if (env->disk_short != 0 && now_ns - env->disk_tried_ns < TRY_AGAIN_NS)
        return;
    env->disk_tried_ns = now_ns;
    int failed = allocate(env, used + KEPT_BYTES);
    if (disk_error_is_full(failed)) {
        env->disk_short = failed;
        return;
    }
    env->disk_short = 0;
    /* A file system that allocates nothing ahead has no room to keep. */
    env->allocated_bytes = failed == 0 ? used + KEPT_BYTES : UINT64_MAX;
}

/* The lock file is mapped and written as memory: without its blocks a full disk would be a
 * SIGBUS. */
enum candor_code room_for_lock_file(const char *dir, uint64_t readers, struct candor_error *err)
{
    enum { HEAD_BYTES = 4096, READER_BYTES = 64 };
    char path[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(path, dir, "lock.mdb", err);
    if (code != CANDOR_OK)
        return code;
    int fd = -1;
    code = disk_open(path, O_RDWR | O_CREAT, &fd, err);
    if (code != CANDOR_OK)
        return code;
    int failed = posix_fallocate(fd, 0, (off_t)(HEAD_BYTES + readers * READER_BYTES));
    if (failed != 0 && failed != EOPNOTSUPP && failed != EINVAL)
        code = disk_failed(err, failed, "make room for", path);
    close(fd);
    return code;
}

/* ---- limits.state ---------------------------------------------------------------------------- */

static int count_free_pages(MDB_txn *txn, uint64_t *out)
{
    enum { FREE_TABLE = 0 };
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_open(txn, FREE_TABLE, &cursor);
    if (rc != 0)
        return rc;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        size_t count;
        memcpy(&count, value.mv_data, sizeof count);
        *out += count;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Of pages that were used and may be used again: each entry of LMDB's own table of them begins with
 * their number. LMDB shows it to read transactions alone. 0 when it cannot be read: then there is
 * less room than there might be. */
static uint64_t free_bytes(const struct env *env)
{
    MDB_txn *txn;
    uint64_t pages = 0;
    if (mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn) != 0)
        return 0;
    int rc = count_free_pages(txn, &pages);
    mdb_txn_abort(txn);
    return rc == 0 ? pages * page_bytes(env) : 0;
}

static bool limit_is_reached(struct change *change, uint64_t bytes)
{
    struct env *env = change->env;
    uint64_t used = used_bytes(env);
    uint64_t limit = change->state->map_bytes;
    if (used + change->added_bytes + bytes <= limit)
        return false;
    if (!change->free_known) { /* counted only near the limit, once a transaction */
        change->free_known = true;
        change->free_bytes = free_bytes(env);
    }
    return saturating_sub(used, change->free_bytes) + change->added_bytes + bytes > limit;
}

bool room_is_scarce(const struct change *change)
{
    return change->env->disk_short != 0 || change->free_known;
}

enum candor_code room_for(struct change *change, uint64_t bytes, struct candor_error *err)
{
    struct env *env = change->env;
    if (env->disk_short != 0)
        room_keep(env);
    if (env->disk_short != 0)
        return env_failed(env->disk_short, change->state->dir, "keep room for deletes", err);
    if (limit_is_reached(change, bytes))
        return env_failed(MDB_MAP_FULL, change->state->dir, "store more", err);
    change->added_bytes += bytes;
    return CANDOR_OK;
}
