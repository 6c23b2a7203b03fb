#include <stdio.h>

#include "core/internal.h"

/* ---- Whether and when to stand ---------------------------------------------------------------------- */

static bool round_under_way(const struct core *core)
{
    return core->phase > PHASE_FOLLOWER && core->phase < PHASE_OPENING;
}

static bool stands_by_timer(const struct core *core)
{
    return core->config.automatic_failover && is_voter(core) && is_admitted(core) &&
           !core->fork.forked;
}

/* R22: a random time in [T, 2T] after the last heartbeat; at once when its connection closed. */
static uint64_t timer_due_ns(struct core *core)
{
    uint64_t t_ns = core->config.election_timeout_ns;
    if (core->follow.suspect)
        return core->now_ns + rng_below(&core->rng, core->config.heartbeat_interval_ns / 4 + 1);
    /* Who has no room for the EPOCH_START lets the others go first. */
    uint64_t least_ns = core->room.lacking ? 3 * t_ns : t_ns;
    return core->now_ns + least_ns + rng_below(&core->rng, t_ns + 1);
}

void plan_campaign(struct core *core)
{
    core->stand.due_ns = UINT64_MAX;
    if (core->phase != PHASE_FOLLOWER)
        return;
    if (core->stand.promote_ticket != 0 || core->stand.founding || core->stand.resuming)
        core->stand.due_ns = core->now_ns;
    else if (stands_by_timer(core))
        core->stand.due_ns = timer_due_ns(core);
}

static void retry_later(struct core *core)
{
    if (core->stand.promote_ticket != 0 || core->stand.founding || core->stand.resuming)
        core->stand.due_ns = core->now_ns + jitter(core, 2 * core->config.heartbeat_interval_ns);
    else
        plan_campaign(core);
}

/* R28: a forced promotion left the history of those who hold nothing of its generation. By the members that they know they
 * might elect each other, or themselves, over it; they wait for its primary, or for another forced promotion. */
static bool is_of_this_generation(const struct core *core)
{
    return durable_pos(core).epoch.generation == core->epoch.generation ||
           node_id_equal(core->epoch.owner, core->config.self);
}

/* R24: the own log is durable, and nothing is about to change it. */
static bool may_stand(const struct core *core)
{
    if (core->writer.owed.count > 0 || core->follow.attach == ATTACH_TRUNCATING ||
        core->follow.attach == ATTACH_INSTALLING || core->fork.forked || !lives_sure(core))
        return false;
    if (core->doubt.outvoted && !core->stand.forcing)
        return false;
    if (core->stand.founding)
        return is_blank(core);
    if (core->stand.forcing)
        return !is_blank(core);
    return is_admitted(core) && is_voter(core) && is_of_this_generation(core);
}

/* When the round that is planned may begin: not while another node's lease runs, unless it is asked for by that node, or asks
 * nobody (R30). */
static uint64_t round_begins_ns(const struct core *core)
{
    if (core->stand.forcing || core->stand.transferring || core->stand.founding)
        return core->stand.due_ns;
    return max_u64(core->stand.due_ns, lease_promised_until_ns(core));
}

void campaign_cancel(struct core *core)
{
    if (!round_under_way(core))
        return;
    core->phase = PHASE_FOLLOWER;
    core->stand.transferring = false;
    for (uint32_t i = 0; i < core->peer_count; i++)
        core->peers[i].campaign_nonce = 0;
}

/* ---- Asking ----------------------------------------------------------------------------------------- */

static const struct members *electorate(const struct core *core)
{
    return core->stand.founding ? &core->config.configured : &core->log.members;
}

static bool peer_votes(const struct core *core, const struct peer *peer)
{
    const struct member *member = members_find(electorate(core), peer->id);
    return member != NULL && member->voter;
}

static void ask(struct core *core, struct peer *peer, enum core_msg_type type)
{
    struct core_msg *msg = message_new(core, type);
    msg->vote.epoch = core->stand.epoch;
    msg->vote.last = durable_pos(core);
    msg->vote.transfer = core->stand.transferring;
    peer->answered = peer->granted = peer->failed = peer->unheard = false;
    peer->campaign_nonce = call(core, peer->id, msg);
}

static void ask_all(struct core *core, enum core_msg_type type)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        peer->campaign_nonce = 0;
        peer->answered = peer->granted = peer->failed = peer->unheard = false;
        peer->refusal[0] = '\0';
        if (peer_votes(core, peer) || (core->stand.founding && type == CORE_MSG_PRE_VOTE))
            ask(core, peer, type);
    }
}

