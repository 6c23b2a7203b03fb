/* State: the keys and values, applied from the log, in LMDB with MDB_NOSYNC (docs/architecture.md).
 *
 * applied, epoch history and members stand in the same transaction as the data, so a killed process
 * finds them agreeing. After a reboot without a clean shutdown the caller calls state_rebuild()
 * before state_open().
 *
 * Files below `dir`: `current/` (the LMDB environment), `checkpoint/` (newest checkpoint),
 * `incoming/` (a snapshot while it arrives).
 *
 * Threads: one writer thread calls everything marked (writer); any thread reads through a
 * state_view. Readers never block the writer nor each other, except for the moment in which an
 * installed snapshot is swapped in. Ownership: state_open() gives what the caller must
 * state_close() after the last state_view_end(). Errors: CANDOR_DATA_LOSS: LMDB found itself
 * damaged; stop (R3). RESOURCE_EXHAUSTED: the map or disk is full; the transaction had no
 * effect. */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include <candor/status.h>

#include "base/types.h"
#include "record/batch.h"

struct state;

struct state_options {
    const char *dir;
    /* What may be stored; 0: LIMIT_STATE_BYTES_DEFAULT. LIMIT_STATE_RESERVE_BYTES more are kept for
     * what frees room, and for what a primary with more room has stored already. */
    uint64_t map_bytes;
};

/* The next state_open() reads everything and compares it with its checks. Any thread. */
void state_mark_suspect(const char *dir);

enum candor_code state_open(const struct state_options *options, struct state **out,
                            struct candor_error *err);
void state_close(struct state *state);

/* What the data stand at; all of one transaction. */
struct state_position {
    struct candor_pos applied;
    struct chain chain;  /* of the log, at `applied`: what is applied next must follow it (R55) */
    uint64_t cluster_id; /* of the newest EPOCH_START or MEMBERS; 0 before */
    uint64_t undo_floor; /* records at or below it can no longer be undone: they were committed */
    /* counts undos and installs: two equal numbers mean no record was taken back between */
    uint64_t rewinds;
    uint64_t keys;
    struct members members;     /* as of applied */
    struct state_digest digest; /* of all that records have made (state/digest.h) */
    uint64_t log_ms;            /* the time of the log at `applied` (R69) */
};

/* A copy of the position. Any thread. */
void state_position(struct state *state, struct state_position *out);
struct digest_at state_digest_at(struct state *state); /* the digest alone, and where */
uint64_t state_log_ms(struct state *state);            /* likewise the log's time */
/* Likewise, read from the tables together with the epoch history (initialised by the caller).
 * DATA_LOSS: they are damaged. */
enum candor_code state_position_and_history(struct state *state, struct state_position *out,
                                            struct epoch_history *history,
                                            struct candor_error *err);

/* (writer) Applies batches (back to back, contiguous from applied + 1) in one transaction, keeps a
 * pre-image of what each record above `commit` overwrites, and drops the pre-images of those at or
 * below it. A put makes the key's mod_seq the record's seq and counts its version up from 1.
 * DATA_LOSS: a batch follows other records than those applied; nothing was applied. */
enum candor_code state_apply(struct state *state, struct slice batches, uint64_t commit,
                             struct candor_error *err);
/* (writer) Drops the pre-images up to `commit`, in bounded transactions; cheap when there is
 * nothing to do. */
enum candor_code state_commit(struct state *state, uint64_t commit, struct candor_error *err);
/* (writer) Takes back at most `most` records, newest first, until applied == to_seq (R12); sets
 * `*done` then. FAILED_PRECONDITION / FORKED when to_seq < undo_floor. */
enum candor_code state_undo(struct state *state, uint64_t to_seq, uint32_t most, bool *done,
                            struct candor_error *err);

struct state_item {
    struct slice key;
    struct slice value; /* zero-copy: valid until state_view_end(), or until its group changes */
    uint64_t mod_seq;
    uint64_t version;
    uint64_t until_ms; /* its last millisecond, by the log's time; 0: it does not end (R69) */
};

