/* What a core is told at its birth: how it is configured, what its disk said, what is known of the
 * others' lives. Plain data. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "base/seq_bits.h"
#include "base/types.h"

struct core_config {
    struct candor_node_id self;
    uint64_t config_hash; /* messages with another one are dropped */
    /* as in the topology, store ids 0: what a founded cluster begins with */
    struct members configured;
    struct candor_node_id initial_primary; /* founds the cluster when all are blank */
    char rpc[LIMIT_ADDRESS_BYTES];         /* where clients reach this node */
    bool automatic_failover;               /* R22; else R27: manual, no timers */
    uint64_t heartbeat_interval_ns;
    uint64_t stale_after_ns;
    uint64_t reject_after_ns;     /* 0: never */
    uint64_t election_timeout_ns; /* T of R22, R23, R25 */
    uint64_t writer_stall_ns;     /* R6 */
    uint64_t max_lag;             /* records; beyond it a replica is SYNCING; 0: no limit */
    uint64_t max_uncommitted;     /* records (R20) */
    uint64_t drift_ppm;           /* R36 */
    bool leases;                  /* R30 */
    uint64_t seed;                /* of back-off jitter and election timeouts */
    uint64_t new_cluster_id;      /* random: becomes the cluster's when this node founds it */
#ifdef CORE_MUTABLE
    uint32_t mutation; /* the rule to leave out, enum core_mutation; 0: none */
#endif
};

/* What is known of one life of a node (R62): its process, from one start to its end, on one
 * disk. */
struct core_life {
    struct candor_node_id node;
    uint64_t store_id; /* 0: nothing is known */
    uint64_t boot;
    /* the newest that it declared committed, or acknowledged; seq 0: nothing */
    struct candor_pos held;
};

/* Of the node that asks. */
struct core_life_answer {
    bool ok; /* false: not to a node of another cluster */
    /* the newest on the disk that it names that spoke for an election timeout; store_id 0: none */
    struct core_life lasted;
    struct core_life newest; /* heard last, of whichever disk, however short; store_id 0: none */
    bool speaks;             /* `newest` was heard just now */
};

struct core_lives {
    uint32_t count;
    struct core_life list[LIMIT_NODES];
};

/* What the disk said, after the log was replayed into the state: last == durable == applied. */
struct core_boot {
    uint64_t cluster_id; /* 0: blank */
    uint64_t store_id;
    uint64_t boot;             /* already counted up, durably */
    struct candor_epoch epoch; /* of the hard state; no lower than that of `last` */
    bool forked;               /* of the hard state */
    uint64_t last;
    uint64_t log_first;
    uint64_t commit; /* known commit: max(hard state, undo floor) */
    uint64_t rewinds;
    struct state_digest digest; /* of the state at `last` */
    struct chain chain;         /* of the log at `last` */
    uint64_t log_ms;            /* the time of the log at `last` (R69) */
    const struct epoch_history *history;
    const struct members *members; /* as of last; count 0 before the first EPOCH_START */
    const struct seq_bits *local;  /* records above commit that say LOCAL (R42) */
    /* What this node had kept of the others' lives (KEEP_LIVES); NULL: nothing. */
    const struct core_lives *lives;
    /* The machine went down, with a durability that may lose the newest records. */
    bool tail_may_lack;
};

/* ---- Mutations: one rule left out, for the tests that show its absence is noticed ------------ */

#ifdef CORE_MUTABLE /* the simulator's build; what nodes run has no way to leave a rule out */
enum core_mutation {
    CORE_MUTATION_NONE = 0,
#define MUTATION(id, name, rules, text) CORE_MUTATION_##id,
#include "core/mutations.def"
#undef MUTATION
    CORE_MUTATION_COUNT,
};
#endif

#endif
