/* Voting for others (R23), and standing because the primary asks (R26). */
#include <stdio.h>

#include "core/vote.h"

#include "core/act.h"
#include "core/lease.h"
#include "core/lives.h"
#include "core/stand.h"
#include "core/who.h"

static bool hears_live_primary(const struct core *core, const struct peer *candidate)
{
    uint64_t t_ns = core->config.election_timeout_ns;
    if (core->phase == PHASE_PRIMARY)
        return saturating_sub(core->now_ns,
                              max_u64(core->lead.confirmed_ns, core->lead.opened_ns)) < t_ns;
    return core->hearing.live_ns != 0 && core->now_ns - core->hearing.live_ns < t_ns &&
           !node_id_equal(core->hearing.live_owner, candidate->id);
}

/* R26: the primary wants it itself, and has said so on its own stream. */
static bool is_successor(const struct core *core, struct candor_node_id node)
{
    return node_id_equal(core->hearing.successor, node) || mutated(core, TRANSFER_UNNAMED);
}

/* Why not; NULL: the vote is given. A disk that is not admitted, or a reader, may say yes, since it
 * may be a voter without knowing it yet: the candidate counts only the disks and voters that its
 * own log has admitted, and such a log holds all that a lost disk had acknowledged (R4, R29). */
static const char *refusal(struct core *core, const struct peer *candidate,
                           const struct core_msg *msg, bool *unheard, char text[CORE_REFUSAL_BYTES])
{
    char mine[POS_TEXT_BYTES];
    if (candidate == NULL)
        return "a foreign cluster or an unknown node";
    if (!node_id_equal(msg->vote.epoch.owner, candidate->id))
        return "the epoch names another owner";
    if (who_is_blank(core) && msg->vote.last.seq == 0 &&
        !node_id_equal(candidate->id, core->config.initial_primary))
        return "this node is blank, and only the initial primary founds a cluster";
    *unheard = !lives_sure(core); /* R63 */
    if (*unheard)
        return "it has just started, and does not know yet whether its disk is the newest";
    /* A FORKED node votes, but never stands: its log is of an older generation than any that it can
     * help to win. */
    int order = epoch_compare(msg->vote.epoch, core->epoch);
    if (order < 0 || (order == 0 && msg->type == CORE_MSG_PRE_VOTE)) {
        snprintf(text, CORE_REFUSAL_BYTES, "it knows epoch %s",
                 epoch_text(who_shown_epoch(core), mine));
        return text;
    }
    /* The request may be anybody's; what the candidate's stream says is the candidate's (R49,
     * R50). */
    /* Who is not heard could neither be voted for nor followed: its epoch would be opened for
     * nothing. */
    *unheard = msg->type == CORE_MSG_VOTE ? order > 0 : !who_speaks(core, candidate);
    if (*unheard)
        return msg->type == CORE_MSG_VOTE ? "it has not heard of that epoch from a stream yet"
                                          : "it does not hear the stream of the one who asks";
    bool handed_over = msg->vote.transfer && is_successor(core, candidate->id);
    if (!handed_over && hears_live_primary(core, candidate) && !mutated(core, VOTES_AGAINST_LIVE)) {
        snprintf(text, CORE_REFUSAL_BYTES, "it hears the live primary %s",
                 core->phase == PHASE_PRIMARY ? core->config.self.text
                                              : core->hearing.live_owner.text);
        return text;
    }
    if (!handed_over && msg->vote.last.seq > 0 && lease_bars(core, candidate->id))
        return "a lease that it has granted may still run";
    struct candor_pos own = who_durable_pos(core);
    if (pos_compare(msg->vote.last, own) < 0 && !mutated(core, VOTE_ANY_LOG)) {
        snprintf(text, CORE_REFUSAL_BYTES, "its log is longer: %s", pos_text(own, mine));
        return text;
    }
    return NULL;
}

static void answer_vote(struct core *core, uint64_t ticket, const char *why, bool unheard)
{
    struct core_msg *reply = act_message(core, CORE_MSG_VOTE_ANSWER);
    reply->vote_answer.granted = why == NULL;
    reply->vote_answer.blank = who_is_blank(core);
    reply->vote_answer.unheard = unheard;
    snprintf(reply->vote_answer.refusal, sizeof reply->vote_answer.refusal, "%s",
             why == NULL ? "" : why);
    act_answer(core, ticket, reply);
}

/* R1: the promise is on disk before it is given. */
static void grant(struct core *core, uint64_t ticket, const struct core_msg *msg)
{
    if (core->votes.count == PENDING_ANSWERS) {
        answer_vote(core, ticket, "too many votes are being saved", true);
        return;
    }
    ASSERT(epoch_equal(msg->vote.epoch, core->epoch)); /* adopted from a stream: R50 */
    if (who_hard_state_durable(core) || mutated(core, VOTE_NOT_PERSISTED)) {
        answer_vote(core, ticket, NULL, false);
        return;
    }
    core->votes.list[core->votes.count++] = (struct pending_answer){
        .ticket = ticket, .hard_version = core->hard.version, .epoch = msg->vote.epoch};
}

void vote_request(struct core *core, struct peer *peer, uint64_t ticket, const struct core_msg *msg)
{
    char text[CORE_REFUSAL_BYTES];
    bool unheard = false;
    const char *why = refusal(core, peer, msg, &unheard, text);
    if (why != NULL || msg->type == CORE_MSG_PRE_VOTE)
        answer_vote(core, ticket, why, unheard);
    else
        grant(core, ticket, msg);
}

void vote_saved(struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->votes.count; i++) {
        const struct pending_answer *pending = &core->votes.list[i];
        if (pending->hard_version > core->hard.saved) {
            core->votes.list[kept++] = *pending;
            continue;
        }
        bool current = epoch_equal(pending->epoch, core->epoch);
        answer_vote(core, pending->ticket, current ? NULL : "it adopted a higher epoch meanwhile",
                    false);
    }
    core->votes.count = kept;
}

/* R26. It says yes when it can stand at once; whether it wins the old primary learns from its
 * epoch. */
void vote_transfer_request(struct core *core, struct peer *peer, uint64_t ticket,
                           const struct core_msg *msg)
{
    const char *why = NULL;
    if (peer == NULL || !epoch_equal(msg->header.epoch, core->epoch) ||
        !node_id_equal(peer->id, core->epoch.owner))
        why = "only the primary of this epoch can hand it over";
    else if (!core->follow.heard || !is_successor(core, core->config.self))
        why = "the primary's own stream does not name it";
    else if (core->phase != PHASE_FOLLOWER || core->follow.attach != ATTACH_DONE ||
             !stand_may(core))
        why = "it cannot stand at once";
    answer_vote(core, ticket, why, false);
    if (why != NULL)
        return;
    core->stand.transferring = true;
    stand_plan(core);
}
