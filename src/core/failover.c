/* What was seen of changes of primary: measured, and given to the shell. */
#include "core/failover.h"

#include "core/act.h"

static void report(struct core *core, enum core_failover_cause cause, struct candor_epoch previous,
                   bool has_gap)
{
    act_new(core, CORE_ACTION_FAILOVER)->failover = (struct core_failover){
        .cause = cause,
        .epoch = core->epoch,
        .previous = previous,
        .has_gap = has_gap,
        .gap_ns = has_gap ? saturating_sub(core->now_ns, core->failovers.before_ns) : 0,
    };
}

static void remember(struct core *core, uint64_t until_ns)
{
    core->failovers.before = core->epoch;
    core->failovers.before_ns = until_ns;
}

/* Who has just started has seen no change: the first epoch it hears of may be an old one. */
void failover_heard(struct core *core)
{
    bool another =
        !epoch_none(core->failovers.before) && !epoch_equal(core->failovers.before, core->epoch);
    if (another)
        report(core, CORE_FAILOVER_SEEN, core->failovers.before, true);
    remember(core, core->now_ns);
}

static enum core_failover_cause cause_of(const struct core *core)
{
    if (core->lead.epoch_first == 1)
        return CORE_FAILOVER_FOUNDING;
    if (core->stand.forcing)
        return CORE_FAILOVER_FORCED;
    if (core->stand.transferring)
        return CORE_FAILOVER_TRANSFER;
    if (core->stand.promote_ticket != 0)
        return CORE_FAILOVER_PROMOTION;
    return core->stand.resuming ? CORE_FAILOVER_RESUMED : CORE_FAILOVER_ELECTION;
}

/* After a restart the log still knows whose epoch wrote its newest record. */
void failover_opened(struct core *core)
{
    bool took_part = !epoch_none(core->failovers.before);
    struct candor_epoch of_log = epoch_history_at(&core->log.history, core->lead.epoch_first - 1);
    report(core, cause_of(core), took_part ? core->failovers.before : of_log, took_part);
    remember(core, core->now_ns);
}

/* While it handed over it refused writes already. */
void failover_closed(struct core *core)
{
    remember(core, core->transfer.began_ns != 0 ? core->transfer.began_ns : core->now_ns);
    core->transfer.began_ns = 0;
}
