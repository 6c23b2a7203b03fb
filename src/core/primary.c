#include <stdlib.h>

#include "core/internal.h"

/* ---- Writes that wait ------------------------------------------------------------------------------- */

static void ring_push(struct write_ring *ring, struct pending_write write)
{
    if (ring->count == ring->capacity) {
        uint32_t capacity = ring->capacity == 0 ? 64 : ring->capacity * 2;
        struct pending_write *list = malloc(capacity * sizeof *list);
        ASSERT(list != NULL);
        for (uint32_t i = 0; i < ring->count; i++)
            list[i] = ring->list[(ring->head + i) % ring->capacity];
        free(ring->list);
        *ring = (struct write_ring){list, capacity, 0, ring->count};
    }
    ring->list[(ring->head + ring->count++) % ring->capacity] = write;
}

static struct pending_write *ring_at(const struct write_ring *ring, uint32_t i)
{
    return &ring->list[(ring->head + i) % ring->capacity];
}

static struct pending_write ring_pop(struct write_ring *ring)
{
    ASSERT(ring->count > 0);
    struct pending_write write = *ring_at(ring, 0);
    ring->head = (ring->head + 1) % ring->capacity;
    ring->count--;
    return write;
}

void write_ring_free(struct write_ring *ring)
{
    free(ring->list);
    *ring = (struct write_ring){0};
}

/* ---- Confirmed leadership (R31) --------------------------------------------------------------------- */

/* The k-th largest of what the voters reached, k = a majority: what a majority has at least. */
static uint64_t majority_reached(uint64_t *reached, uint32_t count, uint32_t voters)
{
    for (uint32_t i = 1; i < count; i++) /* insertion sort, descending: at most 32 */
        for (uint32_t j = i; j > 0 && reached[j - 1] < reached[j]; j--) {
            uint64_t swap = reached[j];
            reached[j] = reached[j - 1];
            reached[j - 1] = swap;
        }
    uint32_t majority = voters / 2 + 1;
    return majority <= count ? reached[majority - 1] : 0;
}

/* Gathers one figure of every voter: the own one, and `of` of each peer whose store is admitted (R4). */
static uint64_t of_majority(const struct core *core, uint64_t own,
                            uint64_t (*of)(const struct core *core, const struct peer *peer))
{
    uint64_t reached[LIMIT_NODES] = {0};
    uint32_t count = 0;
    uint32_t voters = members_voters(&core->members); /* R17 */
    const struct member *me = members_find(&core->members, core->config.self);
    if (me != NULL && me->voter)
        reached[count++] = own;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        const struct member *member = members_find(&core->members, peer->id);
        if (member == NULL || !member->voter)
            continue;
        reached[count++] = peer_is_member(core, peer) ? of(core, peer) : 0;
    }
    if (mutated(core, CORE_MUTATION_COMMIT_ALIVE)) {
        voters = 0;
        for (uint32_t i = 0; i < count; i++)
            voters += reached[i] > 0;
    }
    return majority_reached(reached, count, voters);
}

static uint64_t answered_of(const struct core *core, const struct peer *peer)
{
    (void)core;
    return peer->answered_hb;
}

static void confirm(struct core *core)
{
    uint64_t confirmed = of_majority(core, core->hb_id, answered_of);
    bool remembered = core->hb_id - confirmed < LIMIT_HEARTBEATS_IN_FLIGHT;
    if (confirmed <= core->confirmed_hb || !remembered)
        return;
    core->confirmed_hb = confirmed;
    core->confirmed_ns = core->hb_sent[confirmed % LIMIT_HEARTBEATS_IN_FLIGHT].ns;
    core->confirmed_last = core->hb_sent[confirmed % LIMIT_HEARTBEATS_IN_FLIGHT].last;
}

/* ---- Commit (R16) ----------------------------------------------------------------------------------- */

static uint64_t match_of(const struct core *core, const struct peer *peer)
{
    (void)core;
    return peer->match;
}

static uint64_t lowest_voter_match(const struct core *core)
{
    uint64_t lowest = core->durable;
    for (uint32_t i = 0; i < core->members.count; i++) {
        const struct member *member = &core->members.list[i];
        if (!member->voter || node_id_equal(member->id, core->config.self))
            continue;
        uint64_t match = 0;
        for (uint32_t j = 0; j < core->peer_count; j++)
            if (node_id_equal(core->peers[j].id, member->id) &&
                peer_is_member(core, &core->peers[j]))
                match = core->peers[j].match;
        lowest = min_u64(lowest, match);
    }
    return lowest;
}

