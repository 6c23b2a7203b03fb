/* Keys whose time is over: the primary orders their deletes (R69). */
#include "core/expiry.h"

#include "core/act.h"
#include "core/commit.h"
#include "core/heartbeat.h"
#include "core/log_time.h"
#include "core/risk.h"
#include "core/work.h"

/* Whether any does is not known yet: the first order will tell. */
void expiry_opened(struct core *core)
{
    core->lead.next_end_ms = 1;
}

/* What is not committed is bounded (R20), and a transfer waits for the log's end (R26). */
static bool may_expire(const struct core *core)
{
    uint64_t uncommitted = saturating_sub(core->log.durable, core->log.commit);
    return core->lead.next_end_ms != 0 && !core->lead.expiring && core->transfer.ticket == 0 &&
           uncommitted < core->config.max_uncommitted;
}

/* With nothing to delete, it is put down that so much time has passed. */
static uint64_t next_order_ms(const struct core *core)
{
    return min_u64(core->lead.next_end_ms, core->lead.marked_ms + LIMIT_LOG_TIME_MARK_MS);
}

void expiry_tick(struct core *core)
{
    uint64_t log_ms = log_time_ms(core);
    if (!may_expire(core) || next_order_ms(core) >= log_ms ||
        core->now_ns < core->lead.expire_again_ns)
        return;
    core->lead.expiring = true;
    core->lead.marked_ms = log_ms;
    work_give(core, CORE_ACTION_EXPIRE)->expire =
        (struct core_action_expire){.epoch = core->epoch, .log_ms = log_ms};
}

uint64_t expiry_wake_ns(const struct core *core)
{
    if (!may_expire(core))
        return UINT64_MAX;
    uint64_t left_ms = saturating_sub(next_order_ms(core) + 1, core->log_time.ms);
    uint64_t due_ns = core->log_time.at_ns + min_u64(left_ms, LIMIT_TTL_MS) * NS_PER_MS;
    return max_u64(due_ns, core->lead.expire_again_ns);
}

void expiry_next(struct core *core, const struct core_event *event)
{
    if (core->phase == PHASE_PRIMARY && event->appended.code == CANDOR_OK &&
        epoch_equal(event->appended.epoch, core->epoch))
        core->lead.next_end_ms = event->appended.next_end_ms;
}

void expiry_done(struct core *core, const struct core_event *event)
{
    risk_note(core, event->appended.batches);
    if (core->phase != PHASE_PRIMARY || !epoch_equal(event->appended.epoch, core->epoch))
        return;
    core->lead.expiring = false;
    if (event->appended.code != CANDOR_OK)
        core->lead.expire_again_ns = core->now_ns + core->config.heartbeat_interval_ns;
    heartbeat_publish_records(core, event->appended.batches);
    commit_advance(core);
}
