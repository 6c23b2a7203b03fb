/* The primary hands its leadership to a voter (R26). */
#include "core/transfer.h"

#include "core/act.h"
#include "core/who.h"

static const char *why_not_transfer(struct core *core, const struct core_event *event)
{
    const struct peer *peer = who_peer(core, event->transfer.to);
    const struct member *member = members_find(&core->log.members, event->transfer.to);
    if (core->phase != PHASE_PRIMARY)
        return "this node is not the primary";
    if (core->transfer.ticket != 0)
        return "leadership is being handed over already";
    if (peer == NULL || member == NULL || !member->voter)
        return "only a voter can take over";
    if (!who_is_member(core, peer))
        return "that node's disk is not admitted, or it was never heard";
    if (peer->differs_seq != 0) /* R59 */
        return "that node's data differ from this node's at the same position";
    return NULL;
}

void transfer_to(struct core *core, uint64_t ticket, struct candor_node_id to, uint64_t deadline_ns)
{
    core->transfer.ticket = ticket;
    core->transfer.to = to;
    core->transfer.deadline_ns = deadline_ns;
    core->transfer.named_hb = 0;
    core->transfer.nonce = 0;
    core->transfer.began_ns = core->now_ns;
    act_log(core, LOG_LEVEL_INFO, "transfer to=%s", core->transfer.to.text);
}

void transfer_begin(struct core *core, const struct core_event *event)
{
    struct candor_pos here = {core->epoch, core->lead.epoch_first};
    if (core->phase == PHASE_PRIMARY && node_id_equal(event->transfer.to, core->config.self)) {
        act_finish(core, event->ticket, CANDOR_OK, CANDOR_REASON_NONE, here, CANDOR_ACK_NONE);
        return;
    }
    const char *why = why_not_transfer(core, event);
    if (why != NULL) {
        act_finish_text(core, event->ticket, CANDOR_FAILED_PRECONDITION,
                        core->phase == PHASE_PRIMARY ? CANDOR_REASON_NONE
                                                     : CANDOR_REASON_NOT_PRIMARY,
                        here, "%s", why);
        return;
    }
    transfer_to(core, event->ticket, event->transfer.to, event->transfer.deadline_ns);
}

static void end_transfer(struct core *core, enum candor_code code, struct candor_pos pos,
                         const char *text)
{
    if (core->transfer.ticket != CORE_OWN_TRANSFER)
        act_finish_text(core, core->transfer.ticket, code, CANDOR_REASON_NONE, pos, "%s", text);
    else if (code != CANDOR_OK)
        act_log(core, LOG_LEVEL_WARN, "not_handed_over why=\"%s\"", text);
    core->transfer.ticket = 0;
    core->transfer.named_hb = 0;
    core->transfer.nonce = 0;
}

struct candor_node_id transfer_successor(const struct core *core)
{
    return core->transfer.named_hb != 0 ? core->transfer.to : (struct candor_node_id){0};
}

/* The voters believe what the primary's own stream says, not who asks them in its name: the
 * successor is named there first. */
static void name_successor(struct core *core)
{
    core->lead.lease_given_up = true; /* who hears the name may vote against it from now on (R30) */
    core->hearing.successor = core->transfer.to;
    core->transfer.named_hb = core->lead.hb_id + 1;
    core->lead.heartbeat_due_ns = core->now_ns;
}

/* The target has heard that it is named, and so have enough voters to elect it. */
static bool name_is_known(const struct core *core, const struct peer *target)
{
    return core->lead.confirmed_hb >= core->transfer.named_hb &&
           target->answered_hb >= core->transfer.named_hb;
}

/* The target has all there is, and nobody waits for an acknowledgement any more: it may stand. */
void transfer_tick(struct core *core)
{
    if (core->transfer.ticket == 0)
        return;
    if (core->now_ns >= core->transfer.deadline_ns) {
        end_transfer(core, CANDOR_DEADLINE_EXCEEDED, (struct candor_pos){0},
                     "it did not take over in time; the old primary goes on");
        core->transfer.began_ns = 0;
        return;
    }
    const struct peer *peer = who_peer(core, core->transfer.to);
    bool all_there = who_settled(core) && peer->match == core->log.durable &&
                     peer->differs_seq == 0 && core->log.commit == core->log.durable;
    if (core->transfer.nonce != 0 || !(all_there || mutated(core, TRANSFER_EARLY)))
        return;
    if (core->transfer.named_hb == 0)
        name_successor(core);
    else if (name_is_known(core, peer))
        core->transfer.nonce = act_call(core, peer->id, act_message(core, CORE_MSG_TRANSFER));
}

bool transfer_answer(struct core *core, uint64_t nonce, const struct core_msg *msg)
{
    if (nonce == 0 || core->transfer.ticket == 0 || nonce != core->transfer.nonce)
        return false;
    if (msg == NULL || !msg->vote_answer.granted) {
        end_transfer(core, CANDOR_UNAVAILABLE, (struct candor_pos){0},
                     msg == NULL ? "it did not answer" : msg->vote_answer.refusal);
        core->transfer.began_ns = 0;
    }
    return true;
}

/* `by`: the own epoch, where the primary stepped down of itself. */
void transfer_deposed(struct core *core, struct candor_epoch by)
{
    if (core->transfer.ticket == 0)
        return;
    const char *why = "another node took over";
    if (node_id_equal(by.owner, core->config.self))
        why = "the primary stepped down before it was done; who leads now it does not know";
    bool as_asked = node_id_equal(by.owner, core->transfer.to);
    end_transfer(core, as_asked ? CANDOR_OK : CANDOR_ABORTED, (struct candor_pos){by, 0},
                 as_asked ? "" : why);
}
