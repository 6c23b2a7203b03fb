#include "core/internal.h"

/* ---- Evidence of freshness (R36, R37) --------------------------------------------------------------- */

void replica_forget_evidence(struct core *core)
{
    if (mutated(core, EVIDENCE_KEPT))
        return;
    core->proof = (struct proof){0};
}

/* The data hold everything acknowledged before ts once this replica has applied, and verified, what the heartbeat announced. */
static bool evidence_holds(const struct core *core, const struct evidence *evidence)
{
    return core->follow.attach == ATTACH_DONE && core->follow.match >= evidence->last &&
           core->log.durable >= evidence->last;
}

static void take_evidence(struct core *core, const struct evidence *evidence)
{
    if (core->proof.proven && core->proof.evidence.ts_ns >= evidence->ts_ns)
        return;
    core->proof.proven = true;
    core->proof.evidence = *evidence;
}

static void weigh_evidence(struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->proof.pending_count; i++) {
        if (evidence_holds(core, &core->proof.pending[i]))
            take_evidence(core, &core->proof.pending[i]);
        else
            core->proof.pending[kept++] = core->proof.pending[i];
    }
    core->proof.pending_count = kept;
}

/* At the limit the newest is not kept: the oldest is the one that applied reaches first. */
static void add_evidence(struct core *core, uint64_t last, uint64_t ts_ns)
{
    struct evidence evidence = {.last = last, .ts_ns = ts_ns};
    if (evidence_holds(core, &evidence))
        take_evidence(core, &evidence);
    else if (core->proof.pending_count > 0 &&
             core->proof.pending[core->proof.pending_count - 1].last == last)
        core->proof.pending[core->proof.pending_count - 1].ts_ns =
            max_u64(core->proof.pending[core->proof.pending_count - 1].ts_ns, ts_ns);
    else if (core->proof.pending_count < LIMIT_EVIDENCE)
        core->proof.pending[core->proof.pending_count++] = evidence;
}

static void read_echoes(struct core *core, const struct core_echoes *echoes)
{
    for (uint32_t i = 0; i < echoes->count; i++) {
        const struct core_echo *echo = &echoes->list[i];
        if (!node_id_equal(echo->node, core->config.self))
            continue;
        bool mine = (echo->boot == core->boot && echo->store_id == core->store_id) ||
                    mutated(core, OLD_BOOT_ACCEPTED);
        /* R8, R35: a time stamp of a former life says nothing on this clock. No primary's log is
         * empty: an echo that speaks of no record proves nothing. */
        if (mine && echoes->last > 0 && echo->ts_ns <= core->now_ns)
            add_evidence(core, echoes->last, echo->ts_ns);
    }
    if (mutated(core, ARRIVAL_IS_EVIDENCE))
        add_evidence(core, core->log.durable, core->now_ns);
}

/* ---- Following an epoch ----------------------------------------------------------------------------- */

static void detach(struct core *core)
{
    if (core->follow.attach == ATTACH_DOWNLOADING)
        act(core, CORE_ACTION_DROP_SNAPSHOT);
    /* What the writer has begun it will finish; its event moves the phase on. */
    if (core->follow.attach != ATTACH_TRUNCATING && core->follow.attach != ATTACH_INSTALLING)
        core->follow.attach = ATTACH_NONE;
    core->follow.attach_nonce = 0;
    core->follow.fetch_nonce = 0;
    core->follow.match = 0;
    core->doubt.healing = false;
}

void replica_reset(struct core *core)
{
    detach(core);
    core->follow = (struct follow){.attach = core->follow.attach};
    replica_forget_evidence(core);
}

