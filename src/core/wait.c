/* Reads that wait: what for, and when it is over. */
#include "core/wait.h"

#include "core/act.h"
#include "core/await.h"
#include "core/commit.h"
#include "core/lease.h"
#include "core/session.h"
#include "core/waiting.h"
#include "core/who.h"

/* ---- The end of a wait ----------------------------------------------------------------------- */

static void too_late(struct core *core, const struct pending_read *read)
{
    char text[POS_TEXT_BYTES];
    char here[POS_TEXT_BYTES];
    struct candor_pos own = who_durable_pos(core);
    if (read->kind == CORE_WAIT_SESSION)
        act_finish_text(core, read->ticket, CANDOR_FAILED_PRECONDITION,
                        CANDOR_REASON_SESSION_BEHIND, own,
                        "this node has applied up to %s, the session wants %s", pos_text(own, here),
                        pos_text(read->pos, text));
    else
        act_finish_text(core, read->ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_MAJORITY, own,
                        "leadership was not confirmed by a majority before the deadline");
}

static void answer_index(struct core *core, const struct pending_read *read, bool ok)
{
    struct core_msg *reply = act_message(core, CORE_MSG_READ_INDEX_ANSWER);
    reply->read_index_answer.ok = ok;
    reply->read_index_answer.seq = core->log.commit;
    act_answer(core, read->ticket, reply);
}

static void conclude(struct core *core, uint32_t slot, enum verdict verdict)
{
    struct pending_read read = core->reads.slots[slot];
    reads_remove(core, slot);
    if (read.remote) {
        answer_index(core, &read, verdict == READY);
        return;
    }
    if (read.kind == CORE_WAIT_ACK) {
        await_finish(core, &read, verdict);
        return;
    }
    if (verdict == READY) {
        act_finish(core, read.ticket, CANDOR_OK, CANDOR_REASON_NONE, who_durable_pos(core),
                   CANDOR_ACK_NONE);
    } else if (verdict == TOO_LATE) {
        too_late(core, &read);
    } else if (read.kind == CORE_WAIT_COMMIT) {
        act_finish_text(core, read.ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                        who_durable_pos(core), "what was read was rolled back meanwhile");
    } else {
        session_finish_lost(core, read.ticket,
                            (struct candor_token){.pos = read.pos, .origin = read.origin});
    }
}

/* R51: the caller is gone. */
void wait_cancel(struct core *core, uint32_t slot)
{
    struct pending_read read = core->reads.slots[slot];
    reads_remove(core, slot);
    if (read.remote)
        answer_index(core, &read, false);
    else
        act_finish_text(core, read.ticket, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                        who_durable_pos(core), "nobody waits for the answer any more");
}

/* ---- Linearizable reads at the primary (R32) ------------------------------------------------- */

/* Notes what must be confirmed. Again after a failover: the old confirmation is void. */
static void ask_here(struct core *core, uint32_t slot)
{
    struct pending_read *read = &core->reads.slots[slot];
    read->heartbeat = core->lead.hb_id + 1;
    read->index = core->log.durable;
    read->confirmed = lease_holds(core);
    core->lead.confirm_wanted = core->lead.confirm_wanted || !read->confirmed;
    reads_move(core, slot, read->confirmed ? READS_LEASED : READS_CONFIRMING);
}

static bool confirmed_here(const struct core *core, const struct pending_read *read)
{
    bool confirmed = read->confirmed || core->lead.confirmed_hb >= read->heartbeat ||
                     mutated(core, READ_UNCONFIRMED);
    bool committed = core->log.commit >= max_u64(read->index, core->lead.epoch_first) ||
                     mutated(core, READ_UNCOMMITTED);
    return confirmed && committed;
}

/* Heartbeats and indices only grow within an epoch, so the first of a list is the first to be
 * ready. */
static void progress_here(struct core *core, enum read_list list)
{
    for (;;) {
        uint32_t slot = reads_first(core, list);
        if (slot == NO_SLOT || !confirmed_here(core, &core->reads.slots[slot]))
            return;
        conclude(core, slot, READY);
    }
}

