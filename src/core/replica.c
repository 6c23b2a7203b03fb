#include "core/internal.h"

/* ---- Evidence of freshness (R36, R37) --------------------------------------------------------------- */

void replica_forget_evidence(struct core *core)
{
    if (mutated(core, EVIDENCE_KEPT))
        return;
    core->proven = false;
    core->evidence = (struct evidence){0};
    core->pending_count = 0;
}

/* The data hold everything acknowledged before ts once this replica has applied, and verified, what the heartbeat announced. */
static bool evidence_holds(const struct core *core, const struct evidence *evidence)
{
    return core->attach == ATTACH_DONE && core->match >= evidence->last &&
           core->durable >= evidence->last;
}

static void take_evidence(struct core *core, const struct evidence *evidence)
{
    if (core->proven && core->evidence.ts_ns >= evidence->ts_ns)
        return;
    core->proven = true;
    core->evidence = *evidence;
}

static void weigh_evidence(struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->pending_count; i++) {
        if (evidence_holds(core, &core->pending[i]))
            take_evidence(core, &core->pending[i]);
        else
            core->pending[kept++] = core->pending[i];
    }
    core->pending_count = kept;
}

/* At the limit the newest is not kept: the oldest is the one that applied reaches first. */
static void add_evidence(struct core *core, uint64_t last, uint64_t ts_ns)
{
    struct evidence evidence = {.last = last, .ts_ns = ts_ns};
    if (evidence_holds(core, &evidence))
        take_evidence(core, &evidence);
    else if (core->pending_count > 0 && core->pending[core->pending_count - 1].last == last)
        core->pending[core->pending_count - 1].ts_ns =
            max_u64(core->pending[core->pending_count - 1].ts_ns, ts_ns);
    else if (core->pending_count < LIMIT_EVIDENCE)
        core->pending[core->pending_count++] = evidence;
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
        add_evidence(core, core->durable, core->now_ns);
}

/* ---- Following an epoch ----------------------------------------------------------------------------- */

static void detach(struct core *core)
{
    if (core->attach == ATTACH_DOWNLOADING)
        act(core, CORE_ACTION_DROP_SNAPSHOT);
    /* What the writer has begun it will finish; its event moves the phase on. */
    if (core->attach != ATTACH_TRUNCATING && core->attach != ATTACH_INSTALLING)
        core->attach = ATTACH_NONE;
    core->attach_nonce = 0;
    core->fetch_nonce = 0;
    core->match = 0;
    core->doubt.healing = false;
}

void replica_reset(struct core *core)
{
    detach(core);
    core->attach_retry_ns = 0;
    core->attach_failures = 0;
    core->heard = false;
    core->suspect = false;
    core->heard_hb_id = 0;
    core->announced = 0;
    core->announced_before = 0;
    core->announced_commit = 0;
    core->primary_rpc[0] = '\0';
    replica_forget_evidence(core);
}

/* R15: asks again for ever, ever more slowly, up to ten heartbeats apart. */
static void retry_attach_later(struct core *core)
{
    core->attach = ATTACH_NONE;
    core->attach_nonce = 0;
    core->doubt.healing = false;
    uint32_t doublings = core->attach_failures < 4 ? core->attach_failures : 4;
    core->attach_failures++;
    uint64_t delay_ns = jitter(core, core->config.heartbeat_interval_ns << doublings);
    core->attach_retry_ns =
        core->now_ns + min_u64(delay_ns, 10 * core->config.heartbeat_interval_ns);
}

static bool may_attach(const struct core *core)
{
    return core->phase < PHASE_OPENING && core->attach == ATTACH_NONE && core->heard &&
           core->now_ns >= core->attach_retry_ns && settled(core) && hard_state_durable(core) &&
           (!core->forked || core->accepting_history);
}

static void ask_attach(struct core *core)
{
    struct core_msg *msg = message_new(core, CORE_MSG_ATTACH);
    ASSERT_U64(core->end.seq, ==, core->last);
    msg->attach.last = core->last;
    msg->attach.commit = core->commit;
    msg->attach.chain = core->end.chain;
    msg->attach.history = core->history;
    core->attach = ATTACH_ASKED;
    core->attach_nonce = call(core, core->epoch.owner, msg);
}

