/* The storage simulator: the random life of ONE node's real disk, from one number (docs/protocol.md
 * §13).
 *
 * The code under test is kvd's: src/log, src/state, src/eval, and the writer of src/node, which is
 * given the works that the core would give it, without threads. Each life is a process of its own,
 * so that a crash is a real one: it ends before some system call, or in the middle of a write. What
 * must be on the disk is known to a model in memory that outlives it.
 *
 *   main.c       options, seeds, the mutation gate
 *   seed.c       one seed: lives, what comes between them, the end
 *   life.c       one life: open, do things, die
 *   works.c      the things: works of the writer, and what they must answer
 *   requests.c   clients: operations, and requests that are tried again
 *   model.c      the log that must be there, and the state that follows from it
 *   check.c      the disk against the model
 *   archives.c   archives against the model (I15)
 *   crash.c      system calls that a life ends at; what a lost machine takes along
 *   rot.c        flipped bytes
 *   mutations.c  rules that are left out, at link time: the code under test has no switch
 *
 * One thread. What outlives a process lies in memory that all of a seed's processes share. */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/types.h"
#include "log/log.h"
#include "node/shared/node_state.h"
#include "node/store/work.h"
#include "node/store/write.h"
#include "node/store/writer.h"
#include "node/store/writer_state.h"
#include "record/batch.h"
#include "state/archive.h"
#include "state/state.h"
#include "topology/topology.h"

enum {
    KEYS = 10,
    NUMBER_KEYS = 4, /* the first: their values are numbers */
    CLIENTS = 3,
    PARTS = 3,      /* operations of a Batch */
    RECORDS = 640,  /* of one log */
    GROUP = 8,      /* writes given at once */
    UNSYNCED = 256, /* places written since the last sync, remembered */
    ARENA_BYTES = 8 << 20,
    TEXT_BYTES = 512,
};

/* How a life ends. */
enum { EXIT_LIVED = 0, EXIT_CRASHED = 40, EXIT_VIOLATION = 41, EXIT_INTEGRITY = 42 };

/* ---- The model ------------------------------------------------------------------------------- */

struct kept {             /* one record that must be in the log */
    struct record record; /* its slices are in the arena */
    uint64_t hash;
    uint64_t append_first; /* where the append began that stored it */
    struct chain chain;
};

struct branch {
    uint64_t last;
    struct kept records[RECORDS]; /* of seq 1..last, also where the log was trimmed */
};

struct model_item {
    bool there;
    struct slice value;
    uint64_t mod_seq;
    uint64_t version;
    uint64_t until_ms; /* R69; 0: it does not end */
    uint64_t end_seq;  /* which record said so, and which of its operations */
    uint32_t end_op;
};

struct model_request { /* R46 */
    struct request_id id;
    uint64_t digest; /* of what it asked for */
    uint64_t first_seq;
    uint64_t last_seq;
    uint32_t parts;
    struct slice results[PARTS];
};

struct model_state {
    struct model_item items[KEYS];
    struct model_request requests[RECORDS];
    uint32_t request_count;
    uint64_t log_ms; /* the latest time of the log */
};

/* ---- Clients --------------------------------------------------------------------------------- */

struct operation {
    enum eval_kind kind;
    uint32_t key;
    uint32_t other_key; /* TXN */
    struct slice value;
    int64_t delta;
    uint64_t expected; /* CAS: mod_seq */
    bool exists;       /* TXN */
    uint64_t ttl_ms;   /* PUT, CAS, EXPIRE, and the put of a TXN */
};

struct client {
    struct request_id id; /* of the newest request */
    uint32_t count;
    struct operation operations[PARTS];
    bool unanswered; /* it is tried again */
};

/* ---- One seed -------------------------------------------------------------------------------- */

/* What was given to the disk and not answered: after a crash it may have happened. */
enum pending { PENDING_NONE, PENDING_RECORDS, PENDING_TRUNCATE, PENDING_INSTALL };

/* What is full while a work is done. */
enum room { ROOM, LOG_FULL, STATE_FULL };

struct unsynced {
    char path[160];
    uint64_t from;
    uint64_t to;
};

struct options {
    uint64_t from;
    uint64_t seeds;
    uint32_t mutation;
    bool trace;
    bool keep_going;
};