/* Its own stream says that it has adopted the epoch now: whoever could not answer before can do it now (R23). */
void campaign_heard(struct core *core, struct peer *peer)
{
    bool missing = peer->unheard || peer->failed;
    if (core->phase == PHASE_VOTING && missing && peer_votes(core, peer) &&
        epoch_equal(peer->epoch, core->epoch))
        ask(core, peer, CORE_MSG_VOTE);
}

/* ---- Counting --------------------------------------------------------------------------------------- */

struct tally {
    uint32_t voters;
    uint32_t granted; /* the own vote included */
    uint32_t open;    /* asked, not answered yet */
};

static struct tally count_votes(const struct core *core)
{
    struct tally tally = {.voters = members_voters(electorate(core)),
                          .granted = is_voter(core) ? 1 : 0};
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (peer->campaign_nonce == 0 || !peer_votes(core, peer))
            continue;
        bool will_hear = peer->unheard && core->phase == PHASE_VOTING;
        if ((!peer->answered && !peer->failed) || will_hear)
            tally.open++;
        /* R4: only the admitted disk of a voter counts. */
        bool counts =
            core->stand.founding || peer_is_member(core, peer) || mutated(core, JOINING_VOTES);
        if (peer->granted && counts)
            tally.granted++;
    }
    return tally;
}

/* The cluster is founded only when every node is there and blank. A reader that does not answer may hold the cluster already: it may
 * have become a voter since the topology was written, and this node's own disk may be the lost one. */
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
    if (peer->campaign_nonce == 0 && !peer_votes(core, peer))
        return NULL;
    if (!peer->answered)
        return "no answer";
    if (!peer->granted)
        return peer->refusal[0] != '\0' ? peer->refusal : "it refused";
    bool counts = core->stand.founding || peer_is_member(core, peer);
    return counts ? NULL : "its disk is not admitted";
}

static void describe_one(char text[CORE_TEXT_BYTES], struct node_id id, const char *why)
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
            find_peer(core, member->id) == NULL)
            describe_one(text, member->id, "this node's topology does not name it");
    }
}

static void fail_promotion(struct core *core, const char *text)
{
    finish_text(core, core->stand.promote_ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_MAJORITY,
                (struct pos){0}, "no majority of the voters: %s", text);
    core->stand.promote_ticket = 0;
    core->stand.forcing = false;
}

/* A full disk, it may be for long: whoever forced it is told, and may do it again. */
void campaign_not_stored(struct core *core, const struct core_event *event)
{
    if (!core->stand.forcing)
        return;
    finish_text(core, core->stand.promote_ticket, event->appended.code, event->appended.reason,
                (struct pos){0}, "the record that opens the new epoch could not be stored here");
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
        log_line(core, LOG_LEVEL_INFO, "founding_waits why=\"%s\"", why);
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
    campaign_cancel(core);
    if (core->stand.promote_ticket != 0 && refused)
        fail_promotion(core, text);
    if (core->stand.founding)
        log_founding_waits(core, text);
    else
        log_line(core, LOG_LEVEL_INFO, "campaign_failed why=\"%s\"", text);
    retry_later(core);
}

/* ---- The steps of a round --------------------------------------------------------------------------- */

/* Our own epoch, durable before anybody is asked for it (R22, R24). While the others were asked a primary may have been
 * heard, and its records or a rollback be on their way to the disk. */
static void promise(struct core *core)
{
    if (!may_stand(core)) {
        round_failed(core);
        return;
    }
    core->epoch = core->stand.epoch;
    if (core->stand.founding)
        core->cluster_id = core->config.new_cluster_id;
    replica_reset(core);
    core->phase = PHASE_PROMISING;
    /* R28: A forced epoch is stored with its EPOCH_START. Told before, it would leave the others in a generation of which nobody
     * holds anything, and in which nobody may be elected, should this node end now. */
    if (!core->stand.forcing)
        save_hard_state(core);
    campaign_saved(core);
}

/* Founding: who answered the question whether it is blank said which disk it has. By force: those who speak now, with the disks that
 * they have now. Where the disks of a majority are lost nothing could be committed any more by those that the log names, and no
 * other disk admitted (R4); a new generation asks nobody and owes the old one's votes nothing (R28). */
