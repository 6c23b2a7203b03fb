/* Inside src/state: one LMDB environment, its tables and their codings. Nobody outside includes
 * this.
 *
 * Tables
 * Each value is stored behind a check (table.h). What stands in it:
 *   data      key -> u64 mod_seq, u64 version, [where it stands in ends,] value (item.c)
 *   ends      be64 until_ms, be64 seq, be32 op -> key: the keys that end, in that order (ends.c)
 *   epochs    be64 first_seq -> epoch, chain at its EPOCH_START
 *   meta      "members" -> cluster_id and members; "position" -> the rest of the position
 *   requests, clients, ages   who wrote what lately (requests.c)
 *   undo      be64 seq, be32 index -> what the record's change number `index` overwrote (change.c)
 * All integers are little-endian but where the order of keys wants be64. Records change tables
 * through change.c alone.
 *
 * Locks: state.lock guards the pointer to the present environment, the pools of views and the
 * cached position; held for a few instructions, never while LMDB works. */
#ifndef STATE_ENV_H
#define STATE_ENV_H

#include <lmdb.h>
#include <pthread.h>

#include "base/buffer.h"
#include "disk/disk.h"
#include "state/state.h"

#define STATE_FORMAT 7
#define ITEM_HEADER_BYTES 16
#define ITEM_END_BYTES 20 /* more, of a key that ends */
#define UNDO_KEY_BYTES 12

enum table {
    TABLE_DATA,
    TABLE_EPOCHS,
    TABLE_META,
    TABLE_REQUESTS,
    TABLE_CLIENTS,
    TABLE_AGES,
    TABLE_ENDS,
    TABLE_COUNT, /* those whose entries records make: they are what the digest is of */
    TABLE_UNDO = TABLE_COUNT,
};

struct env {
    MDB_env *mdb;
    MDB_dbi tables[TABLE_COUNT];
    MDB_dbi undo;
    uint32_t refs;           /* views open on it, and the state itself */
    struct state_view *pool; /* ended views, to be renewed */
    uint32_t readers;        /* reader slots taken: open views and pooled ones */
    /* (writer) room.c */
    uint64_t allocated_bytes; /* the data file has blocks up to here */
    int disk_short;           /* errno: the disk has no more of them; 0: it has */
    uint64_t disk_tried_ns;
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
    /* Of the first read that failed; nothing is read after it. */
    int rc;
    char failed_key[128];
    struct state_position position;
    struct buffer joined; /* results of a large request; empty but while somebody reads them */
    struct state_view *next;
};

/* ---- env.c ----------------------------------------------------------------------------------- */

/* `flags` for mdb_env_open; MDB_RDONLY opens without making tables. A missing data file is made
 * unless read-only. */
enum candor_code env_open(const char *dir, uint64_t map_bytes, unsigned flags, struct env **out,
                          struct candor_error *err);
void env_close(struct env *env); /* nothing of it is in use */

/* mdb_txn_commit(); MDB_PANIC when LMDB gave the environment up over it, whatever the reason
 * was. */
int env_commit(const struct env *env, MDB_txn *txn);
/* LMDB says EIO for a write that was cut short, as a disk does that is nearly full. A true EIO
 * comes with errno. So errno is cleared before LMDB may write, and `rc` passed through
 * env_write_result() afterwards: ENOSPC for a short write. Nothing is lost if that is an error of
 * the disk: the transaction is given up, and the next one meets it. */
void env_write_begin(void);
int env_write_result(int rc);
/* What an LMDB failure means. Shortages, MDB_MAP_FULL among them: RESOURCE_EXHAUSTED; damage:
 * DATA_LOSS (R3); MDB_PANIC: INTERNAL, the process must end. `what` was being done. */
enum candor_code env_failed(int rc, const char *dir, const char *what, struct candor_error *err);

extern const struct slice members_key; /* in TABLE_META */
enum candor_code position_read(const struct env *env, MDB_txn *txn, struct state_position *out,
                               struct candor_error *err); /* all zero when there is none */
/* Likewise without cluster_id, members and keys: what a view needs. */
enum candor_code position_read_applied(const struct env *env, MDB_txn *txn,
                                       struct state_position *out, struct candor_error *err);
int members_read(const struct env *env, MDB_txn *txn, struct state_position *out);
int keys_count(const struct env *env, MDB_txn *txn, uint64_t *out);
int position_write(const struct env *env, MDB_txn *txn, const struct state_position *position);

void put_chain(struct buffer *out, struct chain chain);
struct chain read_chain(struct reader *reader);
void members_encode(struct buffer *out, uint64_t cluster_id, const struct members *members);

void env_be32(uint8_t out[4], uint32_t value);
void env_be64(uint8_t out[8], uint64_t value);
uint64_t env_from_be64(const void *bytes);
void undo_key(uint8_t out[UNDO_KEY_BYTES], uint64_t seq, uint32_t index);
uint64_t undo_key_seq(const MDB_val *key);

