/* A cluster and its faults, drawn from a seed. */
#include "sim.h"

/* A seed's cluster, and which of the faults it meets how often. Most seeds leave most faults out,
 * so that those that are in get deep; what is rare in a data centre is frequent here (swarm
 * testing). */

static void draw_size(struct world *world)
{
    static const uint32_t voters[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5};
    static const uint32_t readers[] = {0, 0, 0, 0, 1, 1, 2, 3};
    struct plan *plan = &world->plan;
    plan->voters = voters[between(world, 0, 9)];
    plan->readers = readers[between(world, 0, 7)];
    /* a run's cost grows with the square */
    if (plan->voters == 5 && plan->readers > 1)
        plan->readers = 1;
}

static void draw_times(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->beat_ns = between(world, 20, 200) * NS_PER_MS;
    plan->election_ns = between(world, 3, 10) * plan->beat_ns;
    plan->stale_after_ns = between(world, 2, 10) * plan->beat_ns;
    if (chance(world, 200000))
        plan->reject_after_ns = between(world, 10, 40) * plan->beat_ns;
    plan->stall_ns =
        chance(world, 700000) ? plan->election_ns : between(world, 2, 20) * plan->beat_ns;
    plan->max_lag = chance(world, 300000) ? between(world, 3, 50) : 0;
    plan->max_uncommitted = chance(world, 300000) ? between(world, 5, 50) : 1000;
    plan->drift_ppm = chance(world, 700000) ? 200 : between(world, 0, 1000);
    plan->leases = chance(world, 400000);
    plan->beyond_drift = chance(world, 60000);
    plan->rate_ppm = plan->beyond_drift ? 50000 : plan->drift_ppm;
    plan->clocks_restart = chance(world, 500000);
}

static void draw_network(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->latency_ns = plan->beat_ns / between(world, 5, 100);
    plan->spike_ns = between(world, 1, 30) * plan->beat_ns;
    if (chance(world, 500000))
        plan->drop_ppm = (uint32_t)between(world, 1000, 300000);
    if (chance(world, 400000))
        plan->duplicate_ppm = (uint32_t)between(world, 1000, 200000);
    if (chance(world, 400000))
        plan->reorder_ppm = (uint32_t)between(world, 1000, 300000);
    if (chance(world, 400000))
        plan->spike_ppm = (uint32_t)between(world, 1000, 50000);
    if (chance(world, 400000))
        plan->lose_request_ppm = (uint32_t)between(world, 1000, 300000);
    if (chance(world, 400000))
        plan->lose_answer_ppm = (uint32_t)between(world, 1000, 300000);
    plan->late_answer_ppm = 900000;
    if (chance(world, 400000))
        plan->together_ppm = (uint32_t)between(world, 10000, 900000);
}

static void draw_disk(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->fsync_ns = plan->beat_ns / between(world, 4, 200);
    if (chance(world, 300000))
        plan->slow_fsync_ppm = (uint32_t)between(world, 1000, 100000);
    if (chance(world, 800000))
        plan->staged_ppm = (uint32_t)between(world, 1, 10) * 100000;
    if (chance(world, 200000))
        plan->withdrawn_ppm = (uint32_t)between(world, 1000, 200000);
    plan->lossy = chance(world, 100000);
    plan->trims = chance(world, 500000);
    plan->careless_server = plan->trims && chance(world, 300000);
}

static void draw_faults(struct world *world)
{
    static const uint32_t usual[FAULT_COUNT] = {
        [FAULT_CRASH] = 10,     [FAULT_CRASH_ALL] = 3,    [FAULT_WIPE] = 4,
        [FAULT_PAUSE] = 6,      [FAULT_ISOLATE] = 8,      [FAULT_ISOLATE_ONE_WAY] = 5,
        [FAULT_SPLIT] = 8,      [FAULT_CUT_LINK] = 8,     [FAULT_SLOW_LINKS] = 5,
        [FAULT_SLOW_DISK] = 3,  [FAULT_FROZEN_DISK] = 4,  [FAULT_FULL_DISK] = 3,
        [FAULT_CLOCK_JUMP] = 3, [FAULT_FAILED_FSYNC] = 3, [FAULT_PEER_LOST] = 2,
        [FAULT_PROMOTE] = 5,    [FAULT_TRANSFER] = 4,     [FAULT_SET_VOTER] = 3,
        [FAULT_USURP] = 4,      [FAULT_REBORN] = 4,       [FAULT_IMPERSONATE] = 4,
        [FAULT_STRANGER] = 4,   [FAULT_POSE] = 4,         [FAULT_DIFFER] = 8,
        [FAULT_OLDER_COPY] = 8, [FAULT_OTHER_LOG] = 4,    [FAULT_FORKED_LOG] = 4,
    };
    struct plan *plan = &world->plan;
    for (uint32_t i = 0; i < FAULT_COUNT; i++)
        if (chance(world, 450000))
            plan->weight[i] = usual[i];
    if (chance(world, 200000)) { /* R28 */
        plan->weight[FAULT_FORCE] = 3;
        plan->weight[FAULT_ACCEPT] = 3;
    }
    /* nobody else would */
    if (!plan->automatic)
        plan->weight[FAULT_PROMOTE] = 6;
    /* its primary may forget the record that makes the other a reader */
    if (plan->lossy)
        plan->weight[FAULT_SET_VOTER] = 0;
    if (plan->leases) {
        plan->weight[FAULT_CLOCK_JUMP] = 0; /* a clock that jumps keeps to no bound of its drift */
        plan->weight[FAULT_USURP] = (uint32_t)between(world, 4, 12);
    }
    plan->fault_every_ns = between(world, 2, 15) * plan->beat_ns;
    plan->quiet_ns = chance(world, 300000) ? 0 : between(world, 5, 20) * plan->beat_ns;
    plan->faults_ns = between(world, 20, 120) * plan->beat_ns;
}

static void draw_clients(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->clients = (uint32_t)between(world, 2, SIM_CLIENTS);
    plan->think_ns = plan->beat_ns * between(world, 1, 8) / 4;
    plan->write_percent = (uint32_t)between(world, 20, 80);
    plan->majority_percent = (uint32_t)between(world, 0, 100);
}

void swarm_draw(struct world *world)
{
    struct plan *plan = &world->plan;
    bool drawn = chance(world, 500000);
    plan->automatic = world->options.automatic == AUTOMATIC_ALWAYS ||
                      (world->options.automatic == AUTOMATIC_SOME && drawn);
    draw_size(world);
    draw_times(world);
    draw_network(world);
    draw_disk(world);
    draw_faults(world);
    draw_clients(world);
    TRACE(world, NULL,
          "cluster voters=%u readers=%u automatic=%d beat=%.3f election=%.3f stale_after=%.3f "
          "lossy=%d trims=%d leases=%d drop=%u reorder=%u together=%u",
          plan->voters, plan->readers, plan->automatic, (double)plan->beat_ns / 1e9,
          (double)plan->election_ns / 1e9, (double)plan->stale_after_ns / 1e9, plan->lossy,
          plan->trims, plan->leases, plan->drop_ppm, plan->reorder_ppm, plan->together_ppm);
}
