/* Writes at the primary: refused, handed to the writer, published, stored, acknowledged (R1,
 * R19-R21, R51, R68). */
#include <stdlib.h>

#include "core/writes.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/heartbeat.h"
#include "core/log_time.h"
#include "core/risk.h"
#include "core/session.h"
#include "core/waiting.h"
#include "core/who.h"
#include "core/work.h"

/* ---- With the writer: in order --------------------------------------------------------------- */

static void writer_push(struct core *core, const struct pending_write *write)
{
    struct ring *ring = &core->writes.with_writer;
    waiter_add(core, write->ticket, WAITER_WITH_WRITER, ring->first + ring->count);
    *(struct pending_write *)ring_push(ring) = *write;
}

static struct pending_write writer_pop(struct core *core)
{
    struct pending_write write;
    ring_pop(&core->writes.with_writer, &write);
    waiter_remove(core, write.ticket);
    return write;
}

/* ---- With the voters: the least seq is the first to be acknowledged -------------------------- */

static void voters_add(struct core *core, const struct pending_write *write)
{
    struct voter_waits *waits = &core->writes.with_voters;
    uint32_t slot = waits->free;
    if (slot != NO_SLOT) {
        waits->free = waits->slots[slot].next_free;
    } else {
        memory_grow(waits->slots, waits->capacity, waits->used + 1);
        slot = waits->used++;
    }
    waits->slots[slot] = *write;
    waits->count++;
    heap_put(write->ack == CANDOR_ACK_MAJORITY ? &waits->majority : &waits->all, slot,
             write->last_seq);
    heap_put(&waits->deadlines, slot, write->deadline_ns);
    waiter_add(core, write->ticket, WAITER_WITH_VOTERS, slot);
}

static struct pending_write voters_take(struct core *core, uint32_t slot)
{
    struct voter_waits *waits = &core->writes.with_voters;
    struct pending_write write = waits->slots[slot];
    ASSERT(waits->count > 0);
    heap_remove(&waits->majority, slot);
    heap_remove(&waits->all, slot);
    heap_remove(&waits->deadlines, slot);
    waiter_remove(core, write.ticket);
    waits->slots[slot].next_free = waits->free;
    waits->free = slot;
    waits->count--;
    return write;
}

uint32_t writes_pending(const struct core *core)
{
    return (uint32_t)core->writes.with_writer.count + core->writes.with_voters.count;
}

void writes_init(struct core *core)
{
    core->writes.with_writer.each = sizeof(struct pending_write);
    core->writes.with_voters.free = NO_SLOT;
}

void writes_free(struct core *core)
{
    struct voter_waits *waits = &core->writes.with_voters;
    ring_free(&core->writes.with_writer);
    free(waits->slots);
    heap_free(&waits->majority);
    heap_free(&waits->all);
    heap_free(&waits->deadlines);
}

/* ---- Acknowledgement ------------------------------------------------------------------------- */

/* Its epoch need not be the present one: of a retry it is the first execution's position (R46), and
 * what was stored while the node adopted another epoch stands in the one before (R19). */
static struct candor_pos position_of(const struct core *core, const struct pending_write *write)
{
    return (struct candor_pos){epoch_history_at(&core->log.history, write->last_seq),
                               write->last_seq};
}

static struct candor_pos position_unknown(const struct core *core,
                                          const struct pending_write *write)
{
    struct candor_pos pos = position_of(core, write);
    if (mutated(core, UNKNOWN_ELSEWHERE))
        pos.epoch = core->epoch;
    return pos;
}

static void finish_write(struct core *core, const struct pending_write *write, enum candor_ack ack)
{
    act_finish(core, write->ticket, CANDOR_OK, CANDOR_REASON_NONE, position_of(core, write), ack);
}

/* R21: the caller learns that it does not know, and what to ask for. */
static void finish_unknown(struct core *core, const struct pending_write *write,
                           enum candor_code code, const char *why)
{
    enum candor_reason reason = mutated(core, UNKNOWN_IS_REFUSED) ? CANDOR_REASON_NO_PRIMARY
                                                                  : CANDOR_REASON_OUTCOME_UNKNOWN;
    act_finish_text(core, write->ticket, code, reason, position_unknown(core, write),
                    "%s: the write may or may not survive", why);
}

static void release_up_to(struct core *core, struct heap *heap, uint64_t seq)
{
    for (;;) {
        const struct heap_entry *first = heap_first(heap);
        if (first == NULL || first->key > seq)
            return;
        struct pending_write write = voters_take(core, first->item);
        finish_write(core, &write, write.ack);
    }
}