static void attached(struct core *core)
{
    core->attach = ATTACH_DONE;
    core->attach_failures = 0;
    core->match = core->last;
    core->forked = false;
    if (core->accept_ticket != 0)
        finish(core, core->accept_ticket, CANDOR_OK, CANDOR_REASON_NONE, durable_pos(core),
               ACK_NONE);
    core->accept_ticket = 0;
    core->accepting_history = false;
    log_line(core, LOG_LEVEL_INFO, "attached primary=%s match=%" PRIu64, core->epoch.owner.text,
             core->match);
    learn_commit(core, core->announced_commit);
    weigh_evidence(core);
}

static void become_forked(struct core *core, uint64_t common)
{
    core->forked = true;
    core->attach = ATTACH_NONE;
    log_line(core, LOG_LEVEL_ERROR,
             "forked common=%" PRIu64 " commit=%" PRIu64
             " way_out=\"kvctl accept-history archives this branch and joins the other\"",
             common, core->commit);
}

/* `least_seq`: where it must stand at least, so that no records have to be given up for it. */
static void fetch_snapshot(struct core *core, uint64_t least_seq)
{
    core->attach = ATTACH_DOWNLOADING;
    struct core_action *action = act(core, CORE_ACTION_FETCH_SNAPSHOT);
    action->peer = core->epoch.owner;
    action->epoch = core->epoch;
    action->seq = least_seq;
}

static void start_truncate(struct core *core, uint64_t to)
{
    bool committed = to < core->commit && !mutated(core, TRUNCATE_COMMITTED);
    if (committed && !core->accepting_history) {
        become_forked(core, to); /* R12 */
        return;
    }
    if (committed) { /* what is committed cannot be undone: the winner's state replaces it */
        core->shared_seq = to;
        fetch_snapshot(core, 0);
        return;
    }
    core->attach = ATTACH_TRUNCATING;
    log_line(core, LOG_LEVEL_WARN, "rollback from=%" PRIu64 " to=%" PRIu64, core->last, to);
    struct core_action *action = give_work(core, CORE_ACTION_TRUNCATE);
    action->seq = to;
    action->epoch = core->epoch;
}

void replica_attach_answer(struct core *core, const struct core_msg *msg)
{
    if (core->attach != ATTACH_ASKED || !epoch_equal(msg->header.epoch, core->epoch)) {
        if (core->attach == ATTACH_ASKED)
            retry_attach_later(core);
        return;
    }
    core->attach_nonce = 0;
    core->shared_seq = UINT64_MAX;
    uint64_t seq = msg->attach_answer.seq;
    switch (msg->attach_answer.verdict) {
    case CORE_CONTINUE:
        if (seq == core->last)
            attached(core);
        else
            retry_attach_later(core);
        break;
    case CORE_TRUNCATE_TO:
        if (seq < core->last)
            start_truncate(core, seq);
        else
            retry_attach_later(core);
        break;
    case CORE_SNAPSHOT:
        fetch_snapshot(core, 0);
        log_line(core, LOG_LEVEL_INFO, "snapshot_wanted from=%s last=%" PRIu64,
                 core->epoch.owner.text, core->last);
        break;
    case CORE_REFUSED:
        retry_attach_later(core);
        notice_not_attached(core);
        break;
    }
}

void replica_truncated(struct core *core, const struct core_event *event)
{
    ASSERT_U64(event->truncated.last, <=, core->last);
    core->last = core->durable = event->truncated.last;
    core->log_first =
        min_u64(core->log_first, core->last + 1); /* it may have begun with a snapshot above */
    core->rewinds = event->truncated.rewinds;
    doubt_restart(core, core->last, event->truncated.digest);
    chain_note(core, core->last, event->truncated.chain);
    room_note(core, false);
    epoch_history_truncate(&core->history, core->last);
    core->members = *event->truncated.members;
    core->pending_member_count = 0;
    core->commit = min_u64(core->commit, core->last);
    risk_cut(core);
    replica_forget_evidence(core);
    core->attach = ATTACH_NONE;
    log_line(core, LOG_LEVEL_INFO, "rolled_back last=%" PRIu64, core->last);
    plan_campaign(core);
}

