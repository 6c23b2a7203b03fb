/* Leader leases (R30): while a majority promises to elect nobody else, the primary needs no
 * confirmation round for a linearizable read (Gray & Cheriton 1989; here renewed by heartbeats).
 *
 * The promise: a voter that answers a heartbeat votes for nobody but its sender, nor stands itself,
 * for an election timeout T after the heartbeat's arrival. It keeps it over changes of epoch, and a
 * voter that starts keeps it for T, since it does not remember whom it promised what. A transfer is
 * the primary's own wish: it gives the lease up for the rest of its epoch before it asks for one. A
 * forced promotion asks nobody: it breaks leases, as it breaks everything.
 *
 * The lease: from the sending of the newest heartbeat that a majority answered with a promise of at
 * least the primary's own T. The sending was before every arrival, so only the rates of the clocks
 * count: the lease is shorter than T by three times the bound of their drift, which is enough when
 * each clock is off by that bound in the worse direction. */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "core/state.h"

/* what a Status says; 0: no promise */
uint64_t lease_promise_ns(const struct core *core);
/* 0: nothing is promised */
uint64_t lease_promised_until_ns(const struct core *core);
/* from being elected by this node */
bool lease_bars(const struct core *core, struct candor_node_id candidate);
/* a heartbeat of this epoch has come */
void lease_promise(struct core *core);
bool lease_holds(const struct core *core);

#endif