/* R15: asks again for ever, ever more slowly, up to ten heartbeats apart. */
static void retry_attach_later(struct core *core)
{
    core->follow.attach = ATTACH_NONE;
    core->follow.attach_nonce = 0;
    core->doubt.healing = false;
    uint32_t doublings = core->follow.attach_failures < 4 ? core->follow.attach_failures : 4;
    core->follow.attach_failures++;
    uint64_t delay_ns = jitter(core, core->config.heartbeat_interval_ns << doublings);
    core->follow.attach_retry_ns =
        core->now_ns + min_u64(delay_ns, 10 * core->config.heartbeat_interval_ns);
}

static bool may_attach(const struct core *core)
{
    return core->phase < PHASE_OPENING && core->follow.attach == ATTACH_NONE &&
           core->follow.heard && core->now_ns >= core->follow.attach_retry_ns && settled(core) &&
           hard_state_durable(core) && (!core->fork.forked || core->fork.accepting);
}

static void ask_attach(struct core *core)
{
    struct core_msg *msg = message_new(core, CORE_MSG_ATTACH);
    ASSERT_U64(core->log.end.seq, ==, core->log.last);
    msg->attach.last = core->log.last;
    msg->attach.commit = core->log.commit;
    msg->attach.chain = core->log.end.chain;
    msg->attach.history = core->log.history;
    core->follow.attach = ATTACH_ASKED;
    core->follow.attach_nonce = call(core, core->epoch.owner, msg);
}

static void attached(struct core *core)
{
    core->follow.attach = ATTACH_DONE;
    core->follow.attach_failures = 0;
    core->follow.match = core->log.last;
    core->fork.forked = false;
    if (core->fork.ticket != 0)
        finish(core, core->fork.ticket, CANDOR_OK, CANDOR_REASON_NONE, durable_pos(core), ACK_NONE);
    core->fork.ticket = 0;
    core->fork.accepting = false;
    log_line(core, LOG_LEVEL_INFO, "attached primary=%s match=%" PRIu64, core->epoch.owner.text,
             core->follow.match);
    learn_commit(core, core->follow.announced_commit);
    weigh_evidence(core);
}

static void become_forked(struct core *core, uint64_t common)
{
    core->fork.forked = true;
    core->follow.attach = ATTACH_NONE;
    log_line(core, LOG_LEVEL_ERROR,
             "forked common=%" PRIu64 " commit=%" PRIu64
             " way_out=\"kvctl accept-history archives this branch and joins the other\"",
             common, core->log.commit);
}

/* `least_seq`: where it must stand at least, so that no records have to be given up for it. */
static void fetch_snapshot(struct core *core, uint64_t least_seq)
{
    core->follow.attach = ATTACH_DOWNLOADING;
    struct core_action *action = act(core, CORE_ACTION_FETCH_SNAPSHOT);
    action->peer = core->epoch.owner;
    action->epoch = core->epoch;
    action->seq = least_seq;
}

static void start_truncate(struct core *core, uint64_t to)
{
    bool committed = to < core->log.commit && !mutated(core, TRUNCATE_COMMITTED);
    if (committed && !core->fork.accepting) {
        become_forked(core, to); /* R12 */
        return;
    }
    if (committed) { /* what is committed cannot be undone: the winner's state replaces it */
        core->fork.shared_seq = to;
        fetch_snapshot(core, 0);
        return;
    }
    core->follow.attach = ATTACH_TRUNCATING;
    log_line(core, LOG_LEVEL_WARN, "rollback from=%" PRIu64 " to=%" PRIu64, core->log.last, to);
    struct core_action *action = give_work(core, CORE_ACTION_TRUNCATE);
    action->seq = to;
    action->epoch = core->epoch;
}

