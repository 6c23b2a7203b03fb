/* A snapshot while it arrives, and the swap that makes it the state (R14). */
#include "state/env.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "state/pages.h"

struct state_incoming {
    struct state *state;
    char dir[LIMIT_PATH_BYTES];
    char file[LIMIT_PATH_BYTES];
    int fd;
    bool finished;
};

enum candor_code state_incoming_begin(struct state *state, struct state_incoming **out,
                                      struct candor_error *err)
{
    struct state_incoming *incoming = memory_zeroed(1, sizeof *incoming);
    incoming->state = state;
    incoming->fd = -1;
    enum candor_code code = disk_path(incoming->dir, state->dir, "incoming", err);
    if (code == CANDOR_OK)
        code = disk_path(incoming->file, incoming->dir, "data.mdb", err);
    if (code == CANDOR_OK) {
        files_remove_dir(incoming->dir); /* of an earlier attempt */
        code = disk_make_dir(incoming->dir, DISK_DIR_MODE, err);
    }
    if (code == CANDOR_OK)
        code = disk_open(incoming->file, O_RDWR | O_CREAT | O_TRUNC, &incoming->fd, err);
    if (code != CANDOR_OK) {
        state_incoming_discard(incoming);
        return code;
    }
    *out = incoming;
    return CANDOR_OK;
}

enum candor_code state_incoming_write(struct state_incoming *incoming, struct slice bytes,
                                      struct candor_error *err)
{
    int failed = disk_append(incoming->fd, bytes);
    return failed == 0 ? CANDOR_OK : disk_failed(err, failed, "write", incoming->file);
}

static enum candor_code unusable(const struct state_incoming *incoming, const char *why,
                                 struct candor_error *err)
{
    return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_MALFORMED,
                            "%s: the snapshot cannot be used: %s", incoming->dir, why);
}

enum candor_code state_incoming_finish(struct state_incoming *incoming,
                                       struct state_position *position,
                                       struct epoch_history *history, struct candor_error *err)
{
    struct candor_error why = {0};
    close(incoming->fd);
    incoming->fd = -1;
    /* LMDB trusts its file, and a peer may send anything. */
    enum candor_code code = pages_check(
        incoming->file, incoming->state->map_bytes + LIMIT_STATE_RESERVE_BYTES, PAGES_ALL, &why);
    if (code == CANDOR_DATA_LOSS || code == CANDOR_NOT_FOUND)
        return unusable(incoming, why.message, err);
    if (code != CANDOR_OK)
        return candor_error_set(err, code, why.reason, "%s", why.message);
    code = disk_sync(incoming->file, err);
    if (code == CANDOR_OK)
        code = disk_sync(incoming->dir, err);
    if (code != CANDOR_OK)
        return code;
    code = peek_verify(incoming->dir, &why);
    if (code == CANDOR_OK)
        code = peek_position(incoming->dir, position, history, &why);
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        return candor_error_set(err, code, why.reason, "%s", why.message);
    /* the peer's fault, not this disk's */
    if (code != CANDOR_OK)
        return unusable(incoming, why.message, err);
    if (position->applied.seq == 0 || history->count == 0)
        return unusable(incoming, "it holds no record", err);
    incoming->finished = true;
    return CANDOR_OK;
}

void state_incoming_discard(struct state_incoming *incoming)
{
    if (incoming->fd >= 0)
        close(incoming->fd);
    files_remove_dir(incoming->dir);
    free(incoming);
}

/* ---- The swap -------------------------------------------------------------------------------- */

/* Opens the snapshot and gives it a number of rewinds that neither state had: a view of the old one
 * and one of the new are never taken for one. Opened before the swap, so that nothing but renames
 * can fail after it. */
