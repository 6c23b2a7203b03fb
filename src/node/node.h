/* A running node: the replication core with its disk, its peers and its clients around it
 * (docs/architecture.md).
 *
 *   NNG's threads    take requests up, hand them over; short reads they serve at once
 *   node thread      runs the core, performs its actions, publishes its view
 *   writer thread    owns log, state and hard state: sequencing, group commit, rollbacks
 *   snapshot thread  cuts checkpoints
 *   download thread  fetches a snapshot from the primary
 *   readers          serve reads straight from the state
 *   lenders          read log and snapshots for peers
 *   slow             archives, AtRisk: what may take a second
 *
 * No state of its own outside of struct node: several nodes run in one process. What they share is
 * the process's: the log, the watchdog, NNG's threads. Threads: node_open, node_run and node_stop
 * from one thread. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <candor/status.h>

#include "base/exit_status.h"
#include "node/shared/options.h"
#include "topology/topology.h"

struct node;

/* Makes or recovers the data directory, and binds nothing yet. `topology` must outlive the node.
 * INVALID_ARGUMENT: no such node in the topology. FAILED_PRECONDITION: the data directory is locked
 * by another process, or is another node's. PERMISSION_DENIED; RESOURCE_EXHAUSTED: no room.
 * DATA_LOSS: what is on disk contradicts itself (R3). */
enum candor_code node_open(const struct topology *topology, struct candor_node_id self,
                           const struct node_options *options, struct node **out,
                           struct candor_error *err);

/* Binds the addresses and starts the threads; when it returns OK the node serves. Waits for names
 * of its own that do not resolve yet, and for addresses in use a short time (net/own_address.h).
 * UNAVAILABLE: an address is in use. CANCELLED: options.ended said so. On error only node_stop()
 * remains. */
enum candor_code node_run(struct node *node, struct candor_error *err);

/* Finishes what is under way (UNAVAILABLE / SHUTTING_DOWN where it cannot be), writes everything
 * out, marks the shutdown as clean, frees. */
void node_stop(struct node *node);

#endif