void replica_attach_answer(struct core *core, const struct core_msg *msg)
{
    if (core->follow.attach != ATTACH_ASKED || !epoch_equal(msg->header.epoch, core->epoch)) {
        if (core->follow.attach == ATTACH_ASKED)
            retry_attach_later(core);
        return;
    }
    core->follow.attach_nonce = 0;
    core->fork.shared_seq = UINT64_MAX;
    uint64_t seq = msg->attach_answer.seq;
    switch (msg->attach_answer.verdict) {
    case CORE_CONTINUE:
        if (seq == core->log.last)
            attached(core);
        else
            retry_attach_later(core);
        break;
    case CORE_TRUNCATE_TO:
        if (seq < core->log.last)
            start_truncate(core, seq);
        else
            retry_attach_later(core);
        break;
    case CORE_SNAPSHOT:
        fetch_snapshot(core, 0);
        log_line(core, LOG_LEVEL_INFO, "snapshot_wanted from=%s last=%" PRIu64,
                 core->epoch.owner.text, core->log.last);
        break;
    case CORE_REFUSED:
        retry_attach_later(core);
        notice_not_attached(core);
        break;
    }
}

void replica_truncated(struct core *core, const struct core_event *event)
{
    ASSERT_U64(event->truncated.last, <=, core->log.last);
    core->log.last = core->log.durable = event->truncated.last;
    core->log.first =
        min_u64(core->log.first, core->log.last + 1); /* it may have begun with a snapshot above */
    core->log.rewinds = event->truncated.rewinds;
    doubt_restart(core, core->log.last, event->truncated.digest);
    chain_note(core, core->log.last, event->truncated.chain);
    room_note(core, false);
    epoch_history_truncate(&core->log.history, core->log.last);
    core->log.members = *event->truncated.members;
    core->log.pending_member_count = 0;
    core->log.commit = min_u64(core->log.commit, core->log.last);
    risk_cut(core);
    replica_forget_evidence(core);
    core->follow.attach = ATTACH_NONE;
    log_line(core, LOG_LEVEL_INFO, "rolled_back last=%" PRIu64, core->log.last);
    plan_campaign(core);
}

/* ---- Snapshots (R14) -------------------------------------------------------------------------------- */

bool replica_take_snapshot(struct core *core)
{
    if (core->phase != PHASE_FOLLOWER || core->follow.attach != ATTACH_DONE || !settled(core))
        return false;
    detach(core);
    fetch_snapshot(core, core->log.last);
    return true;
}

void replica_snapshot_ready(struct core *core, const struct core_event *event)
{
    if (core->follow.attach != ATTACH_DOWNLOADING)
        return; /* dropped already */
    struct pos pos = event->snapshot.pos;
    bool cut_here = epoch_equal(pos.epoch, core->epoch) || mutated(core, SNAPSHOT_ANY_EPOCH);
    uint64_t common =
        epoch_history_common(&core->log.history, core->log.last, event->snapshot.history, pos.seq);
    /* Two branches of one epoch look alike in their histories (R56). */
    common = min_u64(common, core->fork.shared_seq);
    /* An old one: the own log goes beyond it. Or holds just that, and is to be replaced all the same (R67). */
    bool held_already = core->log.last > 0 && common == pos.seq &&
                        !(core->doubt.healing && pos.seq == core->log.last);
    if (!cut_here || held_already || pos.seq < core->follow.match || !settled(core)) {
        act(core, CORE_ACTION_DROP_SNAPSHOT);
        retry_attach_later(core);
        return;
    }
    if (common < core->log.commit && !core->fork.accepting && !mutated(core, TRUNCATE_COMMITTED)) {
        act(core, CORE_ACTION_DROP_SNAPSHOT);
        become_forked(core, common);
        return;
    }
    core->follow.attach = ATTACH_INSTALLING;
    struct core_action *action = give_work(core, CORE_ACTION_INSTALL);
    action->seq = common;
    action->epoch = core->epoch;
}

void replica_snapshot_failed(struct core *core)
{
    if (core->follow.attach == ATTACH_DOWNLOADING)
        retry_attach_later(core);
}

