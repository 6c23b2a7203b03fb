/* Checkpoints: consistent copies beside the state; and what begins again from one
 * (docs/architecture.md). */
#include "state/env.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

enum candor_code peek_position(const char *dir, struct state_position *out,
                               struct epoch_history *history, struct candor_error *err)
{
    struct env *env;
    enum candor_code code =
        env_open(dir, LIMIT_STATE_BYTES_DEFAULT, MDB_RDONLY | MDB_NOLOCK, &env, err);
    if (code != CANDOR_OK)
        return code;
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);
    if (rc == 0) {
        code = position_read(env, txn, out, err);
        if (code == CANDOR_OK && history != NULL)
            rc = history_read(env, txn, history);
        mdb_txn_abort(txn);
    }
    env_close(env);
    return rc == 0 ? code : env_failed(rc, dir, "read", err);
}

enum candor_code peek_verify(const char *dir, struct candor_error *err)
{
    struct env *env;
    MDB_txn *txn;
    struct state_position position;
    struct state_digest sum;
    enum candor_code code =
        env_open(dir, LIMIT_STATE_BYTES_DEFAULT, MDB_RDONLY | MDB_NOLOCK, &env, err);
    if (code != CANDOR_OK)
        return code;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);
    if (rc == 0) {
        code = position_read_applied(env, txn, &position, err);
        rc = code == CANDOR_OK ? digest_tables(env, txn, &sum) : 0;
        mdb_txn_abort(txn);
    }
    env_close(env);
    if (rc != 0)
        return env_failed(rc, dir, "read all of it", err);
    if (code == CANDOR_OK && !state_digest_equal(sum, position.digest))
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_STATE_DAMAGED,
                                "%s: its entries have another digest than its position names", dir);
    return code;
}

static enum candor_code damaged(const char *checkpoint_dir, const char *what,
                                struct candor_error *err)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s: the checkpoint is damaged: %s. Restore this node by removing its "
                            "data directory (it then copies the state from the primary)",
                            checkpoint_dir, what);
}

static enum candor_code describe(const char *checkpoint_dir, struct state_checkpoint *out,
                                 struct candor_error *err)
{
    struct file_seal seal;
    struct stat st;
    enum candor_code code = files_read_seal(checkpoint_dir, &seal, err);
    if (code == CANDOR_OK)
        code = disk_path(out->path, checkpoint_dir, "data.mdb", err);
    if (code != CANDOR_OK)
        return code;
    if (stat(out->path, &st) != 0)
        return disk_find_failed(err, errno, "look at", out->path);
    if ((uint64_t)st.st_size != seal.bytes)
        return damaged(checkpoint_dir, "its length is wrong", err);
    out->pos = seal.applied;
    out->rewinds = seal.rewinds;
    out->bytes = seal.bytes;
    out->digest = seal.digest;
    return code;
}