static void finish_write(struct core *core, const struct pending_write *write, enum ack_level ack)
{
    finish(core, write->ticket, CANDOR_OK, CANDOR_REASON_NONE,
           (struct pos){core->epoch, write->last_seq}, ack);
}

/* R21: the caller learns that it does not know, and what to ask for. */
static void finish_unknown(struct core *core, const struct pending_write *write,
                           enum candor_code code, const char *why)
{
    struct pos pos = {core->epoch, write->last_seq};
    finish_text(core, write->ticket, code, CANDOR_REASON_OUTCOME_UNKNOWN, pos,
                "%s: the write may or may not survive", why);
}

/* MAJORITY and ALL: in order of seq, so an ALL write holds back only itself. */
static void release_voters(struct core *core)
{
    uint64_t all = lowest_voter_match(core);
    uint32_t count = core->with_voters.count;
    for (uint32_t i = 0; i < count; i++) {
        struct pending_write write = ring_pop(&core->with_voters);
        if (write.last_seq <= core->commit && (write.ack == ACK_MAJORITY || write.last_seq <= all))
            finish_write(core, &write, write.ack);
        else if (core->now_ns >= write.deadline_ns)
            finish_unknown(core, &write, CANDOR_DEADLINE_EXCEEDED, "the deadline passed");
        else
            ring_push(&core->with_voters, write);
    }
}

static void advance_commit(struct core *core)
{
    uint64_t own = core->durable;
    if (mutated(core, CORE_MUTATION_COMMIT_WITHOUT_SELF))
        own = core->last + core->records_with_writer;
    uint64_t reached = min_u64(of_majority(core, own, match_of), own);
    bool of_this_epoch =
        reached >= core->epoch_first || mutated(core, CORE_MUTATION_COMMIT_OLD_EPOCH);
    if (reached > core->commit && of_this_epoch) {
        core->commit = reached;
        act(core, CORE_ACTION_COMMIT)->seq = reached;
    }
    if (core->with_voters.count > 0)
        release_voters(core);
}

/* ---- Opening and closing a reign -------------------------------------------------------------------- */

static void forget_progress(struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        peer->match = 0;
        peer->answered_hb = 0;
        peer->sample_count = 0;
        peer->has_echo = false;
        peer->echo_ts_ns = 0;
    }
    core->hb_id = 0;
    core->confirmed_hb = 0;
    core->confirmed_ns = 0;
    core->confirm_wanted = false;
    core->members_in_flight = false;
    core->members_seq = 0;
}

void primary_open(struct core *core)
{
    ASSERT(node_id_equal(core->epoch.owner, core->config.self));
    ASSERT(settled(core) && hard_state_durable(core));
    ASSERT_U64(core->last, ==, core->durable);
    core->phase = PHASE_OPENING;
    forget_progress(core);
    struct core_action *action = give_work(core, CORE_ACTION_EPOCH_START);
    action->epoch = core->epoch;
    action->cluster_id = core->cluster_id;
    action->members = &core->members_proposed;
}

void primary_step_down(struct core *core, const char *why)
{
    ASSERT(core->phase >= PHASE_OPENING);
    log_line(core, LOG_LEVEL_WARN, "stepped_down why=\"%s\"", why);
    if (core->phase == PHASE_PRIMARY)
        reign_closed(core);
    core->phase = PHASE_FOLLOWER;
    primary_deposed(core, core->epoch);
    /* Those with the writer are finished when it answers (R19); those with the voters now (R21). */
    while (core->with_voters.count > 0) {
        struct pending_write write = ring_pop(&core->with_voters);
        finish_unknown(core, &write, CANDOR_UNKNOWN, "the primary stepped down");
    }
    forget_progress(core);
    replica_reset(core);
    core->resuming = !core->config.automatic_failover;
}

static void opened(struct core *core, uint64_t first_seq)
{
    core->epoch_first = first_seq;
    core->phase = PHASE_PRIMARY;
    core->opened_ns = core->now_ns;
    core->heartbeat_due_ns = core->now_ns;
    char text[EPOCH_TEXT_BYTES];
    log_line(core, LOG_LEVEL_INFO, "primary epoch=%s first_seq=%" PRIu64,
             epoch_text(core->epoch, text), core->epoch_first);
    reign_opened(core);
    campaign_opened(core);
}