void replica_installed(struct core *core, const struct core_event *event)
{
    ASSERT(core->follow.attach == ATTACH_INSTALLING);
    core->follow.attach = ATTACH_NONE;
    if (event->snapshot.code != CANDOR_OK) {
        retry_attach_later(core);
        return;
    }
    core->log.last = core->log.durable = event->snapshot.pos.seq;
    core->log.first = core->log.last + 1;
    core->log.rewinds = event->snapshot.rewinds;
    doubt_restart(core, core->log.last, event->snapshot.digest);
    chain_note(core, core->log.last, event->snapshot.chain);
    doubt_healed(core);
    room_note(core, false);
    bool gave_up = core->fork.accepting;
    core->log.commit = gave_up ? event->snapshot.undo_floor
                               : max_u64(core->log.commit, event->snapshot.undo_floor);
    seq_bits_clear(&core->log.local,
                   core->log.commit); /* what the snapshot holds is not in the log */
    core->cluster_id = event->snapshot.cluster_id;
    epoch_history_copy(&core->log.history, event->snapshot.history);
    core->log.members = *event->snapshot.members;
    core->log.pending_member_count = 0;
    replica_forget_evidence(core);
    log_line(core, LOG_LEVEL_INFO, "snapshot_installed last=%" PRIu64, core->log.last);
    plan_campaign(core);
}

void replica_accept_history(struct core *core, uint64_t ticket)
{
    if (!core->fork.forked || core->fork.ticket != 0) {
        finish_text(core, ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE, (struct pos){0},
                    "this node is not FORKED: it has no branch to give up");
        return;
    }
    core->fork.accepting = true;
    core->fork.ticket = ticket;
    core->follow.attach_retry_ns = 0;
}

/* ---- Commit (R18) ----------------------------------------------------------------------------------- */

void learn_commit(struct core *core, uint64_t announced)
{
    core->follow.announced_commit = max_u64(core->follow.announced_commit, announced);
    bool unverified = mutated(core, COMMIT_UNVERIFIED);
    if (core->follow.attach != ATTACH_DONE && !unverified)
        return;
    uint64_t known =
        min_u64(core->follow.announced_commit, unverified ? core->log.durable : core->follow.match);
    known = min_u64(known, core->log.durable);
    if (known <= core->log.commit)
        return; /* late or repeated */
    core->log.commit = known;
    risk_committed(core);
    act(core, CORE_ACTION_COMMIT)->seq = known;
}

/* ---- Records (R13) ---------------------------------------------------------------------------------- */

static void ask_fetch(struct core *core)
{
    if (core->follow.fetch_nonce != 0 || core->follow.attach != ATTACH_DONE ||
        core->now_ns < core->hearing.fetch_retry_ns)
        return;
    struct core_msg *msg = message_new(core, CORE_MSG_FETCH);
    msg->fetch.from_seq = core->log.last + 1;
    core->follow.fetch_nonce = call(core, core->epoch.owner, msg);
}

/* Records that do not follow from what is here: the attach was wrong, or the bytes are. */
static void reject_records(struct core *core, const char *why)
{
    log_line(core, LOG_LEVEL_WARN, "records_rejected why=\"%s\" last=%" PRIu64, why,
             core->log.last);
    detach(core);
    retry_attach_later(core);
}

static bool epoch_follows(const struct core *core, const struct batch *batch)
{
    struct epoch newest = epoch_history_at(&core->log.history, core->log.last);
    int order = epoch_compare(batch->epoch, newest);
    if (epoch_compare(batch->epoch, core->epoch) > 0)
        return false;
    return batch->type == RECORD_EPOCH_START ? order > 0 : order == 0;
}

/* False: not now; it will be fetched again. */
static bool take_meta(struct core *core, const struct batch *batch)
{
    if (core->log.pending_member_count == PENDING_MEMBERS)
        return false;
    size_t cursor = 0;
    struct record record;
    bool any = batch_next(batch, &cursor, &record);
    ASSERT(any);
    if (batch->type == RECORD_EPOCH_START)
        epoch_history_append(&core->log.history,
                             &(struct epoch_start){batch->epoch, batch->first_seq,
                                                   batch_chain(batch, batch->first_seq)});
    core->log.pending_members[core->log.pending_member_count].seq = batch->first_seq;
    core->log.pending_members[core->log.pending_member_count].members = record.members;
    core->log.pending_member_count++;
    return true;
}