/* ---- Snapshots (R14) -------------------------------------------------------------------------------- */

bool replica_take_snapshot(struct core *core)
{
    if (core->phase != PHASE_FOLLOWER || core->attach != ATTACH_DONE || !settled(core))
        return false;
    detach(core);
    fetch_snapshot(core, core->last);
    return true;
}

void replica_snapshot_ready(struct core *core, const struct core_event *event)
{
    if (core->attach != ATTACH_DOWNLOADING)
        return; /* dropped already */
    struct pos pos = event->snapshot.pos;
    bool cut_here = epoch_equal(pos.epoch, core->epoch) || mutated(core, SNAPSHOT_ANY_EPOCH);
    uint64_t common =
        epoch_history_common(&core->history, core->last, event->snapshot.history, pos.seq);
    /* Two branches of one epoch look alike in their histories (R56). */
    common = min_u64(common, core->shared_seq);
    /* An old one: the own log goes beyond it. Or holds just that, and is to be replaced all the same (R67). */
    bool held_already =
        core->last > 0 && common == pos.seq && !(core->doubt.healing && pos.seq == core->last);
    if (!cut_here || held_already || pos.seq < core->match || !settled(core)) {
        act(core, CORE_ACTION_DROP_SNAPSHOT);
        retry_attach_later(core);
        return;
    }
    if (common < core->commit && !core->accepting_history && !mutated(core, TRUNCATE_COMMITTED)) {
        act(core, CORE_ACTION_DROP_SNAPSHOT);
        become_forked(core, common);
        return;
    }
    core->attach = ATTACH_INSTALLING;
    struct core_action *action = give_work(core, CORE_ACTION_INSTALL);
    action->seq = common;
    action->epoch = core->epoch;
}

void replica_snapshot_failed(struct core *core)
{
    if (core->attach == ATTACH_DOWNLOADING)
        retry_attach_later(core);
}

void replica_installed(struct core *core, const struct core_event *event)
{
    ASSERT(core->attach == ATTACH_INSTALLING);
    core->attach = ATTACH_NONE;
    if (event->snapshot.code != CANDOR_OK) {
        retry_attach_later(core);
        return;
    }
    core->last = core->durable = event->snapshot.pos.seq;
    core->log_first = core->last + 1;
    core->rewinds = event->snapshot.rewinds;
    doubt_restart(core, core->last, event->snapshot.digest);
    chain_note(core, core->last, event->snapshot.chain);
    doubt_healed(core);
    room_note(core, false);
    bool gave_up = core->accepting_history;
    core->commit =
        gave_up ? event->snapshot.undo_floor : max_u64(core->commit, event->snapshot.undo_floor);
    seq_bits_clear(&core->local, core->commit); /* what the snapshot holds is not in the log */
    core->cluster_id = event->snapshot.cluster_id;
    epoch_history_copy(&core->history, event->snapshot.history);
    core->members = *event->snapshot.members;
    core->pending_member_count = 0;
    replica_forget_evidence(core);
    log_line(core, LOG_LEVEL_INFO, "snapshot_installed last=%" PRIu64, core->last);
    plan_campaign(core);
}

void replica_accept_history(struct core *core, uint64_t ticket)
{
    if (!core->forked || core->accept_ticket != 0) {
        finish_text(core, ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE, (struct pos){0},
                    "this node is not FORKED: it has no branch to give up");
        return;
    }
    core->accepting_history = true;
    core->accept_ticket = ticket;
    core->attach_retry_ns = 0;
}

/* ---- Commit (R18) ----------------------------------------------------------------------------------- */