static enum candor_code open_counted(const struct state_incoming *incoming, struct env **out,
                                     struct state_position *position, struct candor_error *err)
{
    enum candor_code code = env_open(incoming->dir, incoming->state->map_bytes, 0, out, err);
    if (code != CANDOR_OK)
        return code;
    MDB_txn *txn;
    int rc = mdb_txn_begin((*out)->mdb, NULL, 0, &txn);
    if (rc == 0) {
        code = position_read(*out, txn, position, err);
        position->rewinds = max_u64(position->rewinds, incoming->state->position.rewinds) + 1;
        rc = code == CANDOR_OK ? position_write(*out, txn, position) : 0;
        /* synced: this environment is opened without NOSYNC */
        if (rc == 0 && code == CANDOR_OK)
            rc = env_commit(*out, txn);
        else
            mdb_txn_abort(txn);
    }
    /* from now on as any state */
    if (rc == 0)
        rc = mdb_env_set_flags((*out)->mdb, MDB_NOSYNC, 1);
    if (rc != 0)
        code = env_failed(rc, incoming->dir, "count the install", err);
    if (code != CANDOR_OK) {
        env_close(*out);
        *out = NULL;
    }
    return code;
}

/* The snapshot's checkpoint, whole and on disk, but not yet in its place. */
static enum candor_code prepare_checkpoint(const struct state_incoming *incoming,
                                           const char *install,
                                           const struct state_position *position,
                                           struct candor_error *err)
{
    char file[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(file, install, "data.mdb", err);
    files_remove_dir(install);
    if (code == CANDOR_OK)
        code = disk_make_dir(install, DISK_DIR_MODE, err);
    if (code == CANDOR_OK)
        code = disk_copy(incoming->file, file, err);
    return code == CANDOR_OK ? files_seal_dir(install, position, err) : code;
}

/* From here on views are of the new environment; the old one is closed with its last view. */
static void exchange(struct state *state, struct env *env, const struct state_position *position)
{
    pthread_mutex_lock(&state->lock);
    struct env *old = state->env;
    state->env = env;
    state->position = *position;
    bool unused = --old->refs == 0;
    pthread_cond_broadcast(&state->reader_freed);
    pthread_mutex_unlock(&state->lock);
    if (unused)
        env_close(old);
}

static enum candor_code swap(struct state *state, int state_dir_fd, struct state_incoming *incoming,
                             const char *install, struct candor_error *err)
{
    struct env *env = NULL;
    struct state_position position;
    char current[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(current, state->dir, "current", err);
    if (code == CANDOR_OK)
        code = open_counted(incoming, &env, &position, err);
    if (code == CANDOR_OK)
        code = prepare_checkpoint(incoming, install, &position, err);
    if (code == CANDOR_OK)
        code = files_swap_dir(state_dir_fd, incoming->dir, current, err);
    if (code == CANDOR_OK)
        exchange(state, env, &position);
    else if (env != NULL)
        env_close(env);
    return code;
}

static enum candor_code adopt_checkpoint(struct state *state, int state_dir_fd, const char *install,
                                         struct candor_error *err)
{
    enum candor_code code = checkpoint_adopt(state_dir_fd, state->dir, install, err);
    if (code == CANDOR_RESOURCE_EXHAUSTED || code == CANDOR_FAILED_PRECONDITION)
        return candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_NONE,
                                "%s: the snapshot was installed, but not its checkpoint: the next "
                                "start ends it",
                                state->dir);
    return code;
}

/* The state goes first and its checkpoint second. A crash between the two: the next state_open()
 * puts the checkpoint in its place; or, the machine having gone down, state_rebuild() begins from
 * the old checkpoint, which the log continues until the caller resets it. The other way round, a
 * checkpoint of another branch would stand beside the old state. */
enum candor_code state_install(struct state *state, struct state_incoming *incoming,
                               struct candor_error *err)
{
    ASSERT(incoming->finished && incoming->state == state);
    char install[LIMIT_PATH_BYTES];
    int state_dir_fd = -1;
    enum candor_code code = disk_path(install, state->dir, INSTALL_NAME, err);
    if (code == CANDOR_OK) /* for both renames, before the first */
        code = disk_open_parent(install, &state_dir_fd, err);
    if (code == CANDOR_OK)
        code = swap(state, state_dir_fd, incoming, install, err);
    if (code != CANDOR_OK) {
        if (code != CANDOR_DATA_LOSS) /* else it may have happened: the next start finds out */
            files_remove_dir(install);
        state_incoming_discard(incoming);
    } else {
        free(incoming); /* its directory is the state now */
        code = adopt_checkpoint(state, state_dir_fd, install, err);
    }
    if (state_dir_fd >= 0)
        close(state_dir_fd);
    return code;
}