void primary_continue(struct core *core)
{
    struct core_actions none = {0};
    core->actions = &none;
    opened(core, core->history.starts[core->history.count - 1].first_seq);
    core_actions_free(&none);
    core->actions = NULL;
}

static void publish_records(struct core *core, struct slice batches)
{
    if (batches.length == 0)
        return;
    struct core_msg *msg = message_new(core, CORE_MSG_RECORDS);
    msg->records.batches = batches;
    msg->records.commit = core->commit;
    publish(core, msg);
}

/* EPOCH_START and MEMBERS of the reign under way. */
void primary_appended(struct core *core, const struct core_event *event)
{
    if (event->appended.code != CANDOR_OK) {
        core->members_in_flight = false;
        if (core->phase == PHASE_OPENING)
            primary_step_down(core, "EPOCH_START could not be stored");
        plan_campaign(core);
        return;
    }
    if (core->phase == PHASE_OPENING) {
        opened(core, event->appended.first_seq);
    } else {
        core->members_in_flight = false;
        core->members_seq = event->appended.first_seq;
    }
    publish_records(core, event->appended.batches);
    advance_commit(core);
}

/* ---- Writes ----------------------------------------------------------------------------------------- */

static bool writer_stalled(const struct core *core)
{
    return core->work_outstanding > 0 &&
           saturating_sub(core->now_ns, core->work_since_ns) > core->config.writer_stall_ns;
}

/* I8: what a session writes comes after all that it has seen, or not at all. A token of this epoch was given by this primary. */
static bool refuse_session(struct core *core, uint64_t ticket, struct pos token)
{
    char text[POS_TEXT_BYTES];
    int order = epoch_compare(token.epoch, core->epoch);
    if (token.seq == 0 || order == 0 || mutated(core, CORE_MUTATION_SESSION_UNJUDGED))
        return false;
    enum verdict verdict = order < 0 ? judge_session(core, token) : STILL_WAITING;
    if (verdict == READY)
        return false;
    if (verdict == LOST)
        finish_lost(core, ticket, token);
    else
        finish_text(
            core, ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_SESSION_BEHIND, durable_pos(core),
            order > 0 ? "the session has seen %s: this primary was deposed and is about to learn it"
                      : "whether the session's %s survived is not decided yet: the new epoch is "
                        "not committed",
            pos_text(token, text));
    return true;
}

static bool refuse_write(struct core *core, const struct core_event *event)
{
    struct pos none = {0};
    if (core->phase != PHASE_PRIMARY) {
        finish(core, event->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NOT_PRIMARY, none,
               ACK_NONE);
        return true;
    }
    if (core->transfer.ticket != 0) {
        finish_text(core, event->ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_PRIMARY, none,
                    "leadership is being handed to %s", core->transfer.to.text);
        return true;
    }
    if (refuse_session(core, event->ticket, event->write.token))
        return true;
    if (core->with_writer.count + core->with_voters.count >= LIMIT_PENDING_WRITES) {
        finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, none,
                    "%d writes are waiting already", LIMIT_PENDING_WRITES);
        return true;
    }
    uint64_t uncommitted = saturating_sub(core->durable, core->commit) + core->records_with_writer;
    if (uncommitted + event->write.records > core->config.max_uncommitted) { /* R20 */
        finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, none,
                    "%" PRIu64 " records are not committed yet, limits.max_uncommitted is %" PRIu64
                    ": a majority of the voters does not answer",
                    uncommitted, core->config.max_uncommitted);
        return true;
    }
    return false;
}

void primary_write(struct core *core, const struct core_event *event)
{
    if (refuse_write(core, event))
        return;
    struct pending_write write = {
        .ticket = event->ticket,
        .ack = event->write.ack,
        .deadline_ns = event->write.deadline_ns,
        .records = event->write.records,
    };
    if (mutated(core, CORE_MUTATION_ACK_BEFORE_FSYNC) && write.ack == ACK_LOCAL) {
        finish(core, write.ticket, CANDOR_OK, CANDOR_REASON_NONE,
               (struct pos){core->epoch, core->last + core->records_with_writer + write.records},
               ACK_LOCAL);
        write.ack = ACK_NONE;
    }
    ring_push(&core->with_writer, write);
    core->records_with_writer += write.records;
    struct core_action *action = give_work(core, CORE_ACTION_WRITE);
    action->ticket = event->ticket;
    action->epoch = core->epoch;
}