void learn_commit(struct core *core, uint64_t announced)
{
    core->announced_commit = max_u64(core->announced_commit, announced);
    bool unverified = mutated(core, COMMIT_UNVERIFIED);
    if (core->attach != ATTACH_DONE && !unverified)
        return;
    uint64_t known = min_u64(core->announced_commit, unverified ? core->durable : core->match);
    known = min_u64(known, core->durable);
    if (known <= core->commit)
        return; /* late or repeated */
    core->commit = known;
    risk_committed(core);
    act(core, CORE_ACTION_COMMIT)->seq = known;
}

/* ---- Records (R13) ---------------------------------------------------------------------------------- */

static void ask_fetch(struct core *core)
{
    if (core->fetch_nonce != 0 || core->attach != ATTACH_DONE ||
        core->now_ns < core->fetch_retry_ns)
        return;
    struct core_msg *msg = message_new(core, CORE_MSG_FETCH);
    msg->fetch.from_seq = core->last + 1;
    core->fetch_nonce = call(core, core->epoch.owner, msg);
}

/* Records that do not follow from what is here: the attach was wrong, or the bytes are. */
static void reject_records(struct core *core, const char *why)
{
    log_line(core, LOG_LEVEL_WARN, "records_rejected why=\"%s\" last=%" PRIu64, why, core->last);
    detach(core);
    retry_attach_later(core);
}

static bool epoch_follows(const struct core *core, const struct batch *batch)
{
    struct epoch newest = epoch_history_at(&core->history, core->last);
    int order = epoch_compare(batch->epoch, newest);
    if (epoch_compare(batch->epoch, core->epoch) > 0)
        return false;
    return batch->type == RECORD_EPOCH_START ? order > 0 : order == 0;
}

/* False: not now; it will be fetched again. */
static bool take_meta(struct core *core, const struct batch *batch)
{
    if (core->pending_member_count == PENDING_MEMBERS)
        return false;
    size_t cursor = 0;
    struct record record;
    bool any = batch_next(batch, &cursor, &record);
    ASSERT(any);
    if (batch->type == RECORD_EPOCH_START)
        epoch_history_append(&core->history,
                             &(struct epoch_start){batch->epoch, batch->first_seq,
                                                   batch_chain(batch, batch->first_seq)});
    core->pending_members[core->pending_member_count].seq = batch->first_seq;
    core->pending_members[core->pending_member_count].members = record.members;
    core->pending_member_count++;
    return true;
}

enum taken { TAKEN, KNOWN, GAP, NOT_NOW, WRONG };

static enum taken take_batch(struct core *core, struct batch batch)
{
    if (batch_last_seq(&batch) <= core->last)
        return KNOWN;
    if (batch.first_seq > core->last + 1 && !mutated(core, GAP_TAKEN))
        return GAP;
    if (!mutated(core, NO_ATTACH) && (!epoch_follows(core, &batch) || !chain_follows(core, &batch)))
        return WRONG;
    if (batch.first_seq <= core->last) {
        buffer_clear(&core->scratch);
        batch_tail(&batch, core->last + 1, &core->scratch);
        batch.bytes = buffer_slice(&core->scratch);
        batch.count = (uint32_t)(batch_last_seq(&batch) - core->last);
        batch.first_seq = core->last + 1;
        batch.before = core->end.chain;
    }
    if (batch.type != RECORD_WRITE && !take_meta(core, &batch))
        return NOT_NOW;
    buffer_put(&core->append, batch.bytes.bytes, batch.bytes.length);
    core->last = batch_last_seq(&batch);
    chain_note(core, core->last, batch_chain(&batch, core->last));
    return TAKEN;
}

/* Takes what fits; what was accepted goes to the writer as one piece. */
static enum taken take_batches(struct core *core, struct slice batches)
{
    enum taken worst = core->append_broken ? NOT_NOW : KNOWN;
    buffer_clear(&core->append);
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
    if (core->append.length > 0) {
        risk_note(core, buffer_slice(&core->append));
        struct core_action *action = give_work(core, CORE_ACTION_APPEND);
        action->epoch = core->epoch;
        action->batches = buffer_slice(&core->append);
    }
    return worst;
}