enum candor_code state_checkpoint_find(const char *state_dir, struct state_checkpoint *out,
                                       struct candor_error *err)
{
    char dir[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(dir, state_dir, "checkpoint", err);
    return code == CANDOR_OK ? describe(dir, out, err) : code;
}

enum candor_code checkpoint_adopt(int state_dir_fd, const char *state_dir, const char *fresh,
                                  struct candor_error *err)
{
    char dir[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(dir, state_dir, "checkpoint", err);
    return code == CANDOR_OK ? files_swap_dir(state_dir_fd, fresh, dir, err) : code;
}

static enum candor_code adopt_fresh(const char *state_dir, const char *fresh,
                                    struct candor_error *err)
{
    int parent;
    enum candor_code code = disk_open_parent(fresh, &parent, err);
    if (code != CANDOR_OK)
        return code;
    code = checkpoint_adopt(parent, state_dir, fresh, err);
    close(parent);
    return code;
}

#define MADE_NAME "checkpoint.new"     /* of who makes them now and then */
#define REPLACED_NAME "checkpoint.now" /* of the writer, who may not wait for that one */

static enum candor_code make_in(struct state *state, const char *fresh, struct candor_error *err)
{
    files_remove_dir(fresh);
    enum candor_code code = disk_make_dir(fresh, DISK_DIR_MODE, err);
    if (code != CANDOR_OK)
        return code;
    /* A view keeps the environment open, should a snapshot be swapped in meanwhile. */
    struct state_view *view = state_view_begin(state);
    int rc = mdb_env_copy2(view->env->mdb, fresh, MDB_CP_COMPACT);
    state_view_end(view);
    struct state_position position;
    /* R66: behind a checkpoint the log is given up: what has rotted must not be sealed as sound. */
    code = rc == 0 ? peek_verify(fresh, err) : env_failed(rc, fresh, "copy the state", err);
    if (code == CANDOR_OK)
        code = peek_position(fresh, &position, NULL, err);
    if (code == CANDOR_OK)
        code = files_seal_dir(fresh, &position, err);
    if (code != CANDOR_OK)
        files_remove_dir(fresh);
    return code;
}

/* What was taken back since is in the copy still. */
static enum candor_code check_still_true(struct state *state, const char *fresh,
                                         struct candor_error *err)
{
    struct state_checkpoint copied;
    struct state_position now;
    enum candor_code code = describe(fresh, &copied, err);
    state_position(state, &now);
    if (code == CANDOR_OK && copied.rewinds != now.rewinds)
        code = candor_error_set(err, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                                "%s: records were taken back while it was copied", fresh);
    return code;
}

static enum candor_code adopt_from(struct state *state, const char *fresh,
                                   struct state_checkpoint *out, struct candor_error *err)
{
    enum candor_code code = check_still_true(state, fresh, err);
    if (code == CANDOR_OK)
        code = adopt_fresh(state->dir, fresh, err);
    if (code == CANDOR_OK)
        return state_checkpoint_find(state->dir, out, err);
    files_remove_dir(fresh);
    return code;
}

static enum candor_code checkpoint_as(struct state *state, const char *name,
                                      struct state_checkpoint *out, struct candor_error *err)
{
    char fresh[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(fresh, state->dir, name, err);
    if (code == CANDOR_OK)
        code = make_in(state, fresh, err);
    return code == CANDOR_OK ? adopt_from(state, fresh, out, err) : code;
}

enum candor_code state_checkpoint(struct state *state, struct state_checkpoint *out,
                                  struct candor_error *err)
{
    return checkpoint_as(state, MADE_NAME, out, err);
}

enum candor_code state_checkpoint_make(struct state *state, struct candor_error *err)
{
    char fresh[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(fresh, state->dir, MADE_NAME, err);
    return code == CANDOR_OK ? make_in(state, fresh, err) : code;
}

enum candor_code state_checkpoint_adopt(struct state *state, struct state_checkpoint *out,
                                        struct candor_error *err)
{
    char fresh[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(fresh, state->dir, MADE_NAME, err);
    return code == CANDOR_OK ? adopt_from(state, fresh, out, err) : code;
}

enum candor_code state_checkpoint_drop_above(struct state *state, uint64_t seq,
                                             struct candor_error *err)
{
    struct state_checkpoint checkpoint;
    enum candor_code code = state_checkpoint_find(state->dir, &checkpoint, err);
    if (code == CANDOR_NOT_FOUND || (code == CANDOR_OK && checkpoint.pos.seq <= seq))
        return CANDOR_OK;
    /* it could not be looked at: that says nothing of it */
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        return code;
    /* Above the cut, or damaged. The log below it may be gone, so a reboot needs one: the state as
     * it is now, taken back already. */
    ASSERT_U64(state->position.applied.seq, <=, seq);
    return checkpoint_as(state, REPLACED_NAME, &checkpoint, err);
}

/* ---- After a crash --------------------------------------------------------------------------- */

enum candor_code checkpoint_settle(struct state *state, struct candor_error *err)
{
    char dir[LIMIT_PATH_BYTES];
    struct state_checkpoint found;
    enum candor_code code = disk_path(dir, state->dir, INSTALL_NAME, err);
    if (code != CANDOR_OK)
        return code;
    code = describe(dir, &found, err);
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        return code;
    /* Both were copied after the snapshot's rewinds went beyond the old state's, so they cannot
     * agree by chance. */
    if (code == CANDOR_OK && found.rewinds == state->position.rewinds)
        return adopt_fresh(state->dir, dir, err);
    files_remove_dir(dir);
    return CANDOR_OK;
}

/* Throws the state away; it must not come back. */
static enum candor_code empty_current(const char *current, struct candor_error *err)
{
    char file[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(file, current, "data.mdb", err);
    if (code != CANDOR_OK)
        return code;
    if (unlink(file) != 0 && errno != ENOENT)
        return disk_failed(err, errno, "remove the untrusted state", file);
    files_remove_dir(current);
    return CANDOR_OK;
}

/* Copies the checkpoint to `fresh` and compares the copy with the seal. */
static enum candor_code copy_checked(const char *checkpoint, const char *fresh,
                                     struct candor_error *err)
{
    char from[LIMIT_PATH_BYTES];
    char to[LIMIT_PATH_BYTES];
    struct file_seal seal;
    struct file_seal copied;
    enum candor_code code = disk_path(from, checkpoint, "data.mdb", err);
    if (code == CANDOR_OK)
        code = disk_path(to, fresh, "data.mdb", err);
    if (code == CANDOR_OK)
        code = files_read_seal(checkpoint, &seal, err);
    if (code == CANDOR_NOT_FOUND)
        return damaged(checkpoint, "its seal is missing", err);
    if (code == CANDOR_OK)
        code = disk_make_dir(fresh, DISK_DIR_MODE, err);
    if (code == CANDOR_OK)
        code = disk_copy(from, to, err);
    if (code == CANDOR_NOT_FOUND)
        return damaged(checkpoint, "its data file is missing", err);
    if (code == CANDOR_OK)
        code = files_measure(to, &copied, err);
    if (code == CANDOR_OK && (copied.bytes != seal.bytes || copied.digest != seal.digest))
        return damaged(checkpoint, "its digest is wrong", err);
    return code == CANDOR_OK ? disk_sync(fresh, err) : code;
}

enum candor_code state_rebuild(const char *state_dir, struct candor_error *err)
{
    char current[LIMIT_PATH_BYTES];
    char fresh[LIMIT_PATH_BYTES];
    char checkpoint[LIMIT_PATH_BYTES];
    struct stat st;
    enum candor_code code = disk_path(current, state_dir, "current", err);
    if (code == CANDOR_OK)
        code = disk_path(fresh, state_dir, "current.new", err);
    if (code == CANDOR_OK)
        code = disk_path(checkpoint, state_dir, "checkpoint", err);
    if (code != CANDOR_OK)
        return code;
    files_remove_dir(fresh);
    if (stat(checkpoint, &st) != 0)
        return errno == ENOENT ? empty_current(current, err)
                               : disk_find_failed(err, errno, "look at", checkpoint);
    int parent = -1;
    code = copy_checked(checkpoint, fresh, err);
    if (code == CANDOR_OK)
        code = disk_open_parent(current, &parent, err);
    if (code == CANDOR_OK)
        code = files_swap_dir(parent, fresh, current, err);
    if (code != CANDOR_OK)
        files_remove_dir(fresh);
    if (parent >= 0)
        close(parent);
    return code;
}
