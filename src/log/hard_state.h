/* Hard state (R2): what a node promised and who it is. Its own small file, never inside what a
 * snapshot replaces or a checkpoint copies. Written whole into the one of two files that does not
 * count, which then takes the other's name: a vote, and the boot that a start counts, need no room
 * on a full disk.
 *
 * Threads: the writer thread saves; load before threads start. */
#ifndef LOG_HARD_STATE_H
#define LOG_HARD_STATE_H

#include <candor/status.h>

#include "base/clock.h"
#include "base/types.h"

struct hard_state {
    struct candor_node_id node; /* whose directory it is (R61) */
    /* The cluster's name in the topology, as `node` a string of the same shape. */
    struct candor_node_id cluster_name;
    uint64_t cluster_id; /* 0: belongs to no cluster yet */
    uint64_t store_id;   /* drawn when the directory was made */
    uint64_t boot;       /* of its newest start (base/types.h) */
    /* highest epoch adopted or voted for: a vote is for its owner (R23) */
    struct candor_epoch epoch;
    uint64_t known_commit; /* a lower bound */
    bool forked;           /* it serves nothing until it has joined a primary's history (R28) */
    bool clean_shutdown;   /* false while running */
    uint64_t end_seq;      /* newest record of the log at a clean shutdown (R65); 0 while running */
    /* The machine's boot when it was written; "" when it was not known. It tells a crash from a
     * reboot (docs/architecture.md). */
    char os_boot_id[CLOCK_BOOT_ID_BYTES];
};

/* Reads `dir/hard_state`. NOT_FOUND when there is none; CANDOR_DATA_LOSS when it fails its
 * checksum. */
enum candor_code hard_state_load(const char *dir, struct hard_state *out, struct candor_error *err);
/* Durable when it returns OK. CANDOR_DATA_LOSS on a failed fsync: stop (R3). */
enum candor_code hard_state_save(const char *dir, const struct hard_state *state,
                                 struct candor_error *err);

#endif