/* The primary has said something newer than all that was heard of it. Records that name a heartbeat count as that heartbeat: they
 * left after it. */
static void heard_primary(struct core *core)
{
    reign_heard(core);
    core->heard = core->contacted = true;
    core->suspect = false;
    core->heartbeat_ns = core->contact_ns = core->live_ns = core->now_ns;
    core->live_owner = core->epoch.owner;
    lease_promise(core);
    plan_campaign(core);
}

void replica_records(struct core *core, const struct core_msg *msg)
{
    if (core->attach != ATTACH_DONE && !mutated(core, NO_ATTACH))
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
    core->announced = max_u64(core->announced, core->last);
    learn_commit(core, msg->records.commit);
    read_echoes(core, &msg->records.echoes);
    if (core->heard && msg->records.hb_id > core->heard_hb_id) {
        core->heard_hb_id = msg->records.hb_id;
        heard_primary(core);
    }
}

void replica_fetch_answer(struct core *core, const struct core_msg *msg)
{
    core->fetch_nonce = 0;
    bool here = core->attach == ATTACH_DONE && epoch_equal(msg->header.epoch, core->epoch);
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
    if (taken == TAKEN && core->last < core->announced)
        ask_fetch(core);
    else if (taken == NOT_NOW)
        core->fetch_retry_ns = core->now_ns + core->config.heartbeat_interval_ns;
}

void replica_call_failed(struct core *core, uint64_t nonce)
{
    if (nonce == core->attach_nonce && core->attach == ATTACH_ASKED)
        retry_attach_later(core);
    if (nonce == core->fetch_nonce) {
        core->fetch_nonce = 0;
        core->fetch_retry_ns = core->now_ns + jitter(core, core->config.heartbeat_interval_ns);
    }
}

/* Nothing of the failed work was stored: forget that it was accepted; it is fetched again later. What is under way behind it will fail,
 * too; until then nothing new is taken, or it would be forgotten with that. */
static void append_failed(struct core *core, const struct core_event *event)
{
    enum candor_code code = event->appended.code;
    core->append_broken = !settled(core);
    core->last = core->durable;
    ASSERT_U64(event->appended.end.seq, ==, core->last);
    chain_note(core, core->last, event->appended.end.chain);
    risk_cut(core);
    core->match = min_u64(core->match, core->last);
    epoch_history_truncate(&core->history, core->last);
    core->pending_member_count = 0;
    core->fetch_retry_ns = core->now_ns + jitter(core, 5 * core->config.heartbeat_interval_ns);
    log_line(core, LOG_LEVEL_WARN, "append_failed code=%s durable=%" PRIu64, candor_code_name(code),
             core->durable);
}

void replica_appended(struct core *core, const struct core_event *event)
{
    if (event->appended.code != CANDOR_OK) {
        append_failed(core, event);
        return;
    }
    if (event->appended.end.seq == core->end.seq)
        ASSERT(chain_equal(event->appended.end.chain, core->end.chain));
    if (core->attach != ATTACH_DONE)
        return; /* of an epoch that is over: it counts for nothing (R19) */
    core->match = max_u64(core->match, core->durable);
    learn_commit(core, core->announced_commit);
    weigh_evidence(core);
    publish_status(core);
    if (core->last < core->announced_before && settled(core))
        ask_fetch(core);
}

/* The primary's log is not the one that this node attached to, though it ends where this one does: another copy of its disk
 * speaks in its place. */
static void leave_other_log(struct core *core)
{
    log_line(core, LOG_LEVEL_ERROR,
             "log_differs primary=%s seq=%" PRIu64
             " why=\"the primary's log holds other records at this node's end\"",
             core->epoch.owner.text, core->end.seq);
    detach(core);
    retry_attach_later(core);
}

/* ---- Heartbeats and statuses ------------------------------------------------------------------------ */