enum taken { TAKEN, KNOWN, GAP, NOT_NOW, WRONG };

static enum taken take_batch(struct core *core, struct batch batch)
{
    if (batch_last_seq(&batch) <= core->log.last)
        return KNOWN;
    if (batch.first_seq > core->log.last + 1 && !mutated(core, GAP_TAKEN))
        return GAP;
    if (!mutated(core, NO_ATTACH) && (!epoch_follows(core, &batch) || !chain_follows(core, &batch)))
        return WRONG;
    if (batch.first_seq <= core->log.last) {
        buffer_clear(&core->taking.tail);
        batch_tail(&batch, core->log.last + 1, &core->taking.tail);
        batch.bytes = buffer_slice(&core->taking.tail);
        batch.count = (uint32_t)(batch_last_seq(&batch) - core->log.last);
        batch.first_seq = core->log.last + 1;
        batch.before = core->log.end.chain;
    }
    if (batch.type != RECORD_WRITE && !take_meta(core, &batch))
        return NOT_NOW;
    buffer_put(&core->taking.append, batch.bytes.bytes, batch.bytes.length);
    core->log.last = batch_last_seq(&batch);
    chain_note(core, core->log.last, batch_chain(&batch, core->log.last));
    return TAKEN;
}

/* Takes what fits; what was accepted goes to the writer as one piece. */
static enum taken take_batches(struct core *core, struct slice batches)
{
    enum taken worst = core->writer.append_broken ? NOT_NOW : KNOWN;
    buffer_clear(&core->taking.append);
    while (batches.length > 0 && (worst == KNOWN || worst == TAKEN)) {
        struct batch batch;
        struct candor_error err;
        if (batch_decode(&batches, &batch, &err) != CANDOR_OK)
            worst = WRONG;
        else {
            enum taken taken = take_batch(core, batch);
            if (taken != KNOWN)
                worst = taken;
        }
    }
    if (core->taking.append.length > 0) {
        risk_note(core, buffer_slice(&core->taking.append));
        struct core_action *action = give_work(core, CORE_ACTION_APPEND);
        action->epoch = core->epoch;
        action->batches = buffer_slice(&core->taking.append);
    }
    return worst;
}

/* The primary has said something newer than all that was heard of it. Records that name a heartbeat count as that heartbeat: they
 * left after it. */
static void heard_primary(struct core *core)
{
    reign_heard(core);
    core->follow.heard = core->hearing.contacted = true;
    core->follow.suspect = false;
    core->hearing.heartbeat_ns = core->hearing.contact_ns = core->hearing.live_ns = core->now_ns;
    core->hearing.live_owner = core->epoch.owner;
    lease_promise(core);
    plan_campaign(core);
}

void replica_records(struct core *core, const struct core_msg *msg)
{
    if (core->follow.attach != ATTACH_DONE && !mutated(core, NO_ATTACH))
        return; /* R11 */
    switch (take_batches(core, msg->records.batches)) {
    case GAP:
        ask_fetch(core);
        break;
    case WRONG:
        reject_records(core, "live batch does not follow the log");
        return;
    default:
        break;
    }
    core->follow.announced = max_u64(core->follow.announced, core->log.last);
    learn_commit(core, msg->records.commit);
    read_echoes(core, &msg->records.echoes);
    if (core->follow.heard && msg->records.hb_id > core->follow.hb_id) {
        core->follow.hb_id = msg->records.hb_id;
        heard_primary(core);
    }
}

