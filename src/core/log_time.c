/* The log's own time (R69).
 *
 * Each node counts it on with its own clock (R35) from the newest time that it was told; the
 * primary from where it stood when its epoch began. What was told is no more than the time then,
 * however long it was on its way. Whoever takes over holds the records that put keys, and counts
 * from their time or a later one: so a key may be there longer than was asked for, and not
 * shorter. */
#include "core/log_time.h"

uint64_t log_time_ms(const struct core *core)
{
    if (mutated(core, LOG_TIME_OWN) && core->phase >= PHASE_OPENING)
        return core->now_ns / NS_PER_MS;
    return core->log_time.ms + saturating_sub(core->now_ns, core->log_time.at_ns) / NS_PER_MS;
}

/* Of two primaries the later one's time counts, even where the other's was ahead: it put the keys
 * that are still to end. */
void log_time_told(struct core *core, struct candor_epoch epoch, uint64_t log_ms)
{
    int order = epoch_compare(epoch, core->log_time.epoch);
    if (order < 0 || (order == 0 && log_ms <= core->log_time.ms))
        return;
    core->log_time.ms = log_ms;
    core->log_time.at_ns = core->now_ns;
    core->log_time.epoch = epoch;
}