void replica_heartbeat(struct core *core, const struct core_msg *msg)
{
    if (core->heard && msg->heartbeat.hb_id <= core->heard_hb_id) {
        /* Repeated, or late: no sign of life. What it proves stays proven. */
        if (msg->heartbeat.hb_id == core->heard_hb_id)
            core->successor =
                msg->heartbeat.successor; /* records that name it may have overtaken it */
        learn_commit(core, msg->heartbeat.commit);
        read_echoes(core, &msg->heartbeat.echoes);
        return;
    }
    heard_primary(core);
    core->heard_hb_id = msg->heartbeat.hb_id;
    core->successor = msg->heartbeat.successor;
    core->announced_before = core->announced;
    core->announced = max_u64(core->announced, msg->heartbeat.last);
    memcpy(core->primary_rpc, msg->heartbeat.rpc, sizeof core->primary_rpc);
    core->primary_rpc[sizeof core->primary_rpc - 1] = '\0';
    if (chain_parted(core, msg))
        leave_other_log(core);
    doubt_told(core, &msg->heartbeat.verdicts);
    learn_commit(core, msg->heartbeat.commit);
    read_echoes(core, &msg->heartbeat.echoes);
    publish_status(core);
    /* Records of the last interval may still be on their way; older ones were lost. */
    if (core->attach == ATTACH_DONE && core->last < core->announced_before && settled(core))
        ask_fetch(core);
}

/* What waited for its epoch to be stored: the answer to the heartbeat that brought it, or to the candidate that named it (R7, R23). */
void replica_saved(struct core *core)
{
    bool owed = core->heard || core->status_owed;
    if (core->phase < PHASE_OPENING && owed && hard_state_durable(core))
        publish_status(core);
}

void publish_status(struct core *core)
{
    core->status_due_ns = core->now_ns + core->config.heartbeat_interval_ns;
    /* What is heard in an epoch must not be told under the name of the one before. */
    if (!epoch_equal(core->epoch, shown_epoch(core)))
        return;
    struct core_view view;
    core_view(core, &view);
    struct core_freshness fresh;
    core_view_freshness(&view, core->durable, core->now_ns, &fresh);
    struct core_msg *msg = message_new(core, CORE_MSG_STATUS);
    msg->status.ts_ns = core->now_ns;
    msg->status.hb_id = core->heard ? core->heard_hb_id : 0;
    msg->status.last = core->last;
    msg->status.durable = core->durable;
    bool verified = core->attach == ATTACH_DONE;
    if (mutated(core, MATCH_UNATTACHED))
        msg->status.match = core->last;
    else
        msg->status.match = verified ? min_u64(core->match, core->durable) : 0; /* R15 */
    msg->status.applied = core->durable;
    msg->status.state = fresh.state;
    msg->status.no_room = core->no_room;
    msg->status.digest = doubt_own(core);
    msg->status.rewinds = core->rewinds;
    msg->status.promise_ns = lease_promise_ns(core);
    core->status_owed = false;
    publish(core, msg);
}

void replica_tick(struct core *core)
{
    if (core->phase < PHASE_OPENING && core->now_ns >= core->status_due_ns)
        publish_status(core);
    if (may_attach(core) && !node_id_equal(core->epoch.owner, core->config.self))
        ask_attach(core);
    if (core->attach == ATTACH_DONE && core->fetch_retry_ns != 0 &&
        core->now_ns >= core->fetch_retry_ns) {
        core->fetch_retry_ns = 0;
        if (core->last < core->announced)
            ask_fetch(core);
    }
}

uint64_t replica_wake_ns(const struct core *core)
{
    if (core->phase >= PHASE_OPENING)
        return UINT64_MAX;
    uint64_t wake_ns = core->status_due_ns;
    if (core->attach == ATTACH_NONE && core->heard && core->attach_retry_ns > core->now_ns)
        wake_ns = min_u64(wake_ns, core->attach_retry_ns);
    if (core->attach == ATTACH_DONE && core->fetch_retry_ns != 0)
        wake_ns = min_u64(wake_ns, core->fetch_retry_ns);
    return wake_ns;
}