static inline MDB_val val_of(struct slice s)
{
    return (MDB_val){s.length, (void *)(uintptr_t)s.bytes};
}
static inline struct slice slice_of_val(const MDB_val *v)
{
    return slice_of(v->mv_data, v->mv_size);
}

/* ---- item.c ---------------------------------------------------------------------------------- */

/* Where a key stands among those that end: until when, and which operation said so. */
struct item_end {
    uint64_t until_ms; /* 0: it does not end */
    uint64_t seq;
    uint32_t op; /* of the record: which */
};

/* What stands before a key's value. */
struct item_head {
    uint64_t mod_seq;
    uint64_t version;
    struct item_end end;
};

/* False: it is too short to be one. */
bool item_read(struct slice stored, struct item_head *head, struct slice *value);
/* Into `out`; returns its length. */
size_t item_write_head(uint8_t out[ITEM_HEADER_BYTES + ITEM_END_BYTES],
                       const struct item_head *head);

/* ---- ends.c ---------------------------------------------------------------------------------- */

/* What a record's operations have done to the ends of keys, in order. */
struct end_moves {
    struct end_move {
        struct slice key; /* of the record */
        struct item_end from;
        struct item_end to;
    } * list;
    uint32_t count;
    uint32_t capacity;
};

struct change;
void ends_note(struct change *change, struct slice key, struct item_end from, struct item_end to);
/* After the operations: the pre-images of theirs come first (archive.c). */
int ends_apply(struct change *change);
/* Up to `most` keys that end before `log_ms`, the first first; good up to the next change.
 * `*next_ms`: when the first of the rest ends; 0: there is none. */
int ends_due(struct change *change, uint64_t log_ms, struct slice *keys, uint32_t most,
             uint32_t *count, uint64_t *next_ms);

/* ---- change.c -------------------------------------------------------------------------------- */

/* A transaction of the writer under way. */
struct change {
    struct state *state;
    struct env *env;
    MDB_txn *txn;
    struct state_position position; /* as it will be */
    uint64_t commit;
    uint64_t seq;   /* of the record being applied */
    uint32_t index; /* of its next pre-image */
    uint32_t kept;  /* pre-images made */
    /* room.c */
    uint64_t added_bytes; /* what was let in */
    uint64_t free_bytes;  /* of pages to be used again, where `free_known` */
    bool free_known;
    /* opened when needed; LMDB closes them with the transaction */
    MDB_cursor *cursors[TABLE_COUNT];
    struct buffer image;
    struct buffer grown;
    struct end_moves ends; /* of the record being applied */
};

enum candor_code change_begin(struct change *change, struct state *state, uint64_t commit,
                              struct candor_error *err);
void change_abort(struct change *change);
/* Notes the position and commits; or aborts when `rc` is an error of LMDB's. */
enum candor_code change_end(struct change *change, int rc, const char *what,
                            struct candor_error *err);
/* Drops what commit has made final before. */
enum candor_code change_end_applied(struct change *change, int rc, struct candor_error *err);

/* The functions below return LMDB's codes. A value is head and tail, one behind the other. `old` is
 * what change_get() gave just before, NULL when it found nothing; a pointer into a table is good up
 * to the next change. */
int change_get(struct change *change, enum table table, struct slice key, MDB_val *out);
int change_put(struct change *change, enum table table, struct slice key, struct slice head,
               struct slice tail);
int change_put_over(struct change *change, enum table table, struct slice key, const MDB_val *old,
                    struct slice head, struct slice tail);
/* Replaces the old value's head by one as long, and adds `more` at its end; the pre-image is the
 * old head alone. */
int change_grow(struct change *change, enum table table, struct slice key, const MDB_val *old,
                struct slice head, struct slice more);
/* Without a pre-image; the digest follows. Each of them is told of what goes before it goes. */
int change_put_counted(struct change *change, enum table table, struct slice key, struct slice head,
                       struct slice tail);
void change_count_gone(struct change *change, enum table table, struct slice key,
                       const MDB_val *old);
/* For who changes a table through a cursor: keeps the pre-image, before the old value is gone;
 * before or after a key was added. */
int change_keep(struct change *change, enum table table, struct slice key, const MDB_val *old);
int change_keep_absent(struct change *change, enum table table, struct slice key);
/* After a record was applied: its pre-images hold the chain before it, even where it changed
 * nothing. */
int change_keep_chain(struct change *change);
int change_cursor(struct change *change, enum table table, MDB_cursor **out);
int change_delete(struct change *change, enum table table, struct slice key);
int change_delete_over(struct change *change, enum table table, struct slice key,
                       const MDB_val *old);

enum image_kind { IMAGE_ABSENT, IMAGE_WHOLE, IMAGE_HEAD, IMAGE_NOTHING };

