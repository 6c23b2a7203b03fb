#include <stdlib.h>

#include "core/internal.h"

enum verdict { STILL_WAITING, READY, LOST, TOO_LATE };

/* R43, R44. Where a newer epoch stands at a committed seq, the token's record can never come back; where it is
 * not committed, or an older epoch stands there, this node itself may be the one that rolls back. */
static enum verdict judge(const struct core *core, const struct pending_read *read)
{
    uint64_t seq = read->pos.seq;
    struct epoch here = epoch_history_at(&core->history, seq);
    int order = epoch_none(here) ? 0 : epoch_compare(here, read->pos.epoch);
    if (seq <= core->durable && order == 0)
        return READY;
    if (seq <= core->commit && order > 0)
        return LOST;
    return core->now_ns >= read->deadline_ns ? TOO_LATE : STILL_WAITING;
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

static void conclude(struct core *core, const struct pending_read *read, enum verdict verdict)
{
    char text[POS_TEXT_BYTES];
    char parted[POS_TEXT_BYTES];
    switch (verdict) {
    case READY:
        finish(core, read->ticket, CANDOR_OK, CANDOR_REASON_NONE, durable_pos(core), ACK_NONE);
        break;
    case LOST: {
        struct pos common = parting(core, read->pos);
        finish_text(core, read->ticket, CANDOR_ABORTED, CANDOR_REASON_SESSION_LOST, common,
                    "the session's position %s was rolled back; the histories part after %s",
                    pos_text(read->pos, text), pos_text(common, parted));
        break;
    }
    case TOO_LATE:
        finish_text(core, read->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_SESSION_BEHIND,
                    durable_pos(core), "this node has applied up to %s, the session wants %s",
                    pos_text(durable_pos(core), parted), pos_text(read->pos, text));
        break;
    case STILL_WAITING:
        break;
    }
}

void wait_read(struct core *core, const struct core_event *event)
{
    if (core->read_count == LIMIT_PENDING_READS) {
        finish_text(core, event->ticket, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                    (struct pos){0}, "%d reads are waiting already", LIMIT_PENDING_READS);
        return;
    }
    if (core->read_count == core->read_capacity) {
        uint32_t capacity = core->read_capacity == 0 ? 16 : core->read_capacity * 2;
        core->reads = realloc(core->reads, capacity * sizeof *core->reads);
        ASSERT(core->reads != NULL);
        core->read_capacity = capacity;
    }
    core->reads[core->read_count++] = (struct pending_read){
        .ticket = event->ticket,
        .pos = event->wait.pos,
        .deadline_ns = event->wait.deadline_ns,
    };
}

void wait_progress(struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->read_count; i++) {
        enum verdict verdict = judge(core, &core->reads[i]);
        if (verdict == STILL_WAITING)
            core->reads[kept++] = core->reads[i];
        else
            conclude(core, &core->reads[i], verdict);
    }
    core->read_count = kept;
}

uint64_t wait_wake_ns(const struct core *core)
{
    uint64_t wake_ns = UINT64_MAX;
    for (uint32_t i = 0; i < core->read_count; i++)
        wake_ns = min_u64(wake_ns, core->reads[i].deadline_ns);
    return wake_ns;
}
