/* Whether nodes that stand at the same position hold the same data (R58, R59). A position stands
 * for one state: the primary compares the digests that statuses bring with its own, and says in its
 * heartbeats who differs. */
#include "core/doubt.h"

#include "core/act.h"
#include "core/digests.h"
#include "core/majority.h"
#include "core/resync.h"
#include "core/who.h"

/* ---- At the primary -------------------------------------------------------------------------- */

static void note_verdict(struct core *core, struct peer *peer, bool equal)
{
    if (equal) {
        peer->equal_seq = peer->shown.seq;
        if (peer->differs_seq != 0)
            act_log(core, LOG_LEVEL_WARN, "states_agree_again node=%s seq=%" PRIu64, peer->id.text,
                    peer->shown.seq);
        peer->differs_seq = 0;
        return;
    }
    if (peer->differs_seq != 0)
        return;
    peer->differs_seq = peer->shown.seq;
    act_log(core, LOG_LEVEL_ERROR,
            "state_differs node=%s equal_at=%" PRIu64 " differs_at=%" PRIu64
            " why=\"its data are not this node's at the same position\"",
            peer->id.text, peer->equal_seq, peer->differs_seq);
}

/* How the voters stand to this node's data, this node included. */
struct opinion {
    uint32_t agree; /* compared at or behind the first difference, and equal */
    uint32_t differ;
    uint32_t undecided; /* they are there, and were not compared yet */
};

/* What a reader says of itself must not sway the voters. */
static uint64_t first_difference(const struct core *core)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (core->peers[i].differs_seq != 0 && who_peer_votes(core, &core->peers[i]))
            first = min_u64(first, core->peers[i].differs_seq);
    return first;
}

/* About a difference that was first seen at `first`. */
static struct opinion opinion(const struct core *core, uint64_t first)
{
    struct opinion opinion = {.agree = 1};
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (!who_peer_votes(core, peer))
            continue;
        if (peer->differs_seq != 0)
            opinion.differ++;
        else if (peer->equal_seq >= first)
            opinion.agree++;
        else
            opinion.undecided += peer->shown.seq >= first && who_speaks(core, peer);
    }
    return opinion;
}

/* A majority of the voters holds other data: it is this node whose data are in doubt (R59). */
static bool doubt_oneself(struct core *core, const struct peer *peer)
{
    uint32_t majority = majority_of(members_voters(&core->log.members));
    if (core->doubt.chosen || opinion(core, first_difference(core)).differ < majority)
        return false;
    core->doubt.doubtful = core->doubt.outvoted = true;
    core->doubt.equal_seq = peer->equal_seq;
    core->doubt.differs_seq = peer->differs_seq;
    return true;
}

/* By force a DOUBTFUL node leads, too: the operator says whose data count (R28). */
void doubt_opened(struct core *core)
{
    core->doubt.chosen = core->stand.forcing;
    core->doubt.doubtful = core->doubt.outvoted = false;
}

static bool compare(struct core *core, struct peer *peer)
{
    struct digest_at own = digests_at(core, peer->shown.seq);
    /* not a position that this node has stopped at */
    if (own.seq != peer->shown.seq && !mutated(core, DIGEST_OF_ANY_POSITION))
        return false;
    note_verdict(core, peer, state_digest_equal(own.digest, peer->shown.digest));
    if (peer->differs_seq == 0)
        return false;
    peer->match = 0; /* it holds something else */
    return doubt_oneself(core, peer);
}

bool doubt_status(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    if (core->phase != PHASE_PRIMARY || msg->status.digest.seq == 0 || msg->status.match == 0 ||
        mutated(core, DIGEST_IGNORED))
        return false;
    peer->shown = msg->status.digest;
    peer->shown_rewinds = msg->status.rewinds;
    return compare(core, peer);
}

