/* Words that nodes and their clients share. The numbers are those of proto/candor/v1/rpc.proto.
 * Threads: any.
 *
 * How the structs of these headers grow: those that may do so end with `reserved`, from which the
 * fields of later versions are taken. So no size and no place ever changes, and a field that is all
 * zeros asks for nothing. A program begins with zeros (`= {.level = ...}`, `= {0}`, in C++ `= {}`)
 * and does not touch `reserved`; the library fills it with zeros in what it gives. A program that
 * was built for an older libcandor works with a newer one; one that sets a field that the library
 * does not know yet is refused with INVALID_ARGUMENT, never half understood. Enumerations get new
 * values at their ends: take a number that you do not know as one of its kind. */
#ifndef CANDOR_TYPES_H
#define CANDOR_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CANDOR_NODE_ID_BYTES = 32 }; /* with the terminator */

/* A node's id from the topology: zero-padded, terminated; "" is nobody. */
struct candor_node_id {
    char text[CANDOR_NODE_ID_BYTES];
};

/* A period of leadership: compared generation, then term, then owner bytewise. All zero: none. */
struct candor_epoch {
    uint64_t generation;         /* raised by a forced promotion alone */
    uint64_t term;               /* raised by every change of primary: the number to show people */
    struct candor_node_id owner; /* the primary of this epoch */
};

/* A position in the log. Equal positions of two logs mean equal logs up to them, where both have
 * the epoch from the same primary: a copied disk may have written another log in its name
 * (docs/protocol.md R55, R56). */
struct candor_pos {
    struct candor_epoch epoch;
    uint64_t seq; /* 0: before the first record */
};

/* What a session has seen (docs/protocol.md R43): a position, and in which log. */
struct candor_token {
    uint64_t cluster_id; /* 0: the token is empty */
    struct candor_pos pos;
    /* the low half of the hash chain at the first record of that epoch (R56); 0: not said */
    uint64_t origin;
};

/* How safe a write is asked to be, or has become (docs/consistency.md). */
enum candor_ack {
    CANDOR_ACK_DEFAULT = 0,  /* asked for: LOCAL */
    CANDOR_ACK_NONE = 0,     /* reached: none */
    CANDOR_ACK_LOCAL = 1,    /* durable on the primary */
    CANDOR_ACK_MAJORITY = 2, /* durable on a majority of the voters */
    CANDOR_ACK_ALL = 3,      /* durable on every voter */
};

/* What a read promises (docs/consistency.md). */
enum candor_read_level {
    CANDOR_READ_DEFAULT = 0,  /* EVENTUAL */
    CANDOR_READ_EVENTUAL = 1, /* whatever the node holds, flagged */
    CANDOR_READ_BOUNDED = 2,  /* provably no older than max_staleness_ms when the node answered */
    /* Sees at least the token's position; SESSION_LOST if it was rolled back. */
    CANDOR_READ_SESSION = 3,
    /* Sees every write acknowledged before it was sent, and nothing that can be rolled back. */
    CANDOR_READ_LINEARIZABLE = 4,
};

enum { CANDOR_RUNGS_MAX = 8 }; /* of one ladder */

/* One level of a ladder: a read that asks for several, the one wanted most first. Each promises
 * less than those above it: BOUNDED and SESSION may stand in either order, BOUNDED more than once,
 * with a longer time each time. */
struct candor_rung {
    enum candor_read_level level; /* not DEFAULT */
    /* SESSION, LINEARIZABLE: a node waits for it so long, from when it gave up those above it, and
     * no longer than the deadline. 0: half of what is left; of the last rung all. */
    uint32_t within_ms;
    uint64_t max_staleness_ms; /* BOUNDED, which needs it */
    bool allow_syncing;        /* EVENTUAL; may stand below an EVENTUAL without it */
    uint64_t reserved[3];
};

/* What a node is in its cluster. */
enum candor_role {
    CANDOR_ROLE_UNKNOWN = 0,
    CANDOR_ROLE_PRIMARY = 1,
    CANDOR_ROLE_REPLICA = 2, /* votes */
    CANDOR_ROLE_READER = 3,  /* replicates, does not vote */
};

/* What it says of its data (docs/consistency.md). */
enum candor_state {
    CANDOR_STATE_UNKNOWN = 0,
    CANDOR_STATE_FRESH = 1,   /* heard its primary and proven recent, within stale_after */
    CANDOR_STATE_STALE = 2,   /* nothing proves that the data are recent */
    CANDOR_STATE_SYNCING = 3, /* catching up: redirects */
    CANDOR_STATE_EXPIRED = 4, /* older than the operator's reject_after: refuses */
    CANDOR_STATE_FORKED = 5,  /* serves nothing until an operator has decided */
    /* Its data differ from the others' at the same position: redirects. */
    CANDOR_STATE_DOUBTFUL = 6,
};

/* Whether a node that does not hear its primary, or that its primary does not hear, knows who of
 * them is cut off: as far as other nodes' words tell. */
enum candor_cut_off {
    CANDOR_CUT_OFF_NO = 0,      /* it hears, or does not say */
    CANDOR_CUT_OFF_ME = 1,      /* no other node hears it, or it hears none */
    CANDOR_CUT_OFF_PRIMARY = 2, /* those that it hears do not hear the primary either */
    CANDOR_CUT_OFF_UNKNOWN = 3,
};

/* Static strings; of a number that is none of them, that of 0. */
const char *candor_role_name(enum candor_role role);    /* "primary" ... */
const char *candor_state_name(enum candor_state state); /* "FRESH" ... */
/* "me", "primary", "unknown"; "no" */
const char *candor_cut_off_name(enum candor_cut_off cut_off);

#ifdef __cplusplus
}
#endif

#endif