/* ---- Linearizable reads at a replica (R33) --------------------------------------------------- */

/* A replica's reads share calls: one that arrives while a call is under way waits for the next. */
static void ask_index(struct core *core)
{
    bool wanted =
        reads_first(core, READS_UNASKED) != NO_SLOT || reads_first(core, READS_ASKED) != NO_SLOT;
    if (!wanted || core->reads.index_nonce != 0 || core->phase != PHASE_FOLLOWER ||
        core->follow.attach != ATTACH_DONE || core->now_ns < core->reads.index_retry_ns)
        return;
    reads_move_all(core, READS_UNASKED, READS_ASKED);
    core->reads.index_nonce =
        act_call(core, core->epoch.owner, act_message(core, CORE_MSG_READ_INDEX));
}

void wait_index_answer(struct core *core, uint64_t nonce, const struct core_msg *msg)
{
    bool awaited = nonce == core->reads.index_nonce || mutated(core, LATE_ANSWER_TAKEN);
    /* R8: of another attempt */
    if (nonce == 0 || !awaited)
        return;
    core->reads.index_nonce = 0;
    if (!msg->read_index_answer.ok || !epoch_equal(msg->header.epoch, core->epoch)) {
        core->reads.index_retry_ns =
            core->now_ns + who_jitter_ns(core, core->config.heartbeat_interval_ns);
        return;
    }
    for (uint32_t slot; (slot = reads_first(core, READS_ASKED)) != NO_SLOT;) {
        core->reads.slots[slot].index = msg->read_index_answer.seq;
        heap_put(&core->reads.indexed, slot, msg->read_index_answer.seq);
        reads_move(core, slot, READS_INDEXED);
    }
    commit_learn(core, msg->read_index_answer.seq); /* what the primary returns is committed */
}

bool wait_call_failed(struct core *core, uint64_t nonce)
{
    if (nonce == 0 || nonce != core->reads.index_nonce)
        return false;
    core->reads.index_nonce = 0;
    core->reads.index_retry_ns =
        core->now_ns + who_jitter_ns(core, core->config.heartbeat_interval_ns);
    return true;
}

static void progress_indexed(struct core *core)
{
    uint64_t here = min_u64(core->follow.match, core->log.durable);
    if (core->follow.attach != ATTACH_DONE)
        return;
    for (;;) {
        const struct heap_entry *first = heap_first(&core->reads.indexed);
        bool there = first != NULL && (first->key <= here || mutated(core, INDEX_EARLY));
        if (!there)
            return;
        conclude(core, first->item, READY);
    }
}

/* ---- Changes of role ------------------------------------------------------------------------- */

static void ask_all_here(struct core *core, enum read_list list)
{
    uint32_t last = core->reads.slots[list].previous; /* those that are asked may come back to it */
    for (uint32_t slot = reads_first(core, list); slot != NO_SLOT;) {
        uint32_t next = slot == last ? NO_SLOT : reads_next(core, slot);
        heap_remove(&core->reads.indexed, slot);
        ask_here(core, slot);
        slot = next;
    }
}

/* No longer the primary: a replica that asked asks the next one. */
static void leave_primary(struct core *core, enum read_list list)
{
    for (uint32_t slot; (slot = reads_first(core, list)) != NO_SLOT;) {
        if (core->reads.slots[slot].remote)
            conclude(core, slot, TOO_LATE);
        else
            reads_move(core, slot, READS_UNASKED);
    }
}

/* Sorts the linearizable reads anew when what confirms them has changed. */
static void follow_role(struct core *core)
{
    struct read_waits *reads = &core->reads;
    bool primary = core->phase == PHASE_PRIMARY;
    bool same =
        reads->at_primary == primary && (!primary || epoch_equal(reads->epoch, core->epoch));
    if (same)
        return;
    reads->at_primary = primary;
    reads->epoch = core->epoch;
    if (!primary) {
        leave_primary(core, READS_CONFIRMING);
        leave_primary(core, READS_LEASED);
        return;
    }
    ask_all_here(core, READS_LEASED);
    ask_all_here(core, READS_CONFIRMING);
    ask_all_here(core, READS_INDEXED);
    ask_all_here(core, READS_ASKED);
    ask_all_here(core, READS_UNASKED);
}

