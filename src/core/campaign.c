/* A candidate: its rounds, from asking to winning (R22-R24, R28). */
#include <stdio.h>

#include "core/campaign.h"

#include "core/act.h"
#include "core/become.h"
#include "core/follow.h"
#include "core/lease.h"
#include "core/majority.h"
#include "core/stand.h"
#include "core/status.h"
#include "core/who.h"
#include "core/work.h"

static void retry_later(struct core *core)
{
    if (core->stand.promote_ticket != 0 || core->stand.founding || core->stand.resuming)
        stand_at(core, core->now_ns + who_jitter_ns(core, 2 * core->config.heartbeat_interval_ns));
    else
        stand_plan(core);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static const struct members *electorate(const struct core *core)
{
    return core->stand.founding ? &core->config.configured : &core->log.members;
}

bool campaign_peer_votes(const struct core *core, const struct peer *peer)
{
    const struct member *member = members_find(electorate(core), peer->id);
    return member != NULL && member->voter;
}

static void ask(struct core *core, struct peer *peer, enum core_msg_type type)
{
    struct core_msg *msg = act_message(core, type);
    msg->vote.epoch = core->stand.epoch;
    msg->vote.last = who_durable_pos(core);
    msg->vote.transfer = core->stand.transferring;
    peer->answered = peer->granted = peer->failed = peer->unheard = false;
    peer->campaign_nonce = act_call(core, peer->id, msg);
}

static void ask_all(struct core *core, enum core_msg_type type)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        peer->campaign_nonce = 0;
        peer->answered = peer->granted = peer->failed = peer->unheard = false;
        peer->refusal[0] = '\0';
        if (campaign_peer_votes(core, peer) || (core->stand.founding && type == CORE_MSG_PRE_VOTE))
            ask(core, peer, type);
    }
}

/* Its own stream says that it has adopted the epoch now: whoever could not answer before can do it
 * now (R23). */
void campaign_heard(struct core *core, struct peer *peer)
{
    bool missing = peer->unheard || peer->failed;
    if (core->phase == PHASE_VOTING && missing && campaign_peer_votes(core, peer) &&
        epoch_equal(peer->epoch, core->epoch))
        ask(core, peer, CORE_MSG_VOTE);
}

/* ---- Counting -------------------------------------------------------------------------------- */

struct tally {
    uint32_t voters;
    uint32_t granted; /* the own vote included */
    uint32_t open;    /* asked, not answered yet */
};

static struct tally count_votes(const struct core *core)
{
    struct tally tally = {.voters = members_voters(electorate(core)),
                          .granted = who_is_voter(core) ? 1 : 0};
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (peer->campaign_nonce == 0 || !campaign_peer_votes(core, peer))
            continue;
        bool will_hear = peer->unheard && core->phase == PHASE_VOTING;
        if ((!peer->answered && !peer->failed) || will_hear)
            tally.open++;
        /* R4: only the admitted disk of a voter counts. */
        bool counts =
            core->stand.founding || who_is_member(core, peer) || mutated(core, JOINING_VOTES);
        if (peer->granted && counts)
            tally.granted++;
    }
    return tally;
}

/* The cluster is founded only when every node is there and blank. A reader that does not answer may
 * hold the cluster already: it may have become a voter since the topology was written, and this
 * node's own disk may be the lost one. */
static bool all_blank(const struct core *core, bool *open, bool *taken)
{
    bool blank = true;
    *open = *taken = false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (!peer->answered && !peer->failed)
            *open = true;
        if (peer->answered && !peer->blank)
            *taken = true;
        blank = blank && peer->granted;
    }
    return blank && !*open && !*taken;
}