/* What is known of a request id (R46). */
enum state_request_standing {
    STATE_REQUEST_NEW,   /* it has had no effect; or its client was forgotten (LIMIT_CLIENTS) */
    STATE_REQUEST_KNOWN, /* executed */
    /* older than the client's newest LIMIT_REQUESTS_PER_CLIENT numbers: it may have been
     * executed */
    STATE_REQUEST_TOO_OLD,
};

struct state_request {
    struct candor_pos first; /* of its records; an epoch older than the history is none */
    struct candor_pos last;
    uint32_t parts;       /* operations of a Batch that are in the log; else 1 */
    uint64_t digest;      /* of what was asked for: another content is another request (R46) */
    struct slice results; /* theirs, one behind the other; valid as an item's value is */
};

/* (writer) A group: one write transaction in which operations are evaluated, each against the
 * effects of those before it. The group is given back by exactly one of commit and abort. After a
 * step that failed the others do nothing; check tells. Nobody sees anything of it before the
 * commit. */
struct state_group;
enum candor_code state_group_begin(struct state *state, uint64_t commit, struct state_group **out,
                                   struct candor_error *err);
bool state_group_get(struct state_group *group, struct slice key, struct state_item *out);
/* The latest time of the log so far (R69). */
uint64_t state_group_log_ms(const struct state_group *group);
/* Fills `keys` with up to `most` that end before `log_ms`, the first first, and returns how many;
 * they are good until the group changes. `*next_ms`: when the first of the others ends; 0: there is
 * none. */
uint32_t state_group_due(struct state_group *group, uint64_t log_ms, struct slice *keys,
                         uint32_t most, uint64_t *next_ms);
/* Whether the group may store `bytes` more. RESOURCE_EXHAUSTED, STATE_FULL or DISK_FULL: no; what
 * is left is for what frees room, which need not ask. */
enum candor_code state_group_room(struct state_group *group, uint64_t bytes,
                                  struct candor_error *err);
/* Room is scarce: the group had better be small. */
bool state_group_is_tight(const struct state_group *group);
/* Number 0 is always new. */
enum state_request_standing state_group_request(struct state_group *group,
                                                const struct request_id *id,
                                                struct state_request *out);
/* The chain at the newest record applied, which the next one follows. */
struct chain state_group_chain(const struct state_group *group);
/* As state_apply(), of one record: applied + 1. */
void state_group_apply(struct state_group *group, const struct record *record);
enum candor_code state_group_check(const struct state_group *group, struct candor_error *err);
enum candor_code state_group_commit(struct state_group *group, struct candor_error *err);
void state_group_abort(struct state_group *group);

/* Reading. A view is one LMDB read transaction: everything through it is of one moment.
 * Short-lived. */
struct state_view;

struct state_view *state_view_begin(struct state *state); /* never NULL: waits for a reader slot */
void state_view_end(struct state_view *view);
struct candor_pos state_view_applied(const struct state_view *view);
/* After reading, before anything is done with what was read. A read that fails gives nothing, and
 * nothing is read after it; this says what failed: DATA_LOSS when what is stored is not what was
 * put there. */
enum candor_code state_view_check(const struct state_view *view, struct candor_error *err);
enum state_request_standing state_view_request(struct state_view *view, const struct request_id *id,
                                               struct state_request *out);
/* The epoch history at the view's moment; the caller's is initialised. */
void state_view_history(struct state_view *view, struct epoch_history *out);
uint64_t state_view_rewinds(const struct state_view *view);

/* False when there is no such key. */
bool state_get(struct state_view *view, struct slice key, struct state_item *out);

struct state_scan {
    struct slice start; /* first key wanted in ascending order; empty: no bound */
    struct slice end;   /* first key not wanted in ascending order; empty: no bound */
    struct slice after; /* only keys beyond this one in the direction of the scan; empty: none */
    bool reverse;       /* descending over the same range [start, end) */
};

/* Calls `each` in order until it returns false or the range ends. */
void state_scan(struct state_view *view, const struct state_scan *scan,
                bool (*each)(const struct state_item *item, void *closure), void *closure);

