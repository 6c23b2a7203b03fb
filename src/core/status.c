/* What a replica says of itself. */
#include "core/status.h"

#include "core/act.h"
#include "core/digests.h"
#include "core/lease.h"
#include "core/relay.h"
#include "core/view.h"
#include "core/who.h"

bool status_may(const struct core *core)
{
    return epoch_equal(core->epoch, who_shown_epoch(core));
}

void status_publish(struct core *core)
{
    core->hearing.status_due_ns = core->now_ns + core->config.heartbeat_interval_ns;
    if (!status_may(core))
        return;
    struct core_view view;
    core_view(core, &view);
    struct core_freshness fresh;
    core_view_freshness(&view, core->log.durable, core->now_ns, &fresh);
    struct core_msg *msg = act_message(core, CORE_MSG_STATUS);
    msg->status.ts_ns = core->now_ns;
    msg->status.seen_hb = core->follow.heard ? core->follow.hb_id : 0;
    /* R73: majorities are made of what the primary has told this node itself */
    msg->status.hb_id =
        mutated(core, RELAYED_ANSWERED) ? msg->status.seen_hb : core->follow.direct_hb;
    msg->status.last = core->log.last;
    msg->status.durable = core->log.durable;
    bool verified = core->follow.attach == ATTACH_DONE;
    if (mutated(core, MATCH_UNATTACHED))
        msg->status.match = core->log.last;
    /* R15 */
    else
        msg->status.match = verified ? min_u64(core->follow.match, core->log.durable) : 0;
    msg->status.applied = core->log.durable;
    msg->status.state = fresh.state;
    msg->status.no_room = core->room.lacking;
    msg->status.digest = digests_own(core);
    msg->status.rewinds = core->log.rewinds;
    msg->status.promise_ns = lease_promise_ns(core);
    msg->status.hearing = relay_hearing(core);
    msg->status.relay = core->follow.relay;
    relay_missed(core, &msg->status.missed);
    core->hearing.status_owed = false;
    act_publish(core, msg);
}