/* An ALL write holds back only other ALL writes. */
static void release_reached(struct core *core)
{
    struct voter_waits *waits = &core->writes.with_voters;
    release_up_to(core, &waits->majority, core->log.commit);
    if (waits->all.count > 0)
        release_up_to(core, &waits->all, min_u64(core->log.commit, commit_lowest_match(core)));
}

void writes_release(struct core *core)
{
    struct voter_waits *waits = &core->writes.with_voters;
    release_reached(core);
    for (;;) {
        const struct heap_entry *first = heap_first(&waits->deadlines);
        if (first == NULL || first->key > core->now_ns)
            return;
        struct pending_write write = voters_take(core, first->item);
        finish_unknown(core, &write, CANDOR_DEADLINE_EXCEEDED, "the deadline passed");
    }
}

/* R51: what is with the writer is stored, or not, all the same; it only waits for nobody then. The
 * write is never taken back: whether it survives its caller does not know. */
static void finish_cancelled(struct core *core, const struct pending_write *write)
{
    if (mutated(core, CANCEL_IS_REFUSED))
        act_finish(core, write->ticket, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                   (struct candor_pos){0}, CANDOR_ACK_NONE);
    else
        finish_unknown(core, write, CANDOR_CANCELLED, "its caller is gone");
}

void writes_cancel(struct core *core, enum waiter waiter, uint64_t number)
{
    if (waiter == WAITER_WITH_VOTERS) {
        struct pending_write write = voters_take(core, (uint32_t)number);
        finish_cancelled(core, &write);
        return;
    }
    struct pending_write *write = ring_at(&core->writes.with_writer, number);
    write->cancelled = true;
}

/* ---- From the client to the writer and back -------------------------------------------------- */

/* R43, I8: what a session writes comes after all that it has seen, or not at all. A token of this
 * epoch was given by this primary, or by another copy of its disk. */
static bool refuse_session(struct core *core, uint64_t ticket, struct candor_token token)
{
    char text[POS_TEXT_BYTES];
    int order = epoch_compare(token.pos.epoch, core->epoch);
    bool own = order == 0 && !chain_is_other(core, &token);
    if (token.pos.seq == 0 || own || mutated(core, SESSION_UNJUDGED))
        return false;
    enum verdict verdict = order <= 0 ? session_judge(core, token) : STILL_WAITING;
    if (verdict == READY)
        return false;
    if (verdict == LOST)
        session_finish_lost(core, ticket, token);
    else
        act_finish_text(
            core, ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_SESSION_BEHIND, who_durable_pos(core),
            order > 0 ? "the session has seen %s: this primary was deposed and is about to learn it"
                      : "whether the session's %s survived is not decided yet: the new epoch is "
                        "not committed",
            pos_text(token.pos, text));
    return true;
}

