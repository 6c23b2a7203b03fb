#include <stdlib.h>

#include "core/internal.h"

/* ---- Sessions (R43, R44) ---------------------------------------------------------------------------- */

/* The seq at which this log leaves every log that holds `pos`, by a newer epoch; UINT64_MAX: it does not. */
static uint64_t leaves_at(const struct core *core, struct pos pos)
{
    for (uint32_t i = 0; i < core->history.count; i++)
        if (epoch_compare(core->history.starts[i].epoch, pos.epoch) > 0)
            return core->history.starts[i].first_seq <= pos.seq ? core->history.starts[i].first_seq
                                                                : UINT64_MAX;
    return UINT64_MAX;
}

/* Where a newer epoch begins at or below the token's seq and is committed, the token's record can never come back, however short
 * the log still is; where it is not committed, or an older epoch stands there, this node itself may be the one that rolls back. */
enum verdict judge_session(const struct core *core, struct pos token)
{
    if (mutated(core, CORE_MUTATION_SESSION_UNJUDGED))
        return READY;
    struct epoch here = epoch_history_at(&core->history, token.seq);
    bool same = epoch_none(here) || epoch_equal(here, token.epoch);
    if (token.seq <= core->durable && same)
        return READY;
    return leaves_at(core, token) <= core->commit ? LOST : STILL_WAITING;
}

/* Where this log and one that ends in the token's epoch part, as far as this node knows. */
static struct pos parting(const struct core *core, struct pos token)
{
    for (uint32_t i = core->history.count; i-- > 0;) {
        const struct epoch_start *start = &core->history.starts[i];
        if (epoch_compare(start->epoch, token.epoch) > 0)
            continue;
        uint64_t end =
            i + 1 < core->history.count ? core->history.starts[i + 1].first_seq - 1 : core->durable;
        return (struct pos){start->epoch, min_u64(end, token.seq)};
    }
    return (struct pos){0};
}

void finish_lost(struct core *core, uint64_t ticket, struct pos token)
{
    char text[POS_TEXT_BYTES];
    char parted[POS_TEXT_BYTES];
    struct pos common = parting(core, token);
    finish_text(core, ticket, CANDOR_ABORTED, CANDOR_REASON_SESSION_LOST, common,
                "the session's position %s was rolled back; the histories part after %s",
                pos_text(token, text), pos_text(common, parted));
}

/* ---- Linearizable reads (R32, R33) ------------------------------------------------------------------ */

/* At the primary: notes what must be confirmed. Again after a change of reign: the old promise is void. */
static void ask_here(struct core *core, struct pending_read *read)
{
    if (read->heartbeat != 0 && epoch_equal(read->epoch, core->epoch))
        return;
    read->epoch = core->epoch;
    read->heartbeat = core->hb_id + 1;
    read->index = core->durable;
    read->confirmed = lease_holds(core);
    core->confirm_wanted = core->confirm_wanted || !read->confirmed;
}

static bool confirmed_here(const struct core *core, const struct pending_read *read)
{
    bool confirmed = read->confirmed || core->confirmed_hb >= read->heartbeat ||
                     mutated(core, CORE_MUTATION_READ_UNCONFIRMED);
    bool committed = core->commit >= max_u64(read->index, core->epoch_first) ||
                     mutated(core, CORE_MUTATION_READ_UNCOMMITTED);
    return confirmed && committed;
}

static enum verdict judge_linearizable(struct core *core, struct pending_read *read)
{
    if (core->phase == PHASE_PRIMARY) {
        ask_here(core, read);
        return confirmed_here(core, read) ? READY : STILL_WAITING;
    }
    read->heartbeat = 0;
    if (read->remote)
        return TOO_LATE; /* no longer the primary: the replica asks the next one */
    bool there = (core->match >= read->index && core->durable >= read->index) ||
                 mutated(core, CORE_MUTATION_INDEX_EARLY);
    bool applied = read->has_index && core->attach == ATTACH_DONE && there;
    return applied ? READY : STILL_WAITING;
}

/* A replica's reads share calls: one that arrives while a call is under way waits for the next. */
static void ask_index(struct core *core)
{
    bool wanted = false;
    for (uint32_t i = 0; i < core->read_count; i++)
        wanted = wanted || (core->reads[i].kind == CORE_WAIT_LINEARIZABLE &&
                            !core->reads[i].remote && !core->reads[i].has_index);
    if (!wanted || core->index_nonce != 0 || core->phase != PHASE_FOLLOWER ||
        core->attach != ATTACH_DONE || core->now_ns < core->index_retry_ns)
        return;
    core->index_round++;
    for (uint32_t i = 0; i < core->read_count; i++)
        if (core->reads[i].kind == CORE_WAIT_LINEARIZABLE && !core->reads[i].has_index)
            core->reads[i].round = core->index_round;
    core->index_nonce = call(core, core->epoch.owner, message_new(core, CORE_MSG_READ_INDEX));
}

void wait_index_answer(struct core *core, uint64_t nonce, const struct core_msg *msg)
{
    bool awaited = nonce == core->index_nonce || mutated(core, CORE_MUTATION_LATE_ANSWER_TAKEN);
    if (nonce == 0 || !awaited)
        return; /* R8: of another attempt */
    core->index_nonce = 0;
    if (!msg->read_index_answer.ok || !epoch_equal(msg->header.epoch, core->epoch)) {
        core->index_retry_ns = core->now_ns + jitter(core, core->config.heartbeat_interval_ns);
        return;
    }
    for (uint32_t i = 0; i < core->read_count; i++) {
        struct pending_read *read = &core->reads[i];
        if (read->kind == CORE_WAIT_LINEARIZABLE && !read->remote && !read->has_index &&
            read->round == core->index_round) {
            read->has_index = true;
            read->index = msg->read_index_answer.seq;
        }
    }
    learn_commit(core, msg->read_index_answer.seq); /* what the primary returns is committed */
}