void replica_fetch_answer(struct core *core, const struct core_msg *msg)
{
    core->follow.fetch_nonce = 0;
    bool here = core->follow.attach == ATTACH_DONE && epoch_equal(msg->header.epoch, core->epoch);
    if (!here)
        return;
    if (!msg->fetch_answer.ok) {
        detach(core);
        retry_attach_later(core);
        return;
    }
    enum taken taken = take_batches(core, msg->fetch_answer.batches);
    if (taken == WRONG) {
        reject_records(core, "fetched batch does not follow the log");
        return;
    }
    learn_commit(core, msg->fetch_answer.commit);
    if (taken == TAKEN && core->log.last < core->follow.announced)
        ask_fetch(core);
    else if (taken == NOT_NOW)
        core->hearing.fetch_retry_ns = core->now_ns + core->config.heartbeat_interval_ns;
}

void replica_call_failed(struct core *core, uint64_t nonce)
{
    if (nonce == core->follow.attach_nonce && core->follow.attach == ATTACH_ASKED)
        retry_attach_later(core);
    if (nonce == core->follow.fetch_nonce) {
        core->follow.fetch_nonce = 0;
        core->hearing.fetch_retry_ns =
            core->now_ns + jitter(core, core->config.heartbeat_interval_ns);
    }
}

/* Nothing of the failed work was stored: forget that it was accepted; it is fetched again later. What is under way behind it will fail,
 * too; until then nothing new is taken, or it would be forgotten with that. */
static void append_failed(struct core *core, const struct core_event *event)
{
    enum candor_code code = event->appended.code;
    core->writer.append_broken = !settled(core);
    core->log.last = core->log.durable;
    ASSERT_U64(event->appended.end.seq, ==, core->log.last);
    chain_note(core, core->log.last, event->appended.end.chain);
    risk_cut(core);
    core->follow.match = min_u64(core->follow.match, core->log.last);
    epoch_history_truncate(&core->log.history, core->log.last);
    core->log.pending_member_count = 0;
    core->hearing.fetch_retry_ns =
        core->now_ns + jitter(core, 5 * core->config.heartbeat_interval_ns);
    log_line(core, LOG_LEVEL_WARN, "append_failed code=%s durable=%" PRIu64, candor_code_name(code),
             core->log.durable);
}

void replica_appended(struct core *core, const struct core_event *event)
{
    if (event->appended.code != CANDOR_OK) {
        append_failed(core, event);
        return;
    }
    if (event->appended.end.seq == core->log.end.seq)
        ASSERT(chain_equal(event->appended.end.chain, core->log.end.chain));
    if (core->follow.attach != ATTACH_DONE)
        return; /* of an epoch that is over: it counts for nothing (R19) */
    core->follow.match = max_u64(core->follow.match, core->log.durable);
    learn_commit(core, core->follow.announced_commit);
    weigh_evidence(core);
    publish_status(core);
    if (core->log.last < core->follow.announced_before && settled(core))
        ask_fetch(core);
}

/* The primary's log is not the one that this node attached to, though it ends where this one does: another copy of its disk
 * speaks in its place. */
static void leave_other_log(struct core *core)
{
    log_line(core, LOG_LEVEL_ERROR,
             "log_differs primary=%s seq=%" PRIu64
             " why=\"the primary's log holds other records at this node's end\"",
             core->epoch.owner.text, core->log.end.seq);
    detach(core);
    retry_attach_later(core);
}

/* ---- Heartbeats and statuses ------------------------------------------------------------------------ */