/* A pre-image, decoded. */
struct image {
    enum table table;
    enum image_kind kind;
    bool first; /* of its record: chain and time at the record before follow */
    struct chain before;
    uint64_t log_ms;
    struct slice key;
    uint32_t length; /* HEAD: of the old value */
    struct slice value;
};

bool image_decode(struct slice bytes, struct image *out);

/* ---- room.c ---------------------------------------------------------------------------------- */

/* Blocks ahead of the data file's end, as long as the disk has them. */
void room_keep(struct env *env);
/* Before mdb_env_open(). */
enum candor_code room_for_lock_file(const char *dir, uint64_t readers, struct candor_error *err);
/* Whether `bytes` more may be stored without touching what is kept for deletes. RESOURCE_EXHAUSTED
 * / STATE_FULL or DISK_FULL: not. */
enum candor_code room_for(struct change *change, uint64_t bytes, struct candor_error *err);
/* Near the end of either: few operations a transaction, so that one that does not fit takes no
 * others with it. */
bool room_is_scarce(const struct change *change);

/* ---- undo.c ---------------------------------------------------------------------------------- */

/* Drops at most `most` pre-images of records at or below `commit`. */
int undo_drop(const struct env *env, MDB_txn *txn, uint64_t commit, uint32_t most);

/* ---- apply.c --------------------------------------------------------------------------------- */

int apply_record(struct change *change, const struct record *record);

/* ---- history.c ------------------------------------------------------------------------------- */

int history_append(struct change *change, const struct epoch_start *start);
int history_read(const struct env *env, MDB_txn *txn, struct epoch_history *out);
/* The epoch of the record at `seq`; none before all. */
int history_at(const struct env *env, MDB_txn *txn, uint64_t seq, struct candor_epoch *out);

/* ---- requests.c ------------------------------------------------------------------------------ */

int requests_note(struct change *change, const struct record *record);
/* By a cursor of `requests` in that transaction. The results lie in the table or in `joined`. */
int requests_find(const struct env *env, MDB_txn *txn, MDB_cursor *cursor,
                  const struct request_id *id, struct state_request *out, struct buffer *joined,
                  enum state_request_standing *standing);

/* ---- verify.c -------------------------------------------------------------------------------- */

/* Of all entries, each compared with its check. */
int digest_tables(const struct env *env, MDB_txn *txn, struct state_digest *out);

/* ---- view.c ---------------------------------------------------------------------------------- */

/* MDB_CORRUPTED: it is no item. */
int item_decode(struct slice key, const MDB_val *value, struct state_item *out);

/* ---- files.c --------------------------------------------------------------------------------- */

/* Makes `from` stand at `to` by one rename, and removes what stood there; durable. `from` is gone
 * afterwards. `parent` is the directory of both, open already: once the names are exchanged nothing
 * may fail for want of a descriptor. */
enum candor_code files_swap_dir(int parent, const char *from, const char *to,
                                struct candor_error *err);
/* With the data and lock files in it; quiet when there is none. */
void files_remove_dir(const char *path);

/* A seal stands beside a checkpoint's data file, is written behind it, and says what the file must
 * be and what it stands at: so a checkpoint that has a seal is whole, bit rot in it does not become
 * the state, and nobody needs to map it to know what it is. */
#define SEAL_NAME "seal"
struct file_seal {
    uint64_t bytes;
    uint64_t digest; /* XXH3 */
    struct candor_pos applied;
    uint64_t rewinds;
};
enum candor_code files_measure(const char *path, struct file_seal *out, struct candor_error *err);
/* Syncs the directory's data file, its seal and itself. */
enum candor_code files_seal_dir(const char *dir, const struct state_position *position,
                                struct candor_error *err);
/* NOT_FOUND: there is none. DATA_LOSS: it does not decode. */
enum candor_code files_read_seal(const char *dir, struct file_seal *out, struct candor_error *err);

/* ---- checkpoint.c ---------------------------------------------------------------------------- */

/* A snapshot's checkpoint, from before it is swapped in until after (incoming.c). */
#define INSTALL_NAME "checkpoint.install"
/* Makes what stands in `fresh` the checkpoint. `state_dir_fd`: the state's directory. */
enum candor_code checkpoint_adopt(int state_dir_fd, const char *state_dir, const char *fresh,
                                  struct candor_error *err);
/* Ends an install that a crash has cut: its checkpoint is taken if the state is its snapshot, else
 * dropped. */
enum candor_code checkpoint_settle(struct state *state, struct candor_error *err);

/* Reads every entry of the environment in `dir`: DATA_LOSS when one is not what was put there, or
 * when they are not those that its position tells of. */
enum candor_code peek_verify(const char *dir, struct candor_error *err);
/* What the environment in `dir` stands at, read without locks. */
enum candor_code peek_position(const char *dir, struct state_position *out,
                               struct epoch_history *history, struct candor_error *err);

/* state.c: after a commit of the writer */
void state_publish(struct state *state, const struct state_position *position);

#endif