static void progress_linearizable(struct core *core)
{
    follow_role(core);
    if (core->reads.at_primary) {
        progress_here(core, READS_LEASED);
        progress_here(core, READS_CONFIRMING);
    } else {
        progress_indexed(core);
    }
}

/* ---- What becomes of a position (R43, R44, R70) ---------------------------------------------- */

static struct session_stamp session_stamp(const struct core *core)
{
    const struct epoch_history *history = &core->log.history;
    struct session_stamp stamp = {.leads = core->phase == PHASE_PRIMARY,
                                  .rewinds = core->log.rewinds,
                                  .epochs = history->count};
    if (history->count > 0)
        stamp.newest = history->starts[history->count - 1];
    for (uint32_t i = history->count; i > 0 && history->starts[i - 1].first_seq > core->log.commit;
         i--)
        stamp.uncommitted_epochs++;
    return stamp;
}

static bool stamp_equal(const struct session_stamp *a, const struct session_stamp *b)
{
    return a->leads == b->leads && a->rewinds == b->rewinds && a->epochs == b->epochs &&
           a->uncommitted_epochs == b->uncommitted_epochs &&
           a->newest.first_seq == b->newest.first_seq &&
           epoch_equal(a->newest.epoch, b->newest.epoch);
}

/* A session waits for more to be stored, or for the next stamp. */
static struct heap *session_heap(struct core *core, const struct pending_read *read)
{
    return read->pos.seq > core->log.durable ? &core->reads.sessions : NULL;
}

/* Concludes it, or puts it where its turn will come. */
static void judge_waiting(struct core *core, uint32_t slot)
{
    struct read_waits *reads = &core->reads;
    const struct pending_read *read = &reads->slots[slot];
    bool ack = read->kind == CORE_WAIT_ACK;
    struct candor_token token = {.pos = read->pos, .origin = read->origin};
    enum verdict verdict = ack ? await_judge(core, read) : session_judge(core, token);
    if (verdict != STILL_WAITING) {
        conclude(core, slot, verdict);
        return;
    }
    heap_remove(&reads->sessions, slot);
    heap_remove(&reads->commits, slot);
    heap_remove(&reads->everywhere, slot);
    struct heap *heap = ack ? await_heap(core, read) : session_heap(core, read);
    if (heap != NULL)
        heap_put(heap, slot, read->pos.seq);
}

static void judge_all_sessions(struct core *core)
{
    for (uint32_t slot = reads_first(core, READS_SESSION); slot != NO_SLOT;) {
        uint32_t next = reads_next(core, slot);
        judge_waiting(core, slot);
        slot = next;
    }
}

static void progress_sessions(struct core *core)
{
    struct read_waits *reads = &core->reads;
    struct session_stamp stamp = session_stamp(core);
    if (!stamp_equal(&stamp, &reads->stamp))
        judge_all_sessions(core);
    reads->stamp = stamp;
    for (;;) {
        const struct heap_entry *first = heap_first(&reads->sessions);
        if (first == NULL || first->key > core->log.durable)
            return;
        judge_waiting(core, first->item);
    }
}

/* ---- What is committed (R32, R70) ------------------------------------------------------------ */

/* It can no longer be taken back; LOST: it was. */
static enum verdict judge_commit(const struct core *core, struct candor_pos pos)
{
    if (mutated(core, READ_UNCOMMITTED))
        return READY;
    bool same = epoch_none(pos.epoch) ||
                epoch_equal(epoch_history_at(&core->log.history, pos.seq), pos.epoch);
    return same ? READY : LOST;
}