void replica_heartbeat(struct core *core, const struct core_msg *msg)
{
    if (core->follow.heard && msg->heartbeat.hb_id <= core->follow.hb_id) {
        /* Repeated, or late: no sign of life. What it proves stays proven. */
        if (msg->heartbeat.hb_id == core->follow.hb_id)
            core->hearing.successor =
                msg->heartbeat.successor; /* records that name it may have overtaken it */
        learn_commit(core, msg->heartbeat.commit);
        read_echoes(core, &msg->heartbeat.echoes);
        return;
    }
    heard_primary(core);
    core->follow.hb_id = msg->heartbeat.hb_id;
    core->hearing.successor = msg->heartbeat.successor;
    core->follow.announced_before = core->follow.announced;
    core->follow.announced = max_u64(core->follow.announced, msg->heartbeat.last);
    memcpy(core->follow.primary_rpc, msg->heartbeat.rpc, sizeof core->follow.primary_rpc);
    core->follow.primary_rpc[sizeof core->follow.primary_rpc - 1] = '\0';
    if (chain_parted(core, msg))
        leave_other_log(core);
    doubt_told(core, &msg->heartbeat.verdicts);
    learn_commit(core, msg->heartbeat.commit);
    read_echoes(core, &msg->heartbeat.echoes);
    publish_status(core);
    /* Records of the last interval may still be on their way; older ones were lost. */
    if (core->follow.attach == ATTACH_DONE && core->log.last < core->follow.announced_before &&
        settled(core))
        ask_fetch(core);
}

/* What waited for its epoch to be stored: the answer to the heartbeat that brought it, or to the candidate that named it (R7, R23). */
void replica_saved(struct core *core)
{
    bool owed = core->follow.heard || core->hearing.status_owed;
    if (core->phase < PHASE_OPENING && owed && hard_state_durable(core))
        publish_status(core);
}

void publish_status(struct core *core)
{
    core->hearing.status_due_ns = core->now_ns + core->config.heartbeat_interval_ns;
    /* What is heard in an epoch must not be told under the name of the one before. */
    if (!epoch_equal(core->epoch, shown_epoch(core)))
        return;
    struct core_view view;
    core_view(core, &view);
    struct core_freshness fresh;
    core_view_freshness(&view, core->log.durable, core->now_ns, &fresh);
    struct core_msg *msg = message_new(core, CORE_MSG_STATUS);
    msg->status.ts_ns = core->now_ns;
    msg->status.hb_id = core->follow.heard ? core->follow.hb_id : 0;
    msg->status.last = core->log.last;
    msg->status.durable = core->log.durable;
    bool verified = core->follow.attach == ATTACH_DONE;
    if (mutated(core, MATCH_UNATTACHED))
        msg->status.match = core->log.last;
    else
        msg->status.match = verified ? min_u64(core->follow.match, core->log.durable) : 0; /* R15 */
    msg->status.applied = core->log.durable;
    msg->status.state = fresh.state;
    msg->status.no_room = core->room.lacking;
    msg->status.digest = doubt_own(core);
    msg->status.rewinds = core->log.rewinds;
    msg->status.promise_ns = lease_promise_ns(core);
    core->hearing.status_owed = false;
    publish(core, msg);
}

void replica_tick(struct core *core)
{
    if (core->phase < PHASE_OPENING && core->now_ns >= core->hearing.status_due_ns)
        publish_status(core);
    if (may_attach(core) && !node_id_equal(core->epoch.owner, core->config.self))
        ask_attach(core);
    if (core->follow.attach == ATTACH_DONE && core->hearing.fetch_retry_ns != 0 &&
        core->now_ns >= core->hearing.fetch_retry_ns) {
        core->hearing.fetch_retry_ns = 0;
        if (core->log.last < core->follow.announced)
            ask_fetch(core);
    }
}

uint64_t replica_wake_ns(const struct core *core)
{
    if (core->phase >= PHASE_OPENING)
        return UINT64_MAX;
    uint64_t wake_ns = core->hearing.status_due_ns;
    if (core->follow.attach == ATTACH_NONE && core->follow.heard &&
        core->follow.attach_retry_ns > core->now_ns)
        wake_ns = min_u64(wake_ns, core->follow.attach_retry_ns);
    if (core->follow.attach == ATTACH_DONE && core->hearing.fetch_retry_ns != 0)
        wake_ns = min_u64(wake_ns, core->hearing.fetch_retry_ns);
    return wake_ns;
}