/* Why a node that was asked, or should have been, does not count; NULL: it does, or need not. */
static const char *why_no_vote(const struct core *core, const struct peer *peer)
{
    if (peer->campaign_nonce == 0 && !campaign_peer_votes(core, peer))
        return NULL;
    if (!peer->answered)
        return "no answer";
    if (!peer->granted)
        return peer->refusal[0] != '\0' ? peer->refusal : "it refused";
    bool counts = core->stand.founding || who_is_member(core, peer);
    return counts ? NULL : "its disk is not admitted";
}

static void describe_one(char text[CORE_TEXT_BYTES], struct candor_node_id id, const char *why)
{
    size_t used = strlen(text);
    snprintf(text + used, CORE_TEXT_BYTES - used, "%s%s: %s", used > 0 ? "; " : "", id.text, why);
}

/* Every node whose vote is missing; empty: none is. */
static void describe_refusals(struct core *core, char text[CORE_TEXT_BYTES])
{
    text[0] = '\0';
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const char *why = why_no_vote(core, &core->peers[i]);
        if (why != NULL)
            describe_one(text, core->peers[i].id, why);
    }
    const struct members *members = electorate(core);
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        if (member->voter && !node_id_equal(member->id, core->config.self) &&
            who_peer(core, member->id) == NULL)
            describe_one(text, member->id, "this node's topology does not name it");
    }
}

static void fail_promotion(struct core *core, const char *text)
{
    act_finish_text(core, core->stand.promote_ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_MAJORITY,
                    (struct candor_pos){0}, "no majority of the voters: %s", text);
    core->stand.promote_ticket = 0;
    core->stand.forcing = false;
}

/* Once for each set of nodes that it waits for: the rounds go on for as long as it takes. */
static void log_founding_waits(struct core *core, const char *why)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (!core->peers[i].granted)
            missing |= 1u << i;
    if (missing != core->stand.founding_waits_for)
        act_log(core, LOG_LEVEL_INFO, "founding_waits why=\"%s\"", why);
    core->stand.founding_waits_for = missing;
}

static bool any_unheard(const struct core *core)
{
    bool any = false;
    for (uint32_t i = 0; i < core->peer_count; i++)
        any = any || (core->peers[i].campaign_nonce != 0 && core->peers[i].unheard);
    return any;
}

static void round_failed(struct core *core)
{
    char text[CORE_TEXT_BYTES];
    describe_refusals(core, text);
    bool refused = count_votes(core).open == 0 && !any_unheard(core);
    become_withdrawn(core);
    if (core->stand.promote_ticket != 0 && refused)
        fail_promotion(core, text);
    if (core->stand.founding)
        log_founding_waits(core, text);
    else
        act_log(core, LOG_LEVEL_INFO, "campaign_failed why=\"%s\"", text);
    retry_later(core);
}

/* ---- The steps of a round -------------------------------------------------------------------- */

/* R30: while it probed it may have heard a primary, and promised it not to stand. */
static bool is_bound(const struct core *core)
{
    bool asks = !core->stand.forcing && !core->stand.transferring && !core->stand.founding;
    return asks && core->now_ns < lease_promised_until_ns(core);
}

/* Our own epoch, durable before anybody is asked for it (R22, R24). While the others were asked a
 * primary may have been heard, and its records or a rollback be on their way to the disk. */
static void promise(struct core *core)
{
    if (is_bound(core)) {
        become_withdrawn(core);
        stand_plan(core); /* again when the lease has ended */
        return;
    }
    if (!stand_may(core)) {
        round_failed(core);
        return;
    }
    core->epoch = core->stand.epoch;
    if (core->stand.founding)
        core->cluster_id = core->config.new_cluster_id;
    follow_reset(core);
    become_candidate(core, PHASE_PROMISING);
    /* R28: A forced epoch is stored with its EPOCH_START. Told before, it would leave the others in
     * a generation of which nobody holds anything, and in which nobody may be elected, should this
     * node end now. */
    if (!core->stand.forcing)
        work_save_hard_state(core);
    campaign_saved(core);
}