void writer_answered_write(struct core *core, const struct core_event *event)
{
    struct pending_write write = ring_pop(&core->with_writer);
    ASSERT_U64(write.ticket, ==, event->appended.ticket);
    core->records_with_writer -= write.records;
    write.last_seq = event->appended.last_seq;
    bool reigns = core->phase == PHASE_PRIMARY && epoch_equal(event->appended.epoch, core->epoch);
    if (reigns)
        publish_records(core, event->appended.batches);
    else
        reigns = mutated(core, CORE_MUTATION_ACK_OLD_EPOCH);

    if (write.ack == ACK_NONE)
        ; /* acknowledged already: a mutation */
    else if (event->appended.code == CANDOR_RESOURCE_EXHAUSTED)
        finish_text(core, write.ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_DISK_FULL,
                    (struct pos){0}, "the primary's disk is full: nothing was written");
    else if (event->appended.code != CANDOR_OK)
        finish_text(core, write.ticket, event->appended.code, CANDOR_REASON_NONE, (struct pos){0},
                    "the write was not stored");
    else if (!reigns) /* R19 */
        finish_unknown(core, &write, CANDOR_UNKNOWN, "the primary was deposed");
    else if (write.ack == ACK_LOCAL)
        finish_write(core, &write, ACK_LOCAL);
    else
        ring_push(&core->with_voters, write);
    if (core->phase == PHASE_PRIMARY)
        advance_commit(core);
}

/* ---- Replicas, as the primary sees them -------------------------------------------------------------- */

static void note_answer(const struct core *core, struct peer *peer, uint64_t hb_id)
{
    if (hb_id <= core->hb_id) /* what was never sent nobody can have heard: hostile */
        peer->answered_hb = max_u64(peer->answered_hb, hb_id);
}

/* The oldest samples stay: s_conf reaches them first, so a burst of statuses cannot starve the echo. */
static void note_sample(struct core *core, struct peer *peer, uint64_t ts_ns)
{
    if (peer->sample_count < SAMPLES)
        peer->samples[peer->sample_count++] = (struct sample){ts_ns, core->now_ns};
}

void primary_status(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    if (!epoch_equal(msg->header.epoch, core->epoch))
        return; /* R7 */
    note_answer(core, peer, msg->status.hb_id);
    note_sample(core, peer, msg->status.ts_ns);
    uint64_t match = min_u64(msg->status.match, msg->status.durable);
    if (!mutated(core, CORE_MUTATION_MATCH_UNATTACHED) &&
        !mutated(core, CORE_MUTATION_COMMIT_WITHOUT_SELF) &&
        !mutated(core, CORE_MUTATION_OLD_BOOT_ACCEPTED))
        match = min_u64(match, core->durable); /* nobody can match what is not here: hostile */
    peer->match = max_u64(peer->match, match);
    confirm(core);
    advance_commit(core);
}

static void propose_members(struct core *core, const struct members *members)
{
    core->members_proposed = *members;
    core->members_in_flight = true;
    struct core_action *action = give_work(core, CORE_ACTION_MEMBERS);
    action->epoch = core->epoch;
    action->cluster_id = core->cluster_id;
    action->members = &core->members_proposed;
}

/* The members with `peer`'s present disk, or one step nearer to it. A majority with a new disk need share nobody with a
 * majority with the lost one, which may have promised a higher epoch: where the voters are odd the lost disk is struck out first,
 * by a majority without it, and only then the new one entered (R4, R29). Where they are even any two majorities still meet.
 * Who is new to the cluster replicates, but does not vote. */
static bool members_with(const struct core *core, const struct peer *peer, struct members *out)
{
    *out = core->members;
    for (uint32_t i = 0; i < out->count; i++) {
        struct member *member = &out->list[i];
        if (!node_id_equal(member->id, peer->id))
            continue;
        bool strike = member->voter && member->store_id != 0 && members_voters(out) % 2 == 1;
        member->store_id = strike ? 0 : peer->store_id;
        return true;
    }
    if (out->count == LIMIT_NODES)
        return false;
    out->list[out->count++] = (struct member){peer->id, peer->store_id, false};
    return true;
}

