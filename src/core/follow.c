/* Following a primary: when it begins anew, and when it ends. */
#include "core/follow.h"

#include "core/act.h"
#include "core/evidence.h"
#include "core/failover.h"
#include "core/lease.h"
#include "core/relay.h"
#include "core/stand.h"
#include "core/who.h"
#include "core/work.h"

void follow_detach(struct core *core)
{
    if (core->follow.attach == ATTACH_DOWNLOADING)
        act_new(core, CORE_ACTION_DROP_SNAPSHOT);
    /* What the writer has begun it will finish; its event moves the phase on. */
    if (core->follow.attach != ATTACH_TRUNCATING && core->follow.attach != ATTACH_INSTALLING)
        core->follow.attach = ATTACH_NONE;
    core->follow.attach_nonce = 0;
    core->follow.fetch_nonce = 0;
    core->follow.match = 0;
    core->doubt.healing = false;
}

void follow_reset(struct core *core)
{
    follow_detach(core);
    core->follow = (struct follow){.attach = core->follow.attach};
    relay_begins(core);
    evidence_forget(core);
}

/* R15: asks again for ever, ever more slowly, up to ten heartbeats apart. */
void follow_retry(struct core *core)
{
    core->follow.attach = ATTACH_NONE;
    core->follow.attach_nonce = 0;
    core->doubt.healing = false;
    uint32_t doublings = core->follow.attach_failures < 4 ? core->follow.attach_failures : 4;
    core->follow.attach_failures++;
    uint64_t delay_ns = who_jitter_ns(core, core->config.heartbeat_interval_ns << doublings);
    core->follow.attach_retry_ns =
        core->now_ns + min_u64(delay_ns, 10 * core->config.heartbeat_interval_ns);
}

/* R28: what is committed here is kept, whatever the forced primary's log says, until an operator
 * gives it up. */
void follow_fork(struct core *core, uint64_t common)
{
    bool known = core->fork.forked;
    core->fork.forked = true;
    core->fork.judged = core->epoch;
    core->follow.attach = ATTACH_NONE;
    if (known)
        return;
    work_save_hard_state(core);
    act_log(core, LOG_LEVEL_ERROR,
            "forked common=%" PRIu64 " commit=%" PRIu64
            " way_out=\"kvctl accept-history archives this branch and joins the other\"",
            common, core->log.commit);
}

/* It has joined a history, whose primary's log holds its own. */
void follow_fork_ends(struct core *core)
{
    if (!core->fork.forked)
        return;
    core->fork.forked = core->fork.accepting = false;
    work_save_hard_state(core);
    if (core->fork.ticket != 0)
        act_finish(core, core->fork.ticket, CANDOR_OK, CANDOR_REASON_NONE, who_durable_pos(core),
                   CANDOR_ACK_NONE);
    core->fork.ticket = 0;
}

/* Of another primary the operator knew nothing when the own branch was given up. */
void follow_withdraw_consent(struct core *core)
{
    if (core->fork.ticket != 0)
        act_finish_text(core, core->fork.ticket, CANDOR_ABORTED, CANDOR_REASON_NONE,
                        (struct candor_pos){0},
                        "another primary leads now: look at it, and decide again");
    core->fork.ticket = 0;
    core->fork.accepting = false;
}

/* The primary itself has said something newer than all that came from it before. Records that name
 * a heartbeat count as that heartbeat: they left after it. It is what the next status answers
 * (R73), and what this node promises for (R30). */
void follow_heard_directly(struct core *core, uint64_t hb_id)
{
    core->follow.direct_hb = hb_id;
    core->follow.direct_ns = core->now_ns;
    lease_promise(core);
}

/* What was said is newer than all that was heard, by whichever way. */
void follow_heard(struct core *core, uint64_t hb_id)
{
    core->follow.hb_id = max_u64(core->follow.hb_id, hb_id);
    failover_heard(core);
    core->follow.heard = core->hearing.contacted = true;
    core->follow.suspect = false;
    core->hearing.heartbeat_ns = core->hearing.contact_ns = core->hearing.live_ns = core->now_ns;
    core->hearing.live_owner = core->epoch.owner;
    stand_plan(core);
}