/* Founding: who answered the question whether it is blank said which disk it has. By force: those
 * who speak now, with the disks that they have now. Where the disks of a majority are lost nothing
 * could be committed any more by those that the log names, and no other disk admitted (R4); a new
 * generation asks nobody and owes the old one's votes nothing (R28). */
static void propose_own_members(struct core *core)
{
    struct members *members = &core->members_proposed;
    *members = *electorate(core);
    for (uint32_t i = 0; i < members->count; i++) {
        struct member *member = &members->list[i];
        const struct peer *peer = who_peer(core, member->id);
        if (node_id_equal(member->id, core->config.self)) {
            member->store_id = core->store_id;
            member->voter = member->voter || core->stand.forcing;
        } else if (core->stand.founding && peer != NULL) {
            member->store_id = peer->answer_store_id;
        } else if (core->stand.forcing && peer != NULL && who_speaks(core, peer)) {
            member->store_id = peer->store_id;
        }
    }
}

static void win(struct core *core)
{
    propose_own_members(core);
    become_opening(core);
}

static void weigh_founding(struct core *core)
{
    bool open;
    bool taken;
    if (all_blank(core, &open, &taken)) {
        promise(core);
        return;
    }
    if (taken) {
        act_log(core, LOG_LEVEL_INFO, "not_founding why=\"the cluster exists\"");
        become_withdrawn(core);
        core->stand.founding = false;
        stand_plan(core);
    } else if (!open) {
        round_failed(core);
    }
}

static void weigh(struct core *core)
{
    if (core->phase == PHASE_PROBING && core->stand.founding) {
        weigh_founding(core);
        return;
    }
    struct tally tally = count_votes(core);
    bool won = tally.granted >= majority_of(tally.voters);
    if (won && core->phase == PHASE_PROBING)
        promise(core);
    else if (won && core->phase == PHASE_VOTING)
        win(core);
    else if (!won && tally.open == 0)
        round_failed(core);
}

/* R53: nobody opens an epoch that nobody may adopt. */
static bool epochs_are_used_up(const struct core *core)
{
    return core->epoch.term + 1 >= LIMIT_EPOCH_END || core->epoch.generation + 1 >= LIMIT_EPOCH_END;
}

static void give_up_for_good(struct core *core)
{
    char text[EPOCH_TEXT_BYTES];
    if (!core->stand.end_logged)
        act_log(core, LOG_LEVEL_ERROR,
                "epochs_used_up epoch=%s way_out=\"kvctl export, and found a cluster anew; if the "
                "other nodes are in lower epochs: remove this one's data directory\"",
                epoch_text(core->epoch, text));
    core->stand.end_logged = true;
    if (core->stand.promote_ticket != 0)
        act_finish_text(core, core->stand.promote_ticket, CANDOR_FAILED_PRECONDITION,
                        CANDOR_REASON_NONE, (struct candor_pos){0},
                        "the epochs of this node are used up: it knows %s",
                        epoch_text(core->epoch, text));
    core->stand.promote_ticket = 0;
    core->stand.forcing = core->stand.transferring = false;
}

static void start_round(struct core *core)
{
    stand_at(core, UINT64_MAX);
    if (epochs_are_used_up(core)) {
        give_up_for_good(core);
        return;
    }
    core->stand.until_ns = core->now_ns + core->config.election_timeout_ns;
    core->stand.epoch = (struct candor_epoch){
        .generation = max_u64(core->epoch.generation, 1) + (core->stand.forcing ? 1 : 0),
        .term = core->epoch.term + 1,
        .owner = core->config.self,
    };
    /* R28: without votes; R26: the primary has asked, no need to probe */
    if (core->stand.forcing || core->stand.transferring) {
        promise(core);
        return;
    }
    become_candidate(core, PHASE_PROBING);
    ask_all(core, CORE_MSG_PRE_VOTE);
    weigh(core);
}

/* The writer works in order: what it was given before the promise is as durable as the promise
 * (R24). */