/* R4: a new disk under a known id counts once a committed record says so. One change at a time, and only when
 * the last one and a record of this epoch are committed (R29). */
static void admit_newcomers(struct core *core)
{
    if (core->members_in_flight || core->commit < core->epoch_first ||
        core->commit < core->members_seq)
        return;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        struct members members;
        if (peer->store_id == 0 || peer->match == 0 || peer_is_member(core, peer) ||
            !members_with(core, peer, &members))
            continue;
        log_line(core, LOG_LEVEL_INFO, "admitting node=%s store=%016" PRIx64, peer->id.text,
                 peer->store_id);
        propose_members(core, &members);
        return;
    }
}

/* More records of this very reign than this core knows can only have come from its own disk, by Fetch or in a snapshot: the
 * writer's answer is on its way. To cut them off would archive what is about to be committed. */
static bool is_ahead_of_core(const struct core *core, const struct epoch_history *history,
                             uint64_t last)
{
    return last > core->durable && epoch_equal(epoch_history_at(history, last), core->epoch);
}

void primary_attach(struct core *core, struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg)
{
    struct core_msg *reply = message_new(core, CORE_MSG_ATTACH_ANSWER);
    bool mine =
        peer != NULL && core->phase == PHASE_PRIMARY && epoch_equal(msg->header.epoch, core->epoch);
    if (mine) {
        uint64_t common = epoch_history_common(&core->history, core->durable, &msg->attach.history,
                                               msg->attach.last);
        reply->attach_answer.seq = common;
        if (is_ahead_of_core(core, &msg->attach.history, msg->attach.last))
            reply->attach_answer.verdict = CORE_REFUSED;
        else if (common < msg->attach.last)
            reply->attach_answer.verdict = CORE_TRUNCATE_TO;
        else if (common + 1 < core->log_first)
            reply->attach_answer.verdict = CORE_SNAPSHOT;
        else
            reply->attach_answer.verdict = CORE_CONTINUE;
    }
    answer(core, ticket, reply);
}

/* ---- Operators: handing over (R26), changing voters (R29) --------------------------------------------- */

static const char *why_not_transfer(struct core *core, const struct core_event *event)
{
    const struct peer *peer = find_peer(core, event->transfer.to);
    const struct member *member = members_find(&core->members, event->transfer.to);
    if (core->phase != PHASE_PRIMARY)
        return "this node is not the primary";
    if (core->transfer.ticket != 0)
        return "leadership is being handed over already";
    if (peer == NULL || member == NULL || !member->voter)
        return "only a voter can take over";
    if (!peer_is_member(core, peer))
        return "that node's disk is not admitted, or it was never heard";
    return NULL;
}

void primary_transfer(struct core *core, const struct core_event *event)
{
    struct pos here = {core->epoch, core->epoch_first};
    if (core->phase == PHASE_PRIMARY && node_id_equal(event->transfer.to, core->config.self)) {
        finish(core, event->ticket, CANDOR_OK, CANDOR_REASON_NONE, here, ACK_NONE);
        return;
    }
    const char *why = why_not_transfer(core, event);
    if (why != NULL) {
        finish_text(core, event->ticket, CANDOR_FAILED_PRECONDITION,
                    core->phase == PHASE_PRIMARY ? CANDOR_REASON_NONE : CANDOR_REASON_NOT_PRIMARY,
                    here, "%s", why);
        return;
    }
    core->transfer.ticket = event->ticket;
    core->transfer.to = event->transfer.to;
    core->transfer.deadline_ns = event->transfer.deadline_ns;
    core->transfer.nonce = 0;
    core->transfer.began_ns = core->now_ns;
    log_line(core, LOG_LEVEL_INFO, "transfer to=%s", core->transfer.to.text);
}

static void end_transfer(struct core *core, enum candor_code code, struct pos pos, const char *text)
{
    finish_text(core, core->transfer.ticket, code, CANDOR_REASON_NONE, pos, "%s", text);
    core->transfer.ticket = 0;
    core->transfer.nonce = 0;
}

/* The target has all there is, and nobody waits for an acknowledgement any more: it may stand. */
static void drive_transfer(struct core *core)
{
    if (core->transfer.ticket == 0)
        return;
    if (core->now_ns >= core->transfer.deadline_ns) {
        end_transfer(core, CANDOR_DEADLINE_EXCEEDED, (struct pos){0},
                     "it did not take over in time; the old primary goes on");
        core->transfer.began_ns = 0;
        return;
    }
    const struct peer *peer = find_peer(core, core->transfer.to);
    if (core->transfer.nonce == 0 && settled(core) && peer->match == core->durable &&
        core->commit == core->durable)
        core->transfer.nonce = call(core, peer->id, message_new(core, CORE_MSG_TRANSFER));
}

