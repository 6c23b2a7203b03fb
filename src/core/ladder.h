/* A read that asks for several levels (R71): which is tried, and when it is given up. Each rung is
 * decided as a read of its level alone (core/view.h). Plain data and pure, any thread. */
#ifndef CORE_LADDER_H
#define CORE_LADDER_H

#include "core/view.h"

/* `rungs` and `count` are the caller's; the rest is of core_ladder_begin(). */
struct core_ladder {
    const struct candor_rung *rungs; /* rungs_problem() finds nothing wrong with them */
    uint32_t count;
    uint32_t at;          /* the rung that is tried, from 0 */
    uint64_t began_ns;    /* since when */
    uint64_t until_ns;    /* it waits no longer */
    uint64_t deadline_ns; /* of the read */
};

/* Why a rung was not met. */
struct core_miss {
    enum candor_code code; /* DEADLINE_EXCEEDED: its time was over */
    enum candor_reason reason;
    uint64_t waited_ms;
    bool has_bound; /* BOUNDED: what was proven */
    uint64_t bound_ms;
};

void core_ladder_begin(struct core_ladder *ladder, uint64_t now_ns, uint64_t deadline_ns);
/* What the rung that is tried asks for; the token stays as it is. */
void core_ladder_ask(const struct core_ladder *ladder, struct core_read *read);
/* The rung that is tried was not met: `miss` says why. True: the next one is tried from now on.
 * False: it was the last one, or no level can help. `fresh` is that of the data that were judged;
 * NULL: none were. */
bool core_ladder_down(struct core_ladder *ladder, enum candor_code code, enum candor_reason reason,
                      const struct core_freshness *fresh, uint64_t now_ns, struct core_miss *miss);
/* The number of the rung that is met, from 1, when the read is served now. */
uint32_t core_ladder_met(const struct core_ladder *ladder, const struct core_view *view);

#endif
