/* A lane is one process of the history: one operation at a time, drawn from its own numbers. What
 * it does between two operations is here; how its operations reach the library is main.c's.
 *
 * Threads: each lane is one thread's at a time. */
#ifndef LIBRARY_CLIENTS_LANE_H
#define LIBRARY_CLIENTS_LANE_H

#include "base/rng.h"

#include "history.h"

/* What all lanes know. */
struct world {
    struct history *history;
    uint64_t
        started_ns; /* of the run: its eras are those of the other clients (chaos_clients.py) */
    uint64_t seed;
};

enum lane_kind {
    LANE_REGISTER, /* MAJORITY and ALL writes, LINEARIZABLE reads */
    LANE_SWAPPER,  /* compare-and-swap against what was seen last */
    LANE_COUNTER,  /* increments */
    LANE_LOCAL,    /* LOCAL writes */
    LANE_READER,   /* EVENTUAL and BOUNDED reads */
    LANE_WATCHER,  /* a session that reads only, with a token of its own */
    LANE_SESSION,  /* a session of a client of its own, that writes LOCAL as well */
    LANE_KINDS,
};

struct lane {
    const struct world *world;
    struct candor_client *client; /* not owned */
    char name[TEXT_BYTES];
    enum lane_kind kind;
    const char *keys; /* between a key's era and its number: "" where others use it, too */
    unsigned first_key;
    unsigned key_count;
    uint32_t deadline_ms;
    struct rng rng;
    uint64_t begun; /* operations */
    bool busy;      /* one is in flight */
    uint64_t due_ns;

    struct operation operation; /* the newest */
    char seen_key[TEXT_BYTES];  /* swapper */
    bool seen;
    char seen_value[TEXT_BYTES];
    struct candor_token token; /* watcher */
    unsigned sessions;
    unsigned left; /* operations of the present one */
    char session[TEXT_BYTES];
};

/* The rest of `lane` is filled in before. */
void lane_init(struct lane *lane, const struct world *world, const char *name);
/* Draws the next operation into lane->operation, with its time. */
void lane_next(struct lane *lane);
/* Writes down what became of it, and learns from it. The result stays the caller's. */
void lane_complete(struct lane *lane, const struct candor_result *result);
/* From 0 to below `limit`. */
uint64_t lane_draw(struct lane *lane, uint64_t limit);

#endif
