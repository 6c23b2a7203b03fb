/* Opening and closing, and the position that everybody may ask for. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "state/env.h"
#include "state/map_fault.h"
#include "state/pages.h"

enum { ENV_FLAGS = MDB_NOSYNC };

/* Before LMDB maps it. What is small is read whole: that takes some milliseconds. Of more only what
 * would end the process by SIGBUS is looked for; the rest awaits its reader, and the scrub. */
static enum candor_code check_current(const struct state *state, const char *dir,
                                      struct candor_error *err)
{
    char file[LIMIT_PATH_BYTES];
    struct stat st;
    char suspect[LIMIT_PATH_BYTES];
    struct candor_error why = {0};
    enum candor_code code = disk_path(file, dir, "data.mdb", err);
    if (code == CANDOR_OK)
        code = disk_path(suspect, state->dir, SUSPECT_NAME, err);
    if (code != CANDOR_OK)
        return code;
    uint64_t file_bytes = stat(file, &st) == 0 ? (uint64_t)st.st_size : 0;
    bool whole = file_bytes <= LIMIT_STATE_CHECKED_BYTES || access(suspect, F_OK) == 0;
    /* limits.state may have been lowered since: then the file itself is the measure. */
    uint64_t most_bytes = max_u64(state->map_bytes, file_bytes) + LIMIT_STATE_RESERVE_BYTES;
    code = pages_check(file, most_bytes, whole ? PAGES_ALL : PAGES_SIZE, &why);
    if (code == CANDOR_NOT_FOUND)
        return CANDOR_OK;
    if (code != CANDOR_DATA_LOSS)
        return code == CANDOR_OK ? code
                                 : candor_error_set(err, code, why.reason, "%s", why.message);
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s. The state is damaged. Restore this node by removing its data "
                            "directory (it then copies the state from the primary)",
                            why.message);
}

static enum candor_code open_current(struct state *state, struct env **out,
                                     struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(path, state->dir, "current", err);
    if (code == CANDOR_OK)
        code = disk_make_dir(path, DISK_DIR_MODE, err);
    if (code == CANDOR_OK)
        code = check_current(state, path, err);
    return code == CANDOR_OK ? env_open(path, state->map_bytes, ENV_FLAGS, out, err) : code;
}

static enum candor_code load_position(struct state *state, struct candor_error *err)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(state->env->mdb, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return env_failed(rc, state->dir, "read", err);
    enum candor_code code = position_read(state->env, txn, &state->position, err);
    mdb_txn_abort(txn);
    if (code == CANDOR_OK && state->position.applied.seq == 0 && state->position.keys > 0)
        return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                                "%s: the state holds %" PRIu64 " keys, but its position is lost; "
                                "restore this node by removing its data directory",
                                state->dir, state->position.keys);
    return code;
}

/* After a life that met damage: every entry is read, before anybody is answered from it. */
static enum candor_code verify_suspect(struct state *state, struct candor_error *err)
{
    char path[LIMIT_PATH_BYTES];
    struct state_digest kept;
    enum candor_code code = disk_path(path, state->dir, SUSPECT_NAME, err);
    if (code != CANDOR_OK || access(path, F_OK) != 0)
        return code;
    struct state_view *view = state_view_begin(state);
    code = state_view_digest(view, &kept, err);
    state_view_end(view);
    if (code == CANDOR_OK)
        (void)unlink(path);
    return code;
}

void state_mark_suspect(const char *dir)
{
    char path[LIMIT_PATH_BYTES];
    if (disk_path(path, dir, SUSPECT_NAME, NULL) != CANDOR_OK)
        return;
    int fd;
    if (disk_open(path, O_WRONLY | O_CREAT, &fd, NULL) != CANDOR_OK)
        return;
    (void)fsync(fd);
    close(fd);
}

/* What an interrupted checkpoint or download left. */
static void remove_leftovers(const char *dir)
{
    static const char *const names[] = {"incoming", "checkpoint.new", "checkpoint.now",
                                        "current.new"};
    char path[LIMIT_PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (disk_path(path, dir, names[i], NULL) == CANDOR_OK)
            files_remove_dir(path);
}

enum candor_code state_open(const struct state_options *options, struct state **out,
                            struct candor_error *err)
{
    struct state *state = memory_zeroed(1, sizeof *state);
    strncpy(state->dir, options->dir, sizeof state->dir - 1);
    state->map_bytes = options->map_bytes != 0 ? options->map_bytes : LIMIT_STATE_BYTES_DEFAULT;
    pthread_mutex_init(&state->lock, NULL);
    pthread_cond_init(&state->reader_freed, NULL);
    char longest[LIMIT_PATH_BYTES];
    enum candor_code code = disk_path(longest, options->dir, INSTALL_NAME "/data.mdb", err);
    if (code == CANDOR_OK)
        code = disk_make_dir(state->dir, DISK_DIR_MODE, err);
    if (code == CANDOR_OK) {
        remove_leftovers(state->dir);
        code = open_current(state, &state->env, err);
    }
    if (code == CANDOR_OK)
        code = load_position(state, err);
    if (code == CANDOR_OK)
        code = verify_suspect(state, err);
    if (code == CANDOR_OK)
        code = checkpoint_settle(state, err);
    if (code != CANDOR_OK) {
        state_close(state);
        return code;
    }
    *out = state;
    return CANDOR_OK;
}

void state_close(struct state *state)
{
    if (state == NULL)
        return;
    if (state->env != NULL) {
        ASSERT(state->env->refs == 1); /* every view has ended */
        env_close(state->env);
    }
    pthread_cond_destroy(&state->reader_freed);
    pthread_mutex_destroy(&state->lock);
    free(state);
}

void state_publish(struct state *state, const struct state_position *position)
{
    pthread_mutex_lock(&state->lock);
    state->position = *position;
    pthread_mutex_unlock(&state->lock);
}

struct digest_at state_digest_at(struct state *state)
{
    pthread_mutex_lock(&state->lock);
    struct digest_at at = {state->position.applied.seq, state->position.digest};
    pthread_mutex_unlock(&state->lock);
    return at;
}

uint64_t state_log_ms(struct state *state)
{
    pthread_mutex_lock(&state->lock);
    uint64_t log_ms = state->position.log_ms;
    pthread_mutex_unlock(&state->lock);
    return log_ms;
}

void state_position(struct state *state, struct state_position *out)
{
    pthread_mutex_lock(&state->lock);
    *out = state->position;
    pthread_mutex_unlock(&state->lock);
}

enum candor_code state_position_and_history(struct state *state, struct state_position *out,
                                            struct epoch_history *history, struct candor_error *err)
{
    struct state_view *view = state_view_begin(state); /* both of one moment */
    enum candor_code code = state_view_check(view, err);
    if (code == CANDOR_OK)
        code = position_read(view->env, view->txn, out, err);
    if (code == CANDOR_OK) {
        state_view_history(view, history);
        code = state_view_check(view, err);
    }
    state_view_end(view);
    return code;
}

enum candor_code state_sync(struct state *state, struct candor_error *err)
{
    int rc = mdb_env_sync(state->env->mdb, 1);
    if (rc == 0)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE, "%s: fsync failed: %s",
                            state->dir, mdb_strerror(rc));
}

uint64_t state_bytes(struct state *state)
{
    pthread_mutex_lock(&state->lock);
    struct env *env = state->env;
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    mdb_env_info(env->mdb, &info);
    mdb_env_stat(env->mdb, &stat);
    pthread_mutex_unlock(&state->lock);
    return (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
}