static void propose_own_members(struct core *core)
{
    struct members *members = &core->members_proposed;
    *members = *electorate(core);
    for (uint32_t i = 0; i < members->count; i++) {
        struct member *member = &members->list[i];
        const struct peer *peer = find_peer(core, member->id);
        if (node_id_equal(member->id, core->config.self)) {
            member->store_id = core->store_id;
            member->voter = member->voter || core->stand.forcing;
        } else if (core->stand.founding && peer != NULL) {
            member->store_id = peer->answer_store_id;
        } else if (core->stand.forcing && peer != NULL && peer->heard &&
                   core->now_ns - peer->heard_ns < silence_ns(core)) {
            member->store_id = peer->store_id;
        }
    }
}

static void win(struct core *core)
{
    propose_own_members(core);
    primary_open(core);
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
        log_line(core, LOG_LEVEL_INFO, "not_founding why=\"the cluster exists\"");
        campaign_cancel(core);
        core->stand.founding = false;
        plan_campaign(core);
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
    bool won = tally.granted >= tally.voters / 2 + 1;
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
        log_line(core, LOG_LEVEL_ERROR,
                 "epochs_used_up epoch=%s way_out=\"kvctl export, and found a cluster anew; if the "
                 "other nodes are in lower epochs: remove this one's data directory\"",
                 epoch_text(core->epoch, text));
    core->stand.end_logged = true;
    if (core->stand.promote_ticket != 0)
        finish_text(core, core->stand.promote_ticket, CANDOR_FAILED_PRECONDITION,
                    CANDOR_REASON_NONE, (struct pos){0},
                    "the epochs of this node are used up: it knows %s",
                    epoch_text(core->epoch, text));
    core->stand.promote_ticket = 0;
    core->stand.forcing = core->stand.transferring = false;
}

static void start_round(struct core *core)
{
    core->stand.due_ns = UINT64_MAX;
    if (epochs_are_used_up(core)) {
        give_up_for_good(core);
        return;
    }
    core->stand.until_ns = core->now_ns + core->config.election_timeout_ns;
    core->stand.epoch = (struct epoch){
        .generation = max_u64(core->epoch.generation, 1) + (core->stand.forcing ? 1 : 0),
        .term = core->epoch.term + 1,
        .owner = core->config.self,
    };
    if (core->stand.forcing ||
        core->stand
            .transferring) { /* R28: without votes; R26: the primary has asked, no need to probe */
        promise(core);
        return;
    }
    core->phase = PHASE_PROBING;
    ask_all(core, CORE_MSG_PRE_VOTE);
    weigh(core);
}

/* The writer works in order: what it was given before the promise is as durable as the promise (R24). */
static bool promise_durable(const struct core *core)
{
    return hard_state_durable(core) || mutated(core, ASKS_BEFORE_DURABLE);
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
    core->phase = PHASE_VOTING;
    publish_status(
        core); /* before it asks: who has not heard it from our stream cannot vote (R23) */
    ask_all(core, CORE_MSG_VOTE);
    weigh(core);
}

void campaign_opened(struct core *core)
{
    core->stand.founding = core->stand.resuming = core->stand.forcing = core->stand.transferring =
        false;
    core->stand.due_ns = UINT64_MAX;
    if (core->stand.promote_ticket == 0)
        return;
    finish(core, core->stand.promote_ticket, CANDOR_OK, CANDOR_REASON_NONE,
           (struct pos){core->epoch, core->lead.epoch_first}, ACK_NONE);
    core->stand.promote_ticket = 0;
}

/* ---- Answers ---------------------------------------------------------------------------------------- */

void campaign_answer(struct core *core, struct peer *peer, uint64_t nonce,
                     const struct core_msg *msg)
{
    if (!round_under_way(core) || nonce == 0 || nonce != peer->campaign_nonce || peer->answered)
        return; /* R8: of another attempt */
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
        if (round_under_way(core) && core->phase != PHASE_PROMISING)
            weigh(core);
        return true;
    }
    return false;
}

/* ---- Voting for others (R23) ------------------------------------------------------------------------ */

static bool hears_live_primary(const struct core *core, const struct peer *candidate)
{
    uint64_t t_ns = core->config.election_timeout_ns;
    if (core->phase == PHASE_PRIMARY)
        return saturating_sub(core->now_ns,
                              max_u64(core->lead.confirmed_ns, core->lead.opened_ns)) < t_ns;
    return core->hearing.live_ns != 0 && core->now_ns - core->hearing.live_ns < t_ns &&
           !node_id_equal(core->hearing.live_owner, candidate->id);
}

