#include "core/reign.h"

#include "core/act.h"

static void report(struct core *core, enum core_reign_cause cause, struct candor_epoch previous,
                   bool has_gap)
{
    core->reigns.newest = (struct core_reign){
        .cause = cause,
        .epoch = core->epoch,
        .previous = previous,
        .has_gap = has_gap,
        .gap_ns = has_gap ? saturating_sub(core->now_ns, core->reigns.before_ns) : 0,
    };
    act_new(core, CORE_ACTION_REIGN)->reign = &core->reigns.newest;
}

static void remember(struct core *core, uint64_t until_ns)
{
    core->reigns.before = core->epoch;
    core->reigns.before_ns = until_ns;
}

/* Who has just started has seen no change: the first reign it hears of may be an old one. */
void reign_heard(struct core *core)
{
    bool another =
        !epoch_none(core->reigns.before) && !epoch_equal(core->reigns.before, core->epoch);
    if (another)
        report(core, CORE_REIGN_OF_ANOTHER, core->reigns.before, true);
    remember(core, core->now_ns);
}

static enum core_reign_cause cause_of(const struct core *core)
{
    if (core->lead.epoch_first == 1)
        return CORE_REIGN_FOUNDING;
    if (core->stand.forcing)
        return CORE_REIGN_FORCED;
    if (core->stand.transferring)
        return CORE_REIGN_TRANSFER;
    if (core->stand.promote_ticket != 0)
        return CORE_REIGN_PROMOTION;
    return core->stand.resuming ? CORE_REIGN_RESUMED : CORE_REIGN_ELECTION;
}

/* After a restart the log still knows whose reign wrote its newest record. */
void reign_opened(struct core *core)
{
    bool took_part = !epoch_none(core->reigns.before);
    struct candor_epoch of_log = epoch_history_at(&core->log.history, core->lead.epoch_first - 1);
    report(core, cause_of(core), took_part ? core->reigns.before : of_log, took_part);
    remember(core, core->now_ns);
}

/* While it handed over it refused writes already. */
void reign_closed(struct core *core)
{
    remember(core, core->transfer.began_ns != 0 ? core->transfer.began_ns : core->now_ns);
    core->transfer.began_ns = 0;
}