struct world {
    struct options options;
    uint64_t seed;
    struct rng rng;
    char dir[128];
    char data[160];
    uint64_t segment_bytes;
    uint64_t retention_bytes;
    uint32_t voters;
    struct branch log;   /* what is on the disk */
    struct branch other; /* INSTALL: what may be instead */
    enum pending pending;
    uint64_t pending_seq; /* TRUNCATE: to; INSTALL: the last common one */
    uint64_t log_first;   /* when it was given */
    uint64_t undo_floor;  /* likewise */
    uint64_t term;
    uint64_t log_ms; /* as the core reckons it (R69) */
    uint64_t floor;  /* the known commit, as far as it was saved */
    struct client clients[CLIENTS];
    uint64_t lives;
    uint64_t steps;
    uint64_t crash_in; /* system calls from now; 0: never */
    uint64_t fail_in;  /* likewise syncs: that one fails */
    bool failed;       /* it did: the node must stop (R3) */
    enum room room;
    bool short_of_room; /* of the works that were answered last */
    bool withdrawn;     /* what the primary has published it could not store (R68) */
    struct unsynced unsynced[UNSYNCED];
    uint32_t unsynced_count;
    bool clean;        /* the last life said goodbye */
    bool rotten;       /* a byte was flipped: the integrity error is an answer */
    uint64_t sound_to; /* rotten: up to here all must be right, or the error be told */
    char violation[TEXT_BYTES];
    char integrity[TEXT_BYTES];
    size_t arena_used;
    uint8_t arena[ARENA_BYTES];
};

extern struct world *world;

/* seed.c */
bool run_seed(uint64_t seed); /* false: world->violation says what is wrong */
bool chance(uint32_t percent);
uint64_t between(uint64_t low, uint64_t high); /* both included */
void *arena_take(size_t bytes);
struct slice arena_copy(struct slice bytes);
__attribute__((format(printf, 2, 3))) _Noreturn void violate(const char *invariant,
                                                             const char *format, ...);
/* Of the parent: ends the seed. */
__attribute__((format(printf, 1, 2))) void note_violation(const char *format, ...);
#define TRACE(...)                                                                                 \
    do {                                                                                           \
        if (world->options.trace) {                                                                \
            printf(__VA_ARGS__);                                                                   \
            fflush(stdout);                                                                        \
        }                                                                                          \
    } while (0)

/* life.c */
_Noreturn void live(bool last);
_Noreturn void live_with_rot(void);
_Noreturn void end_with_integrity(const struct candor_error *err);

/* works.c */
void work_writes(struct node *node);
void work_expire(struct node *node); /* keys whose time is over (R69) */
void work_lead(struct node *node);   /* EPOCH_START of an own epoch */
void work_members(struct node *node);
void work_follow(struct node *node); /* records of another's epoch, as a replica takes them */
void work_commit(struct node *node);
void work_truncate(struct node *node);
void work_install(struct node *node);
void work_checkpoint(struct node *node);
struct candor_epoch tail_epoch(const struct branch *log);
bool leads(const char *owner); /* the log ends in its epoch, and no newer one is known */
void members_of(struct members *out);

/* requests.c */
uint64_t client_digest(const struct client *client); /* of its newest request's content */
/* with a request to be tried: a new one, or one that was not answered */
struct client *client_next(void);
void operation_fill(const struct operation *operation, struct eval_op *out,
                    struct eval_compare *compare, struct eval_step steps[2]);
/* What the operation does to the model's state, as the model sees it: at most 2. */
uint32_t operation_effects(const struct model_state *state, const struct operation *operation,
                           uint64_t log_ms, struct record_op out[2]);
struct slice key_name(uint32_t key);
uint32_t key_index(struct slice name);

/* model.c */
uint64_t record_hash(const struct record *record);
void model_append(struct branch *log, const struct record *record, uint64_t append_first);
void model_apply(struct model_state *state, const struct record *record);
void model_apply_op(struct model_item *item, const struct record_op *op, uint64_t seq,
                    uint32_t index);
void model_replay(const struct branch *log, uint64_t upto, struct model_state *out);
const struct model_request *model_request(const struct model_state *state,
                                          const struct request_id *id);
/* The keys whose time is over, the first to end first. */
uint32_t model_due(const struct model_state *state, uint64_t log_ms, struct record_op out[KEYS]);
/* When the first key ends; 0: none does. */
uint64_t model_next_end(const struct model_state *state);
uint64_t model_newest(const struct model_state *state, const struct request_id *id);
struct chain model_chain(const struct branch *log, uint64_t seq);
/* Appends the log's first `last` records, each as a batch of its own. */
void model_encode(const struct branch *log, struct buffer *out);

/* check.c */
void check_log(struct node *node);
void check_state(struct node *node);
void check_replayed(struct node *node); /* against a state made anew from the log */

/* archives.c */
void check_archived(struct node *node, const struct branch *log, uint64_t to, uint64_t log_first,
                    uint64_t undo_floor);

/* crash.c */
void crash_lose_machine(void);
void crash_forget_unsynced(void);

/* rot.c */
bool rot_flip(void); /* false: there was nothing to flip */

/* mutations.c */
enum mutation {
    MUTATION_NONE,
#define MUTATION(id, name, rules, text) MUTATION_##id,
#include "mutations.def"
#undef MUTATION
    MUTATION_COUNT,
};
const char *mutation_name(uint32_t mutation);
void mutations_list(FILE *to); /* a line each: name, rules, what then happens */
bool mutated(enum mutation mutation);

#endif
