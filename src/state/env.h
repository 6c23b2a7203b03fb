/* Inside src/state: one LMDB environment, its tables and their codings. Nobody outside includes this.
 *
 * Tables
 *   data    key -> u64 mod_seq, u64 version, value
 *   undo    be64 seq, be32 op -> what the op overwrote (undo.c)
 *   epochs  be64 first_seq -> epoch
 *   meta    "position" -> the position
 * All integers are little-endian but where the order of keys wants be64.
 *
 * Locks: state.lock guards the pointer to the present environment, the pools of views and the cached position;
 * held for a few instructions, never while LMDB works. */
#ifndef STATE_ENV_H
#define STATE_ENV_H

#include <lmdb.h>
#include <pthread.h>

#include "base/buffer.h"
#include "state/state.h"

#define STATE_FORMAT 1
#define ITEM_HEADER_BYTES 16
#define UNDO_KEY_BYTES 12

struct env {
    MDB_env *mdb;
    MDB_dbi data;
    MDB_dbi undo;
    MDB_dbi epochs;
    MDB_dbi meta;
    uint32_t refs;           /* views open on it, and the state itself */
    struct state_view *pool; /* ended views, to be renewed */
    uint32_t readers;        /* reader slots taken: open views and pooled ones */
};

struct state {
    char dir[LIMIT_PATH_BYTES];
    uint64_t map_bytes;
    pthread_mutex_t lock;
    pthread_cond_t reader_freed;
    struct env *env;
    struct state_position position; /* of the newest committed transaction */
};

struct state_view {
    struct state *state;
    struct env *env;
    MDB_txn *txn;
    struct state_position position;
    struct state_view *next;
};

/* ---- env.c ------------------------------------------------------------------------------------------- */

/* `flags` for mdb_env_open; MDB_RDONLY opens without making tables. A missing data file is made unless read-only. */
enum candor_code env_open(const char *dir, uint64_t map_bytes, unsigned flags, struct env **out,
                          struct candor_error *err);
void env_close(struct env *env); /* nothing of it is in use */

/* What an LMDB failure means: MDB_MAP_FULL, ENOSPC: RESOURCE_EXHAUSTED; damage: DATA_LOSS (R3). `what` was being done. */
enum candor_code env_failed(int rc, const char *dir, const char *what, struct candor_error *err);

enum candor_code position_read(const struct env *env, MDB_txn *txn, struct state_position *out,
                               struct candor_error *err); /* all zero when there is none */
int position_write(const struct env *env, MDB_txn *txn, const struct state_position *position);
int history_read(const struct env *env, MDB_txn *txn, struct epoch_history *out);
int history_append(const struct env *env, MDB_txn *txn, struct epoch epoch, uint64_t first_seq);
/* Removes the epochs that begin above seq; `*newest` becomes the epoch of seq. */
int history_truncate(const struct env *env, MDB_txn *txn, uint64_t seq, struct epoch *newest);

void put_members(struct buffer *out, const struct members *members);
bool read_members(struct reader *reader, struct members *out);

void undo_key(uint8_t out[UNDO_KEY_BYTES], uint64_t seq, uint32_t op);
uint64_t undo_key_seq(const MDB_val *key);

static inline MDB_val val_of(struct slice s)
{
    return (MDB_val){s.length, (void *)(uintptr_t)s.bytes};
}
static inline struct slice slice_of_val(const MDB_val *v)
{
    return slice_of(v->mv_data, v->mv_size);
}

/* ---- undo.c ------------------------------------------------------------------------------------------ */

/* A pre-image, decoded. */
struct undo_image {
    bool meta; /* of an EPOCH_START or MEMBERS: members and cluster_id before it */
    struct members members;
    uint64_t cluster_id;
    struct slice key;
    bool existed;
    uint64_t mod_seq;
    uint64_t version;
    struct slice value;
};

void undo_encode_op(struct buffer *out, struct slice key,
                    const MDB_val *old); /* NULL: was not there */
void undo_encode_meta(struct buffer *out, const struct state_position *before);
bool undo_decode(struct slice bytes, struct undo_image *out);
/* Drops at most `most` pre-images of records at or below `commit`. */
int undo_drop(const struct env *env, MDB_txn *txn, uint64_t commit, uint32_t most);

/* ---- files.c ----------------------------------------------------------------------------------------- */

bool path_join(char out[LIMIT_PATH_BYTES], const char *dir, const char *name); /* false: too long */
enum candor_code files_make_dir(const char *path, struct candor_error *err);
enum candor_code files_sync(const char *path, struct candor_error *err); /* a file or a directory */
enum candor_code files_copy(const char *from, const char *to,
                            struct candor_error *err); /* whole file, synced */
/* Makes `from` stand at `to` by one rename, and removes what stood there; durable. `from` is gone afterwards. */
enum candor_code files_swap_dir(const char *from, const char *to, struct candor_error *err);
void files_remove_dir(
    const char *path); /* with the data and lock files in it; quiet when there is none */
enum candor_code files_failed(const char *path, const char *what,
                              struct candor_error *err); /* by errno */

/* ---- checkpoint.c ------------------------------------------------------------------------------------ */

/* What the environment in `dir` stands at, read without locks. */
enum candor_code peek_position(const char *dir, struct state_position *out,
                               struct epoch_history *history, struct candor_error *err);

/* state.c: after a commit of the writer */
void state_publish(struct state *state, const struct state_position *position);

#endif
