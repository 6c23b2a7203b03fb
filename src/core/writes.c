/* Writes at the primary: refused, handed to the writer, stored, acknowledged (R1, R19-R21). */
#include <stdlib.h>

#include "core/internal.h"

/* ---- Those that wait ------------------------------------------------------------------------------- */

static void ring_push(struct write_ring *ring, struct pending_write write)
{
    if (ring->count == ring->capacity) {
        uint32_t capacity = ring->capacity == 0 ? 64 : ring->capacity * 2;
        struct pending_write *list = memory_alloc(capacity * sizeof *list);
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

/* ---- Acknowledgement -------------------------------------------------------------------------------- */

/* R46: of a retry, the first execution's position; that may be of an older epoch. */
static void finish_write(struct core *core, const struct pending_write *write, enum ack_level ack)
{
    struct pos pos = {epoch_history_at(&core->history, write->last_seq), write->last_seq};
    finish(core, write->ticket, CANDOR_OK, CANDOR_REASON_NONE, pos, ack);
}

/* R21: the caller learns that it does not know, and what to ask for. */
static void finish_unknown(struct core *core, const struct pending_write *write,
                           enum candor_code code, const char *why)
{
    struct pos pos = {core->epoch, write->last_seq};
    enum candor_reason reason = mutated(core, CORE_MUTATION_UNKNOWN_IS_REFUSED)
                                    ? CANDOR_REASON_NO_PRIMARY
                                    : CANDOR_REASON_OUTCOME_UNKNOWN;
    finish_text(core, write->ticket, code, reason, pos, "%s: the write may or may not survive",
                why);
}

/* MAJORITY and ALL: in order of seq, so an ALL write holds back only itself. */
void writes_release(struct core *core)
{
    if (core->with_voters.count == 0)
        return;
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

/* ---- From the client to the writer and back --------------------------------------------------------- */

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
    if (core->transfer.ticket != 0 && !mutated(core, CORE_MUTATION_TRANSFER_OPEN)) {
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
    if (uncommitted + event->write.records > core->config.max_uncommitted &&
        !mutated(core, CORE_MUTATION_UNCOMMITTED_UNBOUNDED)) { /* R20 */
        finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, none,
                    "%" PRIu64 " records are not committed yet, limits.max_uncommitted is %" PRIu64
                    ": a majority of the voters does not answer",
                    uncommitted, core->config.max_uncommitted);
        return true;
    }
    return false;
}

void writes_take(struct core *core, const struct core_event *event)
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

/* Says whose shortage it is, and what helps. */
static void finish_short(struct core *core, uint64_t ticket, enum candor_reason reason)
{
    const char *self = core->config.self.text;
    struct pos none = {0};
    switch (reason) {
    case CANDOR_REASON_DISK_FULL:
        finish_text(core, ticket, CANDOR_RESOURCE_EXHAUSTED, reason, none,
                    "the disk of node %s is full: nothing was written", self);
        break;
    case CANDOR_REASON_STATE_FULL:
        finish_text(core, ticket, CANDOR_RESOURCE_EXHAUSTED, reason, none,
                    "the state of node %s has reached limits.state: nothing was written; delete "
                    "keys, or raise it",
                    self);
        break;
    default:
        finish_text(core, ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, none,
                    "node %s lacks memory or descriptors for its files: nothing was written", self);
    }
}

void writes_answered(struct core *core, const struct core_event *event)
{
    struct pending_write write = ring_pop(&core->with_writer);
    ASSERT_U64(write.ticket, ==, event->appended.ticket);
    core->records_with_writer -= write.records;
    write.last_seq = event->appended.last_seq;
    risk_note(core, event->appended.batches);
    bool reigns = core->phase == PHASE_PRIMARY && epoch_equal(event->appended.epoch, core->epoch);
    if (reigns)
        publish_records(core, event->appended.batches);
    else
        reigns = mutated(core, CORE_MUTATION_ACK_OLD_EPOCH);

    if (write.ack == ACK_NONE)
        ; /* acknowledged already: a mutation */
    else if (event->appended.code == CANDOR_RESOURCE_EXHAUSTED)
        finish_short(core, write.ticket, event->appended.reason);
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
        commit_advance(core);
}

void writes_abandon(struct core *core)
{
    while (core->with_voters.count > 0) {
        struct pending_write write = ring_pop(&core->with_voters);
        finish_unknown(core, &write, CANDOR_UNKNOWN, "the primary stepped down");
    }
}

uint64_t writes_wake_ns(const struct core *core)
{
    uint64_t wake_ns = UINT64_MAX;
    for (uint32_t i = 0; i < core->with_voters.count; i++)
        wake_ns = min_u64(wake_ns, ring_at(&core->with_voters, i)->deadline_ns);
    return wake_ns;
}