/* Of key, value, version and mod_seq: equal at two nodes when they hold the same, from the same
 * write. */
struct state_digest state_item_hash(const struct state_item *item);

/* The digest of a view's data computed anew from every entry, each compared with its check.
 * `*kept`: as it was kept, change by change; two that differ are DATA_LOSS. Slow; any thread. */
enum candor_code state_view_digest(struct state_view *view, struct state_digest *kept,
                                   struct candor_error *err);
uint64_t state_bytes(struct state *state); /* used pages of the map */

/* Checkpoints and snapshots: a consistent copy (mdb_env_copy2, compacting), fsynced, beside the
 * state. Any one thread at a time (the snapshot thread), while the writer goes on. Replaces
 * `checkpoint/` by one rename; who has the former one's data file open may read on. */
struct state_checkpoint {
    struct candor_pos pos;
    uint64_t rewinds;
    uint64_t bytes; /* of its data file */
    /* XXH3 of the data file when it was written: bytes with another one have rotted */
    uint64_t digest;
    char path[LIMIT_PATH_BYTES]; /* the data file, to be read by offset */
};
enum candor_code state_checkpoint(struct state *state, struct state_checkpoint *out,
                                  struct candor_error *err);
/* Its two halves, so that nobody waits for a copy: the long one needs no lock; the short one is
 * called while the writer neither takes back nor replaces the state. CANCELLED: it has done so
 * since the copy was begun, and the copy is dropped. */
enum candor_code state_checkpoint_make(struct state *state, struct candor_error *err);
enum candor_code state_checkpoint_adopt(struct state *state, struct state_checkpoint *out,
                                        struct candor_error *err);
/* The newest checkpoint, NOT_FOUND when there is none, DATA_LOSS when its file is not as long as it
 * was. */
enum candor_code state_checkpoint_find(const char *state_dir, struct state_checkpoint *out,
                                       struct candor_error *err);
/* Removes the checkpoint when it is above `seq` (before the log is cut there). (writer) */
enum candor_code state_checkpoint_drop_above(struct state *state, uint64_t seq,
                                             struct candor_error *err);

/* Receiving a snapshot: the data file's bytes in order into `incoming/`, then checked, then swapped
 * in (R14). incoming_* : any one thread at a time. */
struct state_incoming;
enum candor_code state_incoming_begin(struct state *state, struct state_incoming **out,
                                      struct candor_error *err);
enum candor_code state_incoming_write(struct state_incoming *incoming, struct slice bytes,
                                      struct candor_error *err);
/* fsyncs, opens and checks it; fills what it stands at. The caller then asks the core whether it
 * may be installed. LMDB trusts its file, so the caller has compared a digest of the bytes with the
 * one that their sender named. UNAVAILABLE / MALFORMED: it is no snapshot of this format; discard
 * it. */
enum candor_code state_incoming_finish(struct state_incoming *incoming,
                                       struct state_position *position,
                                       struct epoch_history *history, struct candor_error *err);
void state_incoming_discard(struct state_incoming *incoming);
/* (writer) Makes the finished snapshot the state: durable, one rename (RENAME_EXCHANGE); rewinds
 * goes beyond what both had; its copy also becomes the checkpoint. Consumes `incoming`. A crash
 * leaves the old or the new one, whole, and the checkpoint that belongs to it. RESOURCE_EXHAUSTED,
 * FAILED_PRECONDITION: the state is the old one still, go on. Any other error: stop; the next start
 * finds one of the two. */
enum candor_code state_install(struct state *state, struct state_incoming *incoming,
                               struct candor_error *err);

/* Before state_open(), after a reboot: throws `current/` away and starts again from `checkpoint/`
 * (or from nothing). DATA_LOSS: the checkpoint has rotted; nothing was changed. */
enum candor_code state_rebuild(const char *state_dir, struct candor_error *err);
/* (writer) fsync of the environment: at a clean shutdown. */
enum candor_code state_sync(struct state *state, struct candor_error *err);

#endif