bool primary_transfer_answer(struct core *core, uint64_t nonce, const struct core_msg *msg)
{
    if (nonce == 0 || core->transfer.ticket == 0 || nonce != core->transfer.nonce)
        return false;
    if (msg == NULL || !msg->vote_answer.granted) {
        end_transfer(core, CANDOR_UNAVAILABLE, (struct pos){0},
                     msg == NULL ? "it did not answer" : msg->vote_answer.refusal);
        core->transfer.began_ns = 0;
    }
    return true;
}

static const char *why_not_set_voter(struct core *core, const struct core_event *event)
{
    const struct member *member = members_find(&core->members, event->set_voter.node);
    if (core->phase != PHASE_PRIMARY)
        return "this node is not the primary";
    if (member == NULL || member->store_id == 0)
        return "that node is not a member yet: start it and let it catch up";
    if (!event->set_voter.voter && node_id_equal(event->set_voter.node, core->config.self))
        return "this node is the primary: hand over first, with kvctl transfer";
    if (core->members_in_flight || core->voter_ticket != 0 || core->commit < core->epoch_first ||
        core->commit < core->members_seq)
        return "another change of the members is not committed yet: try again";
    return NULL;
}

/* The change and all that comes after it will need a majority of the new voters: it must be there. */
static bool majority_follows(const struct core *core, const struct members *members)
{
    uint32_t following = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        const struct peer *peer = NULL;
        for (uint32_t j = 0; j < core->peer_count; j++)
            if (node_id_equal(core->peers[j].id, member->id))
                peer = &core->peers[j];
        bool follows = peer != NULL && peer_is_member(core, peer) && peer->match > 0 &&
                       core->now_ns - peer->heard_ns < core->config.election_timeout_ns;
        bool self = node_id_equal(member->id, core->config.self);
        following += member->voter && (self || follows);
    }
    return following >= members_voters(members) / 2 + 1;
}

void primary_set_voter(struct core *core, const struct core_event *event)
{
    struct members members = core->members;
    for (uint32_t i = 0; i < members.count; i++)
        if (node_id_equal(members.list[i].id, event->set_voter.node))
            members.list[i].voter = event->set_voter.voter;
    const char *why = why_not_set_voter(core, event);
    if (why == NULL && !majority_follows(core, &members))
        why = "a majority of the voters as they would be does not follow: no change could be "
              "committed any more";
    if (why != NULL) {
        finish_text(core, event->ticket, CANDOR_FAILED_PRECONDITION,
                    core->phase == PHASE_PRIMARY ? CANDOR_REASON_NONE : CANDOR_REASON_NOT_PRIMARY,
                    (struct pos){0}, "%s", why);
        return;
    }
    core->voter_ticket = event->ticket;
    core->voter_deadline_ns = event->set_voter.deadline_ns;
    log_line(core, LOG_LEVEL_INFO, "set_voter node=%s voter=%d", event->set_voter.node.text,
             event->set_voter.voter);
    propose_members(core, &members);
}

static void drive_set_voter(struct core *core)
{
    if (core->voter_ticket == 0)
        return;
    bool stored = !core->members_in_flight && core->members_seq != 0;
    struct pos pos = {core->epoch, core->members_seq};
    if (stored && core->commit >= core->members_seq)
        finish(core, core->voter_ticket, CANDOR_OK, CANDOR_REASON_NONE, pos, ACK_MAJORITY);
    else if (core->now_ns >= core->voter_deadline_ns)
        finish_text(core, core->voter_ticket, CANDOR_DEADLINE_EXCEEDED,
                    CANDOR_REASON_OUTCOME_UNKNOWN, pos, "the change is not committed yet");
    else
        return;
    core->voter_ticket = 0;
}