/* A replica may have come to a position first (R68). */
bool doubt_noted(struct core *core)
{
    bool outvoted = false;
    for (uint32_t i = 0; i < core->peer_count && core->phase == PHASE_PRIMARY; i++)
        if (core->peers[i].shown.seq == core->log.durable && !mutated(core, DIGEST_IGNORED))
            outvoted = compare(core, &core->peers[i]) || outvoted;
    return outvoted;
}

/* Those who differ are told, once every voter that is there has been compared and no more of them
 * differ than agree: a primary whose own data are wrong must not send the others away. And those
 * who still say it of themselves. Where no majority vouches for the primary's data, they may stand
 * for election all the same: it may be the primary that is wrong. */
void doubt_tell(const struct core *core, struct core_verdicts *out)
{
    uint64_t first = first_difference(core);
    bool chosen = core->doubt.chosen;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        bool differs = peer->differs_seq != 0;
        bool clears = !differs && peer->equal_seq != 0 && peer->state == CANDOR_STATE_DOUBTFUL;
        if (!differs && !clears)
            continue;
        struct opinion of = opinion(core, who_peer_votes(core, peer) ? first : peer->differs_seq);
        bool settled_now = chosen || (of.undecided == 0 && of.agree >= of.differ);
        bool vouched = chosen || of.agree >= majority_of(members_voters(&core->log.members));
        if (settled_now || clears)
            out->list[out->count++] =
                (struct core_state_verdict){peer->id,          peer->store_id,      peer->equal_seq,
                                            peer->differs_seq, peer->shown_rewinds, vouched};
    }
}

/* ---- At a replica ---------------------------------------------------------------------------- */

/* R67. Most voters hold other data, and the primary has them: they take the place of this node's.
 * Not again at once: data that differ anew are of a machine that a person should look at. */
static void heal(struct core *core)
{
    struct doubt *doubt = &core->doubt;
    uint64_t pause_ns = LIMIT_HEAL_PAUSE_MS * NS_PER_MS;
    bool again = doubt->healed_ns != 0 && core->now_ns - doubt->healed_ns < pause_ns;
    if (doubt->healing || again || mutated(core, DOUBT_UNHEALED) || !resync_take(core))
        return;
    doubt->healing = true;
    act_log(core, LOG_LEVEL_WARN,
            "healing from=%s last=%" PRIu64
            " why=\"most voters hold the primary's data: a snapshot of them takes the place of "
            "these\"",
            core->epoch.owner.text, core->log.last);
}

static void take_verdict(struct core *core, const struct core_state_verdict *verdict)
{
    struct doubt *doubt = &core->doubt;
    bool differs = verdict->differs_seq != 0;
    if (differs && !doubt->doubtful)
        act_log(core, LOG_LEVEL_ERROR,
                "doubtful equal_at=%" PRIu64 " differs_at=%" PRIu64
                " why=\"its data are not the primary's: it serves nothing\" way_out=\"%s\"",
                verdict->equal_seq, verdict->differs_seq,
                verdict->vouched ? "it takes the primary's, which most voters hold"
                                 : "no majority says which are right: compare with `kvctl status`; "
                                   "then move its data directory away, or promote it by force");
    else if (!differs && doubt->doubtful)
        act_log(core, LOG_LEVEL_WARN, "doubtful_no_more seq=%" PRIu64, verdict->equal_seq);
    doubt->doubtful = differs;
    doubt->outvoted = differs && verdict->vouched;
    doubt->equal_seq = verdict->equal_seq;
    doubt->differs_seq = verdict->differs_seq;
    if (doubt->outvoted)
        heal(core);
}

void doubt_verdict(struct core *core, const struct core_verdicts *verdicts)
{
    for (uint32_t i = 0; i < verdicts->count; i++) {
        const struct core_state_verdict *verdict = &verdicts->list[i];
        if (node_id_equal(verdict->node, core->config.self) &&
            verdict->store_id == core->store_id && verdict->rewinds == core->log.rewinds)
            take_verdict(core, verdict);
    }
}
