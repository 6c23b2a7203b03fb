/* The log's own time (R69).
 *
 * Each node counts it on with its own clock (R35) from where a heartbeat has put it; the primary
 * from where it stood when its epoch began. A node that takes over is behind by no more than a
 * heartbeat was on its way: so a key may be there longer than was asked for, and not shorter. */
#include "core/log_time.h"

uint64_t log_time_ms(const struct core *core)
{
    if (mutated(core, LOG_TIME_OWN) && core->phase >= PHASE_OPENING)
        return core->now_ns / NS_PER_MS;
    return core->log_time.ms + saturating_sub(core->now_ns, core->log_time.at_ns) / NS_PER_MS;
}

void log_time_heard(struct core *core, uint64_t log_ms)
{
    core->log_time.ms = log_ms;
    core->log_time.at_ns = core->now_ns;
}