static bool promise_durable(const struct core *core)
{
    return who_hard_state_durable(core) || mutated(core, ASKS_BEFORE_DURABLE);
}

void campaign_saved(struct core *core)
{
    if (core->phase != PHASE_PROMISING || !promise_durable(core))
        return;
    ASSERT(epoch_equal(core->epoch, core->stand.epoch));
    if (core->stand.forcing) {
        win(core);
        return;
    }
    become_candidate(core, PHASE_VOTING);
    /* before it asks: who has not heard it from our stream cannot vote (R23) */
    status_publish(core);
    ask_all(core, CORE_MSG_VOTE);
    weigh(core);
}

/* ---- Answers --------------------------------------------------------------------------------- */

void campaign_answer(struct core *core, struct peer *peer, uint64_t nonce,
                     const struct core_msg *msg)
{
    /* R8: of another attempt */
    if (!stand_under_way(core) || nonce == 0 || nonce != peer->campaign_nonce || peer->answered)
        return;
    peer->answered = true;
    peer->granted = msg->vote_answer.granted;
    peer->blank = msg->vote_answer.blank;
    peer->answer_store_id = msg->header.store_id;
    memcpy(peer->refusal, msg->vote_answer.refusal, sizeof peer->refusal);
    peer->refusal[sizeof peer->refusal - 1] = '\0';
    peer->unheard = msg->vote_answer.unheard && !peer->granted;
    campaign_heard(core, peer); /* its stream may have overtaken its answer */
    weigh(core);
}

bool campaign_call_failed(struct core *core, uint64_t nonce)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (nonce == 0 || peer->campaign_nonce != nonce)
            continue;
        peer->failed = !peer->answered;
        if (stand_under_way(core) && core->phase != PHASE_PROMISING)
            weigh(core);
        return true;
    }
    return false;
}

/* ---- Operators, hints, time ------------------------------------------------------------------ */

void campaign_peer_lost(struct core *core, struct candor_node_id peer)
{
    if (!core->config.automatic_failover || core->phase >= PHASE_OPENING)
        return;
    if (node_id_equal(peer, core->hearing.live_owner))
        core->hearing.live_ns = 0;
    if (core->phase != PHASE_FOLLOWER || !core->follow.heard ||
        !node_id_equal(peer, core->epoch.owner))
        return;
    core->follow.suspect = true;
    if (stand_by_timer(core) && !core->stand.replan)
        core->stand.due_ns = min_u64(core->stand.due_ns, stand_timer_ns(core));
}

void campaign_tick(struct core *core)
{
    if (core->stand.promote_ticket != 0 && core->now_ns >= core->stand.promote_deadline_ns &&
        core->phase < PHASE_OPENING) {
        char text[CORE_TEXT_BYTES];
        describe_refusals(core, text);
        become_withdrawn(core);
        fail_promotion(core, text[0] == '\0' ? "the deadline passed" : text);
        stand_plan(core);
    }
    if (stand_under_way(core) && core->phase != PHASE_PROMISING &&
        core->now_ns >= core->stand.until_ns)
        round_failed(core);
    stand_settle(core);
    if (core->phase == PHASE_FOLLOWER && core->now_ns >= stand_begins_ns(core) && stand_may(core))
        start_round(core);
}

uint64_t campaign_wake_ns(const struct core *core)
{
    uint64_t wake_ns = UINT64_MAX;
    if (core->stand.promote_ticket != 0 && core->phase < PHASE_OPENING)
        wake_ns = core->stand.promote_deadline_ns;
    if (stand_under_way(core) && core->phase != PHASE_PROMISING)
        wake_ns = min_u64(wake_ns, core->stand.until_ns);
    /* Who may not stand yet waits for the writer, whose event comes by itself. */
    if (core->phase == PHASE_FOLLOWER && stand_may(core))
        wake_ns = min_u64(wake_ns, stand_begins_ns(core));
    return wake_ns;
}