/* Who is not heard could neither be voted for nor followed: its epoch would be opened for nothing. */
static bool hears_stream_of(const struct core *core, const struct peer *candidate)
{
    return candidate->heard && core->now_ns - candidate->heard_ns < silence_ns(core);
}

/* R26: the primary wants it itself, and has said so on its own stream. */
static bool is_successor(const struct core *core, struct node_id node)
{
    return node_id_equal(core->hearing.successor, node) || mutated(core, TRANSFER_UNNAMED);
}

/* Why not; NULL: the vote is given. A disk that is not admitted, or a reader, may say yes, since it may be a voter without
 * knowing it yet: the candidate counts only the disks and voters that its own log has admitted, and such a log holds all that
 * a lost disk had acknowledged (R4, R29). */
static const char *refusal(struct core *core, const struct peer *candidate,
                           const struct core_msg *msg, bool *unheard, char text[CORE_REFUSAL_BYTES])
{
    char mine[POS_TEXT_BYTES];
    if (candidate == NULL)
        return "a foreign cluster or an unknown node";
    if (!node_id_equal(msg->vote.epoch.owner, candidate->id))
        return "the epoch names another owner";
    if (is_blank(core) && msg->vote.last.seq == 0 &&
        !node_id_equal(candidate->id, core->config.initial_primary))
        return "this node is blank, and only the initial primary founds a cluster";
    *unheard = !lives_sure(core);
    if (*unheard)
        return "it has just started, and does not know yet whether its disk is the newest";
    /* A FORKED node votes, but never stands: its log is of an older generation than any that it can help to win. */
    int order = epoch_compare(msg->vote.epoch, core->epoch);
    if (order < 0 || (order == 0 && msg->type == CORE_MSG_PRE_VOTE)) {
        snprintf(text, CORE_REFUSAL_BYTES, "it knows epoch %s",
                 epoch_text(shown_epoch(core), mine));
        return text;
    }
    /* The request may be anybody's; what the candidate's stream says is the candidate's (R49, R50). */
    *unheard = msg->type == CORE_MSG_VOTE ? order > 0 : !hears_stream_of(core, candidate);
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
    struct pos own = durable_pos(core);
    if (pos_compare(msg->vote.last, own) < 0 && !mutated(core, VOTE_ANY_LOG)) {
        snprintf(text, CORE_REFUSAL_BYTES, "its log is longer: %s", pos_text(own, mine));
        return text;
    }
    return NULL;
}

static void answer_vote(struct core *core, uint64_t ticket, const char *why, bool unheard)
{
    struct core_msg *reply = message_new(core, CORE_MSG_VOTE_ANSWER);
    reply->vote_answer.granted = why == NULL;
    reply->vote_answer.blank = is_blank(core);
    reply->vote_answer.unheard = unheard;
    snprintf(reply->vote_answer.refusal, sizeof reply->vote_answer.refusal, "%s",
             why == NULL ? "" : why);
    answer(core, ticket, reply);
}

/* R1: the promise is on disk before it is given. */
static void grant(struct core *core, uint64_t ticket, const struct core_msg *msg)
{
    if (core->votes.count == PENDING_ANSWERS) {
        answer_vote(core, ticket, "too many votes are being saved", true);
        return;
    }
    ASSERT(epoch_equal(msg->vote.epoch, core->epoch)); /* adopted from a stream: R50 */
    if (hard_state_durable(core) || mutated(core, VOTE_NOT_PERSISTED)) {
        answer_vote(core, ticket, NULL, false);
        return;
    }
    core->votes.list[core->votes.count++] = (struct pending_answer){
        .ticket = ticket, .hard_version = core->hard.version, .epoch = msg->vote.epoch};
}

void campaign_vote_request(struct core *core, struct peer *peer, uint64_t ticket,
                           const struct core_msg *msg)
{
    char text[CORE_REFUSAL_BYTES];
    bool unheard = false;
    const char *why = refusal(core, peer, msg, &unheard, text);
    if (why != NULL || msg->type == CORE_MSG_PRE_VOTE)
        answer_vote(core, ticket, why, unheard);
    else
        grant(core, ticket, msg);
}

void campaign_votes_saved(struct core *core)
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

