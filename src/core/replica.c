/* A replica between heartbeats: what it hears, says, and asks for. */
#include "core/replica.h"

#include "core/act.h"
#include "core/attach.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/doubt.h"
#include "core/evidence.h"
#include "core/follow.h"
#include "core/log_time.h"
#include "core/records.h"
#include "core/relay.h"
#include "core/status.h"
#include "core/who.h"

/* ---- Another log (R57) ----------------------------------------------------------------------- */

/* The primary's log is not the one that this node attached to, though it ends where this one does:
 * another copy of its disk speaks in its place. */
static void leave_other_log(struct core *core)
{
    act_log(core, LOG_LEVEL_ERROR,
            "log_differs primary=%s seq=%" PRIu64
            " why=\"the primary's log holds other records at this node's end\"",
            core->epoch.owner.text, core->log.end.seq);
    follow_detach(core);
    follow_retry(core);
}

/* ---- Heartbeats and statuses ----------------------------------------------------------------- */

/* Repeated, or late: no sign of life. What it proves stays proven. */
static void take_again(struct core *core, const struct core_msg *msg, bool relayed)
{
    commit_learn(core, msg->heartbeat.commit);
    evidence_read(core, &msg->heartbeat.echoes, relayed);
}

/* Records of the last interval may still be on their way; older ones were lost. To whom a relay
 * passes heartbeats on, no records come by themselves (R72). */
static bool lacks_records(const struct core *core, bool relayed)
{
    uint64_t announced = relayed ? core->follow.announced : core->follow.announced_before;
    return core->follow.attach == ATTACH_DONE && core->log.last < announced && who_settled(core);
}

static void take_news(struct core *core, const struct core_msg *msg, bool relayed)
{
    follow_heard(core, msg->heartbeat.hb_id);
    core->follow.announced_before = core->follow.announced;
    core->follow.announced = max_u64(core->follow.announced, msg->heartbeat.last);
    memcpy(core->follow.primary_rpc, msg->heartbeat.rpc, sizeof core->follow.primary_rpc);
    core->follow.primary_rpc[sizeof core->follow.primary_rpc - 1] = '\0';
    if (chain_parted(core, msg))
        leave_other_log(core);
    /* A log that this one does not follow may be ahead in a time of its own. */
    if (core->follow.attach == ATTACH_DONE)
        log_time_told(core, core->epoch, msg->heartbeat.log_ms);
    doubt_verdict(core, &msg->heartbeat.verdicts);
    commit_learn(core, msg->heartbeat.commit);
    evidence_read(core, &msg->heartbeat.echoes, relayed);
    core->hearing.status_owed = true;
    if (lacks_records(core, relayed))
        records_fetch(core);
}

void replica_heartbeat(struct core *core, const struct core_msg *msg)
{
    bool news = !core->follow.heard || msg->heartbeat.hb_id > core->follow.direct_hb;
    if (news)
        follow_heard_directly(core, msg->heartbeat.hb_id);
    /* R26: by the primary itself; records that name it may have overtaken it */
    if (msg->heartbeat.hb_id == core->follow.direct_hb)
        core->hearing.successor = msg->heartbeat.successor;
    if (news)
        take_news(core, msg, false);
    else
        take_again(core, msg, false);
    relay_heartbeat(core, msg);
}

/* R73: it counts as heard, and for what it proves; it is not answered. Nobody is believed who was
 * not asked. */
void replica_relayed(struct core *core, const struct peer *peer, const struct core_msg *msg)
{
    bool asked = core->phase < PHASE_OPENING && epoch_equal(msg->header.epoch, core->epoch) &&
                 node_id_equal(core->follow.relay, peer->id);
    if (!asked)
        return;
    relay_passed(core);
    if (!core->follow.heard || msg->heartbeat.hb_id > core->follow.hb_id)
        take_news(core, msg, true);
    else
        take_again(core, msg, true);
    if (mutated(core, RELAY_LOOPS))
        relay_heartbeat(core, msg);
}

/* One status answers all heartbeats and records that came together. What is owed waits for its
 * epoch to be stored: the answer to the heartbeat that brought it, or to the candidate that named
 * it (R7, R23). */
static void say_how_it_stands(struct core *core)
{
    bool owed = core->hearing.status_owed && status_may(core);
    if (owed || core->now_ns >= core->hearing.status_due_ns)
        status_publish(core);
}

void replica_tick(struct core *core)
{
    relay_choose(core);
    if (core->phase < PHASE_OPENING)
        say_how_it_stands(core);
    attach_tick(core);
    if (attach_may(core) && !node_id_equal(core->epoch.owner, core->config.self))
        attach_ask(core);
    if (core->follow.attach == ATTACH_DONE && core->hearing.fetch_retry_ns != 0 &&
        core->now_ns >= core->hearing.fetch_retry_ns) {
        core->hearing.fetch_retry_ns = 0;
        if (core->log.last < core->follow.announced)
            records_fetch(core);
    }
}

uint64_t replica_wake_ns(const struct core *core)
{
    if (core->phase >= PHASE_OPENING)
        return UINT64_MAX;
    uint64_t wake_ns = min_u64(core->hearing.status_due_ns, relay_wake_ns(core));
    if (core->fork.ticket != 0)
        wake_ns = min_u64(wake_ns, core->fork.deadline_ns);
    if (core->follow.attach == ATTACH_NONE && core->follow.heard &&
        core->follow.attach_retry_ns > core->now_ns)
        wake_ns = min_u64(wake_ns, core->follow.attach_retry_ns);
    if (core->follow.attach == ATTACH_DONE && core->hearing.fetch_retry_ns != 0)
        wake_ns = min_u64(wake_ns, core->hearing.fetch_retry_ns);
    return wake_ns;
}

void replica_call_failed(struct core *core, uint64_t nonce)
{
    if (nonce == core->follow.attach_nonce && core->follow.attach == ATTACH_ASKED)
        follow_retry(core);
    if (nonce == core->follow.fetch_nonce) {
        core->follow.fetch_nonce = 0;
        core->hearing.fetch_retry_ns =
            core->now_ns + who_jitter_ns(core, core->config.heartbeat_interval_ns);
    }
}