static void progress_commits(struct core *core)
{
    for (;;) {
        const struct heap_entry *first = heap_first(&core->reads.commits);
        if (first == NULL)
            return;
        const struct pending_read *read = &core->reads.slots[first->item];
        bool ack = read->kind == CORE_WAIT_ACK;
        bool early = mutated(core, READ_UNCOMMITTED) && !ack;
        if (first->key > core->log.commit && !early)
            return;
        if (ack)
            judge_waiting(core, first->item);
        else
            conclude(core, first->item, judge_commit(core, read->pos));
    }
}

/* ALL: the slowest voter has come further. */
static void progress_everywhere(struct core *core)
{
    struct heap *heap = &core->reads.everywhere;
    if (heap->count == 0 || core->phase != PHASE_PRIMARY)
        return;
    uint64_t lowest = commit_lowest_match(core);
    for (;;) {
        const struct heap_entry *first = heap_first(heap);
        if (first == NULL || first->key > lowest)
            return;
        judge_waiting(core, first->item);
    }
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void begin_waiting(struct core *core, uint32_t slot)
{
    const struct pending_read *read = &core->reads.slots[slot];
    switch (read->kind) {
    case CORE_WAIT_SESSION:
    case CORE_WAIT_ACK:
        judge_waiting(core, slot);
        break;
    case CORE_WAIT_LINEARIZABLE:
        follow_role(core);
        if (core->reads.at_primary)
            ask_here(core, slot);
        break;
    case CORE_WAIT_COMMIT:
        heap_put(&core->reads.commits, slot, read->pos.seq);
        break;
    }
}

static enum read_list first_list(enum core_wait kind)
{
    return kind == CORE_WAIT_LINEARIZABLE ? READS_UNASKED
           : kind == CORE_WAIT_COMMIT     ? READS_COMMIT
                                          : READS_SESSION;
}

void wait_read(struct core *core, const struct core_event *event)
{
    struct pending_read read = {.ticket = event->ticket,
                                .kind = event->wait.kind,
                                .pos = event->wait.token.pos,
                                .origin = event->wait.token.origin,
                                .ack = event->wait.ack,
                                .deadline_ns = event->wait.deadline_ns};
    if (read.kind == CORE_WAIT_ACK && await_refuse(core, event))
        return;
    uint32_t slot = reads_add(core, &read, first_list(read.kind));
    if (slot == NO_SLOT)
        act_finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                        (struct candor_pos){0}, "%d reads are waiting already",
                        LIMIT_PENDING_READS);
    else
        begin_waiting(core, slot);
}

void wait_remote(struct core *core, const struct peer *peer, uint64_t ticket,
                 const struct core_msg *msg)
{
    struct pending_read read = {.ticket = ticket,
                                .kind = CORE_WAIT_LINEARIZABLE,
                                .remote = true,
                                .deadline_ns = core->now_ns + core->config.election_timeout_ns};
    bool mine =
        peer != NULL && core->phase == PHASE_PRIMARY && epoch_equal(msg->header.epoch, core->epoch);
    uint32_t slot = mine ? reads_add(core, &read, READS_UNASKED) : NO_SLOT;
    if (slot == NO_SLOT)
        answer_index(core, &read, false);
    else
        begin_waiting(core, slot);
}

void wait_progress(struct core *core)
{
    progress_linearizable(core);
    progress_sessions(core);
    progress_commits(core);
    progress_everywhere(core);
    for (;;) {
        const struct heap_entry *first = heap_first(&core->reads.deadlines);
        if (first == NULL || first->key > core->now_ns)
            break;
        conclude(core, first->item, TOO_LATE);
    }
    ask_index(core);
}

uint64_t wait_wake_ns(const struct core *core)
{
    const struct heap_entry *first = heap_first(&core->reads.deadlines);
    uint64_t wake_ns = first != NULL ? first->key : UINT64_MAX;
    if (first != NULL && core->reads.index_nonce == 0 && core->reads.index_retry_ns > core->now_ns)
        wake_ns = min_u64(wake_ns, core->reads.index_retry_ns);
    return wake_ns;
}