/* R26. It says yes when it can stand at once; whether it wins the old primary learns from its epoch. */
void campaign_transfer_request(struct core *core, struct peer *peer, uint64_t ticket,
                               const struct core_msg *msg)
{
    const char *why = NULL;
    if (peer == NULL || !epoch_equal(msg->header.epoch, core->epoch) ||
        !node_id_equal(peer->id, core->epoch.owner))
        why = "only the primary of this epoch can hand it over";
    else if (!core->follow.heard || !is_successor(core, core->config.self))
        why = "the primary's own stream does not name it";
    else if (core->phase != PHASE_FOLLOWER || core->follow.attach != ATTACH_DONE ||
             !may_stand(core))
        why = "it cannot stand at once";
    answer_vote(core, ticket, why, false);
    if (why != NULL)
        return;
    core->stand.transferring = true;
    core->stand.due_ns = core->now_ns;
}

/* ---- Operators, hints, time -------------------------------------------------------------------------- */

/* A forced EPOCH_START that named disks which are lost, because the new ones were not heard yet, can never be committed. */
static bool names_lost_disks(const struct core *core)
{
    if (core->phase != PHASE_PRIMARY || core->log.commit >= core->lead.epoch_first)
        return false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        bool speaks = peer->heard && core->now_ns - peer->heard_ns < silence_ns(core);
        if (speaks && peer_votes(core, peer) && !peer_is_member(core, peer))
            return true;
    }
    return false;
}

void campaign_promote(struct core *core, const struct core_event *event)
{
    struct pos none = {0};
    const char *why = NULL;
    if (event->promote.force && names_lost_disks(core))
        primary_step_down(core, "a forced promotion is to name other disks");
    if (core->phase == PHASE_PRIMARY) {
        finish(core, event->ticket, CANDOR_OK, CANDOR_REASON_NONE,
               (struct pos){core->epoch, core->lead.epoch_first}, ACK_NONE);
        return;
    }
    if (core->stand.promote_ticket != 0)
        why = "a promotion is under way already";
    else if (core->fork.forked)
        why = "this node is FORKED: kvctl accept-history first";
    else if (!event->promote.force && core->doubt.outvoted)
        why = "this node is DOUBTFUL: its data differ from those of the others";
    else if (is_blank(core))
        why = "this node holds no data";
    else if (!event->promote.force && !is_voter(core))
        why = "this node is a reader; only a voter can be elected";
    else if (!event->promote.force && !is_admitted(core))
        why = "this node's disk is not admitted yet";
    else if (!event->promote.force && !is_of_this_generation(core))
        why = "a forced promotion was made without this node: let it catch up, or force again";
    if (why != NULL) {
        finish_text(core, event->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE, none, "%s",
                    why);
        return;
    }
    core->stand.promote_ticket = event->ticket;
    core->stand.promote_deadline_ns = event->promote.deadline_ns;
    core->stand.forcing = event->promote.force;
    campaign_cancel(core);
    plan_campaign(core);
}

void campaign_peer_lost(struct core *core, struct node_id peer)
{
    if (!core->config.automatic_failover || core->phase >= PHASE_OPENING)
        return;
    if (node_id_equal(peer, core->hearing.live_owner))
        core->hearing.live_ns = 0;
    if (core->phase != PHASE_FOLLOWER || !core->follow.heard ||
        !node_id_equal(peer, core->epoch.owner))
        return;
    core->follow.suspect = true;
    if (stands_by_timer(core))
        core->stand.due_ns = min_u64(core->stand.due_ns, timer_due_ns(core));
}

void campaign_tick(struct core *core)
{
    if (core->stand.promote_ticket != 0 && core->now_ns >= core->stand.promote_deadline_ns &&
        core->phase < PHASE_OPENING) {
        char text[CORE_TEXT_BYTES];
        describe_refusals(core, text);
        campaign_cancel(core);
        fail_promotion(core, text[0] == '\0' ? "the deadline passed" : text);
        plan_campaign(core);
    }
    if (round_under_way(core) && core->phase != PHASE_PROMISING &&
        core->now_ns >= core->stand.until_ns)
        round_failed(core);
    if (core->phase == PHASE_FOLLOWER && core->now_ns >= round_begins_ns(core) && may_stand(core))
        start_round(core);
}

uint64_t campaign_wake_ns(const struct core *core)
{
    uint64_t wake_ns = UINT64_MAX;
    if (core->stand.promote_ticket != 0 && core->phase < PHASE_OPENING)
        wake_ns = core->stand.promote_deadline_ns;
    if (round_under_way(core) && core->phase != PHASE_PROMISING)
        wake_ns = min_u64(wake_ns, core->stand.until_ns);
    /* Who may not stand yet waits for the writer, whose event comes by itself. */
    if (core->phase == PHASE_FOLLOWER && may_stand(core))
        wake_ns = min_u64(wake_ns, round_begins_ns(core));
    return wake_ns;
}
