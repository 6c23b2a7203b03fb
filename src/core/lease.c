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
#include "core/lease.h"

uint64_t lease_promise_ns(const struct core *core)
{
    return core->config.leases ? core->config.election_timeout_ns : 0;
}

uint64_t lease_promised_until_ns(const struct core *core)
{
    if (!core->config.leases || mutated(core, LEASE_PROMISE_BROKEN))
        return 0;
    uint64_t since_ns = mutated(core, LEASE_FORGOTTEN)
                            ? core->hearing.promised_ns
                            : max_u64(core->hearing.promised_ns, core->born_ns);
    return since_ns == 0 ? 0 : since_ns + core->config.election_timeout_ns;
}

bool lease_bars(const struct core *core, struct candor_node_id candidate)
{
    return core->now_ns < lease_promised_until_ns(core) &&
           !node_id_equal(core->hearing.promised_to, candidate);
}

void lease_promise(struct core *core)
{
    core->hearing.promised_ns = core->now_ns;
    core->hearing.promised_to = core->epoch.owner;
}

bool lease_holds(const struct core *core)
{
    if (!core->config.leases || core->phase != PHASE_PRIMARY || core->lead.leased_ns == 0)
        return false;
    if (core->lead.lease_given_up && !mutated(core, LEASE_KEPT))
        return false;
    uint64_t age_ns = core->now_ns - core->lead.leased_ns;
    uint64_t slack_ns = 3 * drift_ns(age_ns, core->config.drift_ppm) + NS_PER_MS;
    return age_ns + slack_ns < core->config.election_timeout_ns || mutated(core, LEASE_UNENDING);
}