static bool refuse_write(struct core *core, const struct core_event *event)
{
    struct candor_pos none = {0};
    if (core->phase != PHASE_PRIMARY) {
        act_finish(core, event->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NOT_PRIMARY, none,
                   CANDOR_ACK_NONE);
        return true;
    }
    if (core->transfer.ticket != 0 && !mutated(core, TRANSFER_OPEN)) {
        act_finish_text(core, event->ticket, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_PRIMARY, none,
                        "leadership is being handed to %s", core->transfer.to.text);
        return true;
    }
    if (refuse_session(core, event->ticket, event->write.token))
        return true;
    if (writes_pending(core) >= LIMIT_PENDING_WRITES) {
        act_finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                        none, "%d writes are waiting already", LIMIT_PENDING_WRITES);
        return true;
    }
    uint64_t uncommitted =
        saturating_sub(core->log.durable, core->log.commit) + core->writes.records_with_writer;
    /* R20 */
    if (uncommitted + event->write.records > core->config.max_uncommitted &&
        !mutated(core, UNCOMMITTED_UNBOUNDED)) {
        act_finish_text(
            core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, none,
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
    if (event->write.dry_run) {
        act_finish(core, event->ticket, CANDOR_OK, CANDOR_REASON_NONE, who_durable_pos(core),
                   CANDOR_ACK_NONE);
        return;
    }
    struct pending_write write = {
        .ticket = event->ticket,
        .ack = event->write.ack,
        .deadline_ns = event->write.deadline_ns,
        .records = event->write.records,
    };
    if (mutated(core, ACK_BEFORE_FSYNC) && write.ack == CANDOR_ACK_LOCAL) {
        act_finish(
            core, write.ticket, CANDOR_OK, CANDOR_REASON_NONE,
            (struct candor_pos){core->epoch,
                                core->log.last + core->writes.records_with_writer + write.records},
            CANDOR_ACK_LOCAL);
        write.ack = CANDOR_ACK_NONE;
    }
    writer_push(core, &write);
    core->writes.records_with_writer += write.records;
    work_give(core, CORE_ACTION_WRITE)->write = (struct core_action_write){
        .ticket = event->ticket, .epoch = core->epoch, .log_ms = log_time_ms(core)};
}

/* Says whose shortage it is, and what helps. */
static void finish_short(struct core *core, uint64_t ticket, enum candor_reason reason)
{
    const char *self = core->config.self.text;
    struct candor_pos none = {0};
    switch (reason) {
    case CANDOR_REASON_DISK_FULL:
        act_finish_text(core, ticket, CANDOR_RESOURCE_EXHAUSTED, reason, none,
                        "the disk of node %s is full: nothing was written", self);
        break;
    case CANDOR_REASON_STATE_FULL:
        act_finish_text(
            core, ticket, CANDOR_RESOURCE_EXHAUSTED, reason, none,
            "the state of node %s has reached limits.state: nothing was written; delete "
            "keys, or raise it",
            self);
        break;
    default:
        act_finish_text(core, ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, none,
                        "node %s lacks memory or descriptors for its files: nothing was written",
                        self);
    }
}

/* A mutation. */
static void acknowledge_oldest(struct core *core, uint64_t last_seq)
{
    struct ring *ring = &core->writes.with_writer;
    struct pending_write *oldest = ring_at(ring, ring->first);
    if (oldest->ack != CANDOR_ACK_LOCAL)
        return;
    oldest->last_seq = last_seq;
    finish_write(core, oldest, CANDOR_ACK_LOCAL);
    oldest->ack = CANDOR_ACK_NONE;
}

/* R68: the replicas store it while this node's own fsync is under way. Nothing here counts it
 * before that has come back. */
void writes_staged(struct core *core, const struct core_event *event)
{
    risk_note(core, event->staged.batches);
    if (core->phase != PHASE_PRIMARY || !epoch_equal(event->staged.epoch, core->epoch))
        return;
    ASSERT_U64(event->staged.last_seq, >, core->log.durable);
    core->lead.staged = event->staged.last_seq;
    heartbeat_publish_records(core, event->staged.batches);
    if (mutated(core, ACK_AT_STAGING))
        acknowledge_oldest(core, event->staged.last_seq);
}

void writes_answered(struct core *core, const struct core_event *event)
{
    struct pending_write write = writer_pop(core);
    ASSERT_U64(write.ticket, ==, event->appended.ticket);
    core->writes.records_with_writer -= write.records;
    write.last_seq = event->appended.written_seq;
    risk_note(core, event->appended.batches);
    bool leads = core->phase == PHASE_PRIMARY && epoch_equal(event->appended.epoch, core->epoch);
    if (leads)
        heartbeat_publish_records(core, event->appended.batches);
    else
        leads = mutated(core, ACK_OLD_EPOCH);

    /* acknowledged already: a mutation */
    if (write.ack == CANDOR_ACK_NONE)
        ;
    else if (event->appended.withdrawn) /* the replicas may hold it, and keep it */
        finish_unknown(core, &write, CANDOR_UNKNOWN, "it was published and could not be stored");
    else if (event->appended.code == CANDOR_RESOURCE_EXHAUSTED)
        finish_short(core, write.ticket, event->appended.reason);
    else if (event->appended.code != CANDOR_OK)
        act_finish_text(core, write.ticket, event->appended.code, CANDOR_REASON_NONE,
                        (struct candor_pos){0}, "the write was not stored");
    else if (!leads) /* R19 */
        finish_unknown(core, &write, CANDOR_UNKNOWN, "the primary was deposed");
    else if (write.ack == CANDOR_ACK_LOCAL)
        finish_write(core, &write, CANDOR_ACK_LOCAL);
    else if (write.cancelled)
        finish_cancelled(core, &write);
    else
        voters_add(core, &write);
    if (core->phase == PHASE_PRIMARY)
        commit_advance(core);
}

/* What was reached before, in the same flush, is not abandoned with the rest. */
void writes_abandon(struct core *core)
{
    release_reached(core);
    for (;;) { /* by their deadlines: any order will do, and all are there */
        const struct heap_entry *first = heap_first(&core->writes.with_voters.deadlines);
        if (first == NULL)
            return;
        struct pending_write write = voters_take(core, first->item);
        finish_unknown(core, &write, CANDOR_UNKNOWN, "the primary stepped down");
    }
}

uint64_t writes_wake_ns(const struct core *core)
{
    const struct heap_entry *first = heap_first(&core->writes.with_voters.deadlines);
    return first != NULL ? first->key : UINT64_MAX;
}
