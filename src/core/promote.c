/* Promotion by an operator (R27, R28). */
#include "core/promote.h"

#include "core/act.h"
#include "core/become.h"
#include "core/campaign.h"
#include "core/stand.h"
#include "core/who.h"

/* A forced EPOCH_START that named disks which are lost, because the new ones were not heard yet,
 * can never be committed. */
static bool names_lost_disks(const struct core *core)
{
    if (core->phase != PHASE_PRIMARY || core->log.commit >= core->lead.epoch_first)
        return false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        bool speaks = who_speaks(core, peer);
        if (speaks && campaign_peer_votes(core, peer) && !who_is_member(core, peer))
            return true;
    }
    return false;
}

void promote_begin(struct core *core, const struct core_event *event)
{
    struct candor_pos none = {0};
    const char *why = NULL;
    if (event->promote.force && names_lost_disks(core))
        become_follower(core, "a forced promotion is to name other disks");
    if (core->phase == PHASE_PRIMARY) {
        act_finish(core, event->ticket, CANDOR_OK, CANDOR_REASON_NONE,
                   (struct candor_pos){core->epoch, core->lead.epoch_first}, CANDOR_ACK_NONE);
        return;
    }
    if (core->stand.promote_ticket != 0)
        why = "a promotion is under way already";
    else if (!event->promote.force && core->fork.forked)
        why = "this node is FORKED: kvctl accept-history gives its branch up, --force overrules "
              "the others with it";
    else if (!event->promote.force && core->doubt.outvoted)
        why = "this node is DOUBTFUL: its data differ from those of the others";
    else if (who_is_blank(core))
        why = "this node holds no data";
    else if (!event->promote.force && !who_is_voter(core))
        why = "this node is a reader; only a voter can be elected";
    else if (!event->promote.force && !who_is_admitted(core))
        why = "this node's disk is not admitted yet";
    else if (!event->promote.force && !stand_is_of_generation(core))
        why = "a forced promotion was made without this node: let it catch up, or force again";
    if (why != NULL) {
        act_finish_text(core, event->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE, none,
                        "%s", why);
        return;
    }
    core->stand.promote_ticket = event->ticket;
    core->stand.promote_deadline_ns = event->promote.deadline_ns;
    core->stand.forcing = event->promote.force;
    become_withdrawn(core);
    stand_plan(core);
}