bool wait_call_failed(struct core *core, uint64_t nonce)
{
    if (nonce == 0 || nonce != core->index_nonce)
        return false;
    core->index_nonce = 0;
    core->index_retry_ns = core->now_ns + jitter(core, core->config.heartbeat_interval_ns);
    return true;
}

/* What was read at pos can no longer be taken back; LOST: it was. */
static enum verdict judge_commit(const struct core *core, const struct pending_read *read)
{
    if (mutated(core, CORE_MUTATION_READ_UNCOMMITTED))
        return READY;
    if (core->commit < read->pos.seq)
        return STILL_WAITING;
    bool same = epoch_equal(epoch_history_at(&core->history, read->pos.seq), read->pos.epoch);
    return same ? READY : LOST;
}

/* ---- Waiting ---------------------------------------------------------------------------------------- */

static enum verdict judge(struct core *core, struct pending_read *read)
{
    enum verdict verdict = STILL_WAITING;
    switch (read->kind) {
    case CORE_WAIT_SESSION:
        verdict = judge_session(core, read->pos);
        break;
    case CORE_WAIT_LINEARIZABLE:
        verdict = judge_linearizable(core, read);
        break;
    case CORE_WAIT_COMMIT:
        verdict = judge_commit(core, read);
        break;
    }
    if (verdict == STILL_WAITING && core->now_ns >= read->deadline_ns)
        return TOO_LATE;
    return verdict;
}

static void too_late(struct core *core, const struct pending_read *read)
{
    char text[POS_TEXT_BYTES];
    char here[POS_TEXT_BYTES];
    struct pos own = durable_pos(core);
    if (read->kind == CORE_WAIT_SESSION)
        finish_text(core, read->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_SESSION_BEHIND,
                    own, "this node has applied up to %s, the session wants %s",
                    pos_text(own, here), pos_text(read->pos, text));
    else
        finish_text(core, read->ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_MAJORITY, own,
                    "leadership was not confirmed by a majority before the deadline");
}

static void answer_index(struct core *core, const struct pending_read *read, bool ok)
{
    struct core_msg *reply = message_new(core, CORE_MSG_READ_INDEX_ANSWER);
    reply->read_index_answer.ok = ok;
    reply->read_index_answer.seq = core->commit;
    answer(core, read->ticket, reply);
}

static void conclude(struct core *core, const struct pending_read *read, enum verdict verdict)
{
    if (read->remote) {
        answer_index(core, read, verdict == READY);
        return;
    }
    if (verdict == READY) {
        finish(core, read->ticket, CANDOR_OK, CANDOR_REASON_NONE, durable_pos(core), ACK_NONE);
    } else if (verdict == TOO_LATE) {
        too_late(core, read);
    } else if (read->kind == CORE_WAIT_COMMIT) {
        finish_text(core, read->ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE, durable_pos(core),
                    "what was read was rolled back meanwhile");
    } else {
        finish_lost(core, read->ticket, read->pos);
    }
}

static struct pending_read *add_read(struct core *core, uint64_t ticket, uint64_t deadline_ns)
{
    if (core->read_count == LIMIT_PENDING_READS)
        return NULL;
    if (core->read_count == core->read_capacity) {
        uint32_t capacity = core->read_capacity == 0 ? 16 : core->read_capacity * 2;
        core->reads = memory_resize(core->reads, capacity, sizeof *core->reads);
        core->read_capacity = capacity;
    }
    struct pending_read *read = &core->reads[core->read_count++];
    *read = (struct pending_read){.ticket = ticket, .deadline_ns = deadline_ns};
    return read;
}

void wait_read(struct core *core, const struct core_event *event)
{
    struct pending_read *read = add_read(core, event->ticket, event->wait.deadline_ns);
    if (read == NULL) {
        finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                    (struct pos){0}, "%d reads are waiting already", LIMIT_PENDING_READS);
        return;
    }
    read->kind = event->wait.kind;
    read->pos = event->wait.pos;
}

void wait_remote(struct core *core, const struct peer *peer, uint64_t ticket,
                 const struct core_msg *msg)
{
    struct pending_read refused = {.ticket = ticket, .remote = true};
    bool mine =
        peer != NULL && core->phase == PHASE_PRIMARY && epoch_equal(msg->header.epoch, core->epoch);
    struct pending_read *read =
        mine ? add_read(core, ticket, core->now_ns + core->config.election_timeout_ns) : NULL;
    if (read == NULL) {
        answer_index(core, &refused, false);
        return;
    }
    read->kind = CORE_WAIT_LINEARIZABLE;
    read->remote = true;
}

void wait_progress(struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->read_count; i++) {
        struct pending_read read = core->reads[i];
        enum verdict verdict = judge(core, &read);
        if (verdict == STILL_WAITING)
            core->reads[kept++] = read;
        else
            conclude(core, &read, verdict);
    }
    core->read_count = kept;
    if (kept > 0)
        ask_index(core);
}

uint64_t wait_wake_ns(const struct core *core)
{
    uint64_t wake_ns = UINT64_MAX;
    for (uint32_t i = 0; i < core->read_count; i++)
        wake_ns = min_u64(wake_ns, core->reads[i].deadline_ns);
    if (core->read_count > 0 && core->index_nonce == 0 && core->index_retry_ns > core->now_ns)
        wake_ns = min_u64(wake_ns, core->index_retry_ns);
    return wake_ns;
}
