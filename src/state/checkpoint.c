/* Checkpoints: consistent copies beside the state; and what begins again from one (DESIGN §5). */
#include "state/env.h"

#include <errno.h>
#include <string.h>
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

static enum candor_code describe(const char *checkpoint_dir, struct state_checkpoint *out,
                                 struct candor_error *err)
{
    struct stat st;
    if (!path_join(out->path, checkpoint_dir, "data.mdb"))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "%s: the path is too long", checkpoint_dir);
    if (stat(out->path, &st) != 0)
        return files_failed(out->path, "look at it", err);
    struct state_position position;
    enum candor_code code = peek_position(checkpoint_dir, &position, NULL, err);
    out->pos = position.applied;
    out->bytes = (uint64_t)st.st_size;
    return code;
}

enum candor_code state_checkpoint_find(const char *state_dir, struct state_checkpoint *out,
                                       struct candor_error *err)
{
    char dir[LIMIT_PATH_BYTES];
    bool fits = path_join(dir, state_dir, "checkpoint");
    ASSERT(fits); /* state_open refused longer ones */
    return describe(dir, out, err);
}

/* What stands in `checkpoint.new` becomes the checkpoint. */
static enum candor_code take_over(const char *state_dir, const char *fresh,
                                  struct state_checkpoint *out, struct candor_error *err)
{
    char file[LIMIT_PATH_BYTES];
    char dir[LIMIT_PATH_BYTES];
    bool fits = path_join(file, fresh, "data.mdb") && path_join(dir, state_dir, "checkpoint");
    ASSERT(fits);
    enum candor_code code = files_sync(file, err);
    if (code == CANDOR_OK)
        code = files_sync(fresh, err);
    if (code == CANDOR_OK)
        code = files_swap_dir(fresh, dir, err);
    return code == CANDOR_OK ? describe(dir, out, err) : code;
}

enum candor_code state_checkpoint(struct state *state, struct state_checkpoint *out,
                                  struct candor_error *err)
{
    char fresh[LIMIT_PATH_BYTES];
    if (!path_join(fresh, state->dir, "checkpoint.new"))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "%s: the path is too long", state->dir);
    files_remove_dir(fresh);
    enum candor_code code = files_make_dir(fresh, err);
    if (code != CANDOR_OK)
        return code;
    /* A view keeps the environment open, should a snapshot be swapped in meanwhile. */
    struct state_view *view = state_view_begin(state);
    int rc = mdb_env_copy2(view->env->mdb, fresh, MDB_CP_COMPACT);
    state_view_end(view);
    code = rc == 0 ? take_over(state->dir, fresh, out, err)
                   : env_failed(rc, fresh, "copy the state", err);
    if (code != CANDOR_OK)
        files_remove_dir(fresh);
    return code;
}

enum candor_code state_checkpoint_drop_above(struct state *state, uint64_t seq,
                                             struct candor_error *err)
{
    struct state_checkpoint checkpoint;
    enum candor_code code = state_checkpoint_find(state->dir, &checkpoint, err);
    if (code == CANDOR_NOT_FOUND || (code == CANDOR_OK && checkpoint.pos.seq <= seq))
        return CANDOR_OK;
    if (code != CANDOR_OK)
        return code;
    /* The log below it may be gone, so a reboot needs one: the state as it is now, taken back already. */
    ASSERT_U64(state->position.applied.seq, <=, seq);
    return state_checkpoint(state, &checkpoint, err);
}

enum candor_code state_rebuild(const char *state_dir, struct candor_error *err)
{
    char current[LIMIT_PATH_BYTES];
    char fresh[LIMIT_PATH_BYTES];
    char checkpoint[LIMIT_PATH_BYTES];
    if (!path_join(current, state_dir, "current") || !path_join(fresh, state_dir, "current.new") ||
        !path_join(checkpoint, state_dir, "checkpoint/data.mdb"))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "%s: the path is too long", state_dir);
    files_remove_dir(fresh);
    if (access(checkpoint, F_OK) != 0) {
        files_remove_dir(current);
        return CANDOR_OK;
    }
    char file[LIMIT_PATH_BYTES];
    bool fits = path_join(file, fresh, "data.mdb");
    ASSERT(fits);
    enum candor_code code = files_make_dir(fresh, err);
    if (code == CANDOR_OK)
        code = files_copy(checkpoint, file, err);
    if (code == CANDOR_OK)
        code = files_swap_dir(fresh, current, err);
    return code;
}
