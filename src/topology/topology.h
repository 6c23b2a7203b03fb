/* A cluster as its YAML file describes it. docs/topology.md is the reference; the table in
 * topology.c the truth.
 *
 *   cluster: shop                    # name; nodes of another name are foreign
 *   failover: manual                 # manual | automatic
 *   initial_primary: a               # founds the cluster; a voter
 *   heartbeat_interval: 100ms        # R9
 *   stale_after: 1s                  # FRESH up to here (docs/consistency.md)
 *   reject_after: never              # EXPIRED from here on
 *   election_timeout: 1500ms         # R10, R22
 *   writer_stall: 1500ms             # R6; default: election_timeout, at least 1s
 *   max_lag: 10000                   # records behind before a replica says SYNCING; 0: no limit
 *   durability: always               # always | interval | os
 *   sync_interval: 100ms             # for `interval`
 *   clock_drift_ppm: 200             # R36
 *   leases: off                      # R30
 *   limits: {value: 1MiB, message: 4MiB, max_uncommitted: 1000000, state: 16GiB}
 *   retention: {log: 1GiB}           # log kept for replicas that are away
 *   nodes:
 *     - id: a
 *       rpc: tcp://127.0.0.1:7000         # clients and operators
 *       peer: tcp://127.0.0.1:7003        # other nodes; default: rpc's port + 3
 *       stream: tcp://127.0.0.1:7001
 *       heartbeat: tcp://127.0.0.1:7002   # default: the stream's port + 1
 *       data: /var/lib/candor/a           # relative: to the topology file
 *       role: voter                       # voter | reader
 *       zone: east                        # optional
 *       durability: os                    # optional: overrides the cluster's
 *
 * Addresses are those of base/address.h.
 *
 * Threads: load before threads start; read-only afterwards, any thread. */
#ifndef TOPOLOGY_TOPOLOGY_H
#define TOPOLOGY_TOPOLOGY_H

#include <stdio.h>

#include <candor/status.h>

#include "base/types.h"

enum topology_durability { TOPOLOGY_ALWAYS, TOPOLOGY_INTERVAL, TOPOLOGY_OS };

struct topology_node {
    struct candor_node_id id;
    char rpc[LIMIT_ADDRESS_BYTES];
    char peer[LIMIT_ADDRESS_BYTES];
    char stream[LIMIT_ADDRESS_BYTES];
    char heartbeat[LIMIT_ADDRESS_BYTES];
    char data[LIMIT_PATH_BYTES];    /* absolute */
    char zone[LIMIT_NODE_ID_BYTES]; /* "" when not given */
    bool voter;
    enum topology_durability durability;
};

struct topology {
    char cluster[LIMIT_NODE_ID_BYTES];
    bool automatic_failover;
    struct candor_node_id initial_primary;
    uint64_t heartbeat_interval_ms;
    uint64_t stale_after_ms;
    uint64_t reject_after_ms;   /* 0: never */
    uint64_t scrub_interval_ms; /* 0: never */
    uint64_t election_timeout_ms;
    uint64_t writer_stall_ms;
    uint64_t max_lag;
    enum topology_durability durability; /* of nodes that do not say; each node holds its own */
    uint64_t sync_interval_ms;
    uint64_t clock_drift_ppm;
    bool leases;
    uint64_t limit_value_bytes;
    uint64_t limit_message_bytes;
    uint64_t max_uncommitted;
    uint64_t state_bytes;
    uint64_t retention_log_bytes;
    uint32_t node_count;
    struct topology_node nodes[LIMIT_NODES];
};

/* One thing wrong with a file. line and column count from 1; 0 when about the file as a whole. */
struct topology_problem {
    bool warning; /* the topology can still be used */
    uint32_t line;
    uint32_t column;
    char what[256]; /* "unknown key 'hartbeat_interval'" */
    char hint[256]; /* "did you mean 'heartbeat_interval'?" */
};

struct topology_problems {
    struct topology_problem *list; /* by line, then column */
    size_t count;
};

/* Reads and checks everything, and reports every problem at once. INVALID_ARGUMENT when one is not
 * a warning (`out` is then unusable); NOT_FOUND when there is no such file. The caller frees
 * `problems`. */
enum candor_code topology_load(const char *path, struct topology *out,
                               struct topology_problems *problems, struct candor_error *err);
/* As topology_load, of bytes in memory; relative data paths are relative to `folder`, an absolute
 * path. */
enum candor_code topology_parse(const char *bytes, size_t length, const char *folder,
                                struct topology *out, struct topology_problems *problems,
                                struct candor_error *err);
void topology_problems_free(struct topology_problems *problems);
/* `file:line:column: error: what; hint` (or `warning:`), a line each; without line and column when
 * they are 0. */
void topology_problems_print(const struct topology_problems *problems, const char *path, FILE *to);

const struct topology_node *topology_find(const struct topology *topology,
                                          struct candor_node_id id);
/* The members as configured, store ids 0. */
void topology_members(const struct topology *topology, struct members *out);
/* Of the cluster's name: nodes with another one are foreign (docs/protocol.md §3). Never 0. */
uint64_t topology_hash(const struct topology *topology);
/* Writes a complete YAML file that loads as the same topology. */
void topology_write(const struct topology *topology, FILE *to);
/* A picture for people: zones as boxes, their nodes, who begins as primary, what the timings mean.
 * UTF-8. */
void topology_draw(const struct topology *topology, FILE *to);
/* Every key with its type, default, range and meaning, as Markdown: the second half of
 * docs/topology.md. */
void topology_reference(FILE *to);

#endif
