/* Checkpoints: cut by a thread of their own, kept open for replicas that download one. The lock is
 * held for a few instructions, never over a read or a cut. */
#ifndef NODE_SNAPSHOT_H
#define NODE_SNAPSHOT_H

#include <stdatomic.h>

#include "base/types.h"
#include "node/shared/side_thread.h"
#include "state/state.h"

struct node;

struct snapshots {
    struct side_thread side; /* its lock is of all that is no atomic */
    bool wanted;             /* a replica waits for one */
    uint64_t least_seq;      /* where that is to stand at least */
    bool renew;              /* there is none, and the log alone does not make the state */
    bool cutting;
    _Atomic uint64_t grown_bytes; /* of the log since the newest checkpoint */
    _Atomic uint64_t newest_seq;  /* the newest checkpoint's; 0: none */
    _Atomic uint64_t rotten_seq;  /* no peer gets the log up to there: some of it has rotted */
    /* What is served: an open file, which a newer checkpoint does not take away. */
    int fd; /* -1: none */
    struct candor_pos pos;
    uint64_t bytes;
    uint64_t digest;
    char name[POS_TEXT_BYTES + 24];
    uint64_t asked_ns; /* when somebody last asked for it */
};

/* Asked between the pieces of long work: it may pause, and false ends the work. */
struct pace {
    bool (*between)(void *closure);
    void *closure;
};

struct snapshots *snapshots_new(void);
void snapshots_free(struct snapshots *snapshots);
/* When log and state are open. */
void snapshots_init(struct node *node);
enum candor_code snapshots_start(struct node *node, struct candor_error *err);
void snapshots_stop(struct node *node);

/* (snapshot thread) False: it failed, and the log says why. */
bool snapshot_cut(struct node *node, struct state_checkpoint *checkpoint);
/* Whether the newest checkpoint is what was written: DATA_LOSS when not. Any thread. */
enum candor_code snapshot_verify(struct node *node, const struct pace *pace,
                                 struct candor_error *err);
/* A fresh checkpoint takes the newest one's place, soon. Any thread. */
void snapshots_renew(struct node *node);

/* The log up to `seq` is of no use to peers any more: who needs it takes a snapshot that stands
 * there or later. False: that was known. Any thread. */
bool snapshots_instead_of_log(struct node *node, uint64_t seq);

/* (writer) */
void snapshots_note_growth(struct node *node, size_t bytes);
void snapshots_note_rewind(struct node *node);    /* the newest checkpoint may be gone */
uint64_t snapshots_trim_limit(struct node *node); /* the log is needed above it */

/* What a chunk is read from: a descriptor of its own, so that the disk is waited for without the
 * lock, which the writer takes, too. */
struct snapshot_source {
    int fd; /* -1: nothing usable is served; else the caller closes it */
    struct candor_pos pos;
    uint64_t bytes;
    uint64_t digest;
    char name[sizeof((struct snapshots *)0)->name];
};

/* Any thread: that of the name; without one, any of the epoch that reaches `least_seq`. */
struct snapshot_source snapshots_source(struct node *node, const char *name, uint64_t least_seq,
                                        struct candor_epoch epoch);
/* It could not be read: it is served no more. */
void snapshots_withdraw(struct node *node, const char *name);
/* A replica waits for one. */
void snapshots_want(struct node *node, uint64_t least_seq);

#endif