void primary_deposed(struct core *core, struct epoch by)
{
    if (core->transfer.ticket != 0) {
        bool as_asked = node_id_equal(by.owner, core->transfer.to);
        end_transfer(core, as_asked ? CANDOR_OK : CANDOR_ABORTED, (struct pos){by, 0},
                     as_asked ? "" : "another node took over");
    }
    if (core->voter_ticket != 0)
        finish_text(core, core->voter_ticket, CANDOR_UNKNOWN, CANDOR_REASON_OUTCOME_UNKNOWN,
                    (struct pos){0}, "the primary was deposed: the change may or may not survive");
    core->voter_ticket = 0;
}

/* ---- Heartbeats (R9, R36) --------------------------------------------------------------------------- */

/* The newest sample that arrived at or before s_conf; older ones are done with. */
static void choose_echo(struct core *core, struct peer *peer)
{
    uint32_t used = 0;
    bool unconfirmed = mutated(core, CORE_MUTATION_ECHO_UNCONFIRMED);
    while (used < peer->sample_count &&
           (unconfirmed || peer->samples[used].arrival_ns <= core->confirmed_ns)) {
        peer->has_echo = true;
        peer->echo_ts_ns = max_u64(peer->echo_ts_ns, peer->samples[used].ts_ns);
        used++;
    }
    memmove(peer->samples, peer->samples + used,
            (peer->sample_count - used) * sizeof peer->samples[0]);
    peer->sample_count -= used;
}

static void send_heartbeat(struct core *core)
{
    core->hb_id++;
    core->confirm_wanted = false;
    core->hb_sent[core->hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].ns = core->now_ns;
    core->hb_sent[core->hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].last = core->durable;
    confirm(core); /* a lone voter is its own majority */
    struct core_msg *msg = message_new(core, CORE_MSG_HEARTBEAT);
    msg->heartbeat.hb_id = core->hb_id;
    msg->heartbeat.last = core->durable;
    msg->heartbeat.first = core->log_first;
    msg->heartbeat.commit = core->commit;
    memcpy(msg->heartbeat.rpc, core->config.rpc, sizeof msg->heartbeat.rpc);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        choose_echo(core, peer);
        if (peer->has_echo)
            msg->heartbeat.echoes[msg->heartbeat.echo_count++] =
                (struct core_echo){peer->id, peer->boot, peer->echo_ts_ns, peer->store_id};
    }
    core->heartbeat_due_ns = core->now_ns + core->config.heartbeat_interval_ns;
    publish(core, msg);
}

/* R25: a majority has not answered for T. */
static bool leadership_lapsed(const struct core *core)
{
    uint64_t since_ns = max_u64(core->confirmed_ns, core->opened_ns);
    return core->config.automatic_failover &&
           saturating_sub(core->now_ns, since_ns) > core->config.election_timeout_ns;
}

void primary_tick(struct core *core)
{
    if (core->phase < PHASE_OPENING)
        return;
    if (writer_stalled(core) && !mutated(core, CORE_MUTATION_STALLED_REIGNS)) {
        primary_step_down(core, "the writer stalls"); /* R6 */
        plan_campaign(core);
        return;
    }
    if (core->phase != PHASE_PRIMARY)
        return;
    if (leadership_lapsed(core)) {
        primary_step_down(core, "no majority answers");
        plan_campaign(core);
        return;
    }
    /* One confirmation round serves all reads that wait; the next begins when it is over (R32). */
    bool confirm_now = core->confirm_wanted && core->confirmed_hb == core->hb_id;
    if (core->now_ns >= core->heartbeat_due_ns || confirm_now)
        send_heartbeat(core);
    drive_transfer(core);
    drive_set_voter(core);
    if (core->voter_ticket == 0)
        admit_newcomers(core);
    if (core->with_voters.count > 0)
        release_voters(core);
}

static uint64_t earliest_deadline(const struct write_ring *ring)
{
    uint64_t wake_ns = UINT64_MAX;
    for (uint32_t i = 0; i < ring->count; i++)
        wake_ns = min_u64(wake_ns, ring_at(ring, i)->deadline_ns);
    return wake_ns;
}

uint64_t primary_wake_ns(const struct core *core)
{
    if (core->phase < PHASE_OPENING)
        return UINT64_MAX;
    uint64_t wake_ns = earliest_deadline(&core->with_voters);
    if (core->phase == PHASE_PRIMARY)
        wake_ns = min_u64(wake_ns, core->heartbeat_due_ns);
    if (core->work_outstanding > 0)
        wake_ns = min_u64(wake_ns, core->work_since_ns + core->config.writer_stall_ns + 1);
    return wake_ns;
}
