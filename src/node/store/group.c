/* Group commit of what was sequenced elsewhere, and of EPOCH_START and MEMBERS: many records, one
 * write, one fdatasync, one state transaction. */
#include "node/store/group.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "core/core.h"
#include "log/hard_state.h"
#include "log/log.h"
#include "node/shared/event.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/store/hard.h"
#include "node/store/shortage.h"
#include "node/store/snapshot.h"
#include "node/store/work.h"
#include "node/store/writer_state.h"
#include "record/batch.h"
#include "state/state.h"
#include "topology/topology.h"

/* ---- Storing --------------------------------------------------------------------------------- */

void group_take_back(struct node *node, uint64_t last_before)
{
    struct candor_error err = {0};
    if (log_truncate(node->log, last_before, &err) != CANDOR_OK)
        node_fatal(node, &err);
}

void group_note_stored(struct node *node, size_t bytes)
{
    struct writer *writer = node->writer;
    if (node->self->durability == TOPOLOGY_INTERVAL && !writer->dirty) {
        writer->dirty = true;
        writer->sync_due_ns = clock_boot_ns() + node->topology->sync_interval_ms * NS_PER_MS;
    }
    snapshots_note_growth(node, bytes);
}

/* Log, then state. RESOURCE_EXHAUSTED: nothing is stored. Any other failure stops the node (R3). */
static enum candor_code store(struct node *node, struct slice batches, struct candor_error *err)
{
    uint64_t last_before = log_last(node->log);
    enum candor_code code = log_append(node->log, batches, err);
    if (code == CANDOR_OK) {
        code = state_apply(node->state, batches, node->writer->commit, err);
        if (code == CANDOR_RESOURCE_EXHAUSTED)
            group_take_back(node, last_before);
    }
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        shortage_note(node, err);
    else if (code != CANDOR_OK)
        node_fatal(node, err);
    else
        group_note_stored(node, batches.length);
    return code;
}

void group_answer(struct node *node, struct node_event *event, const struct candor_error *result,
                  struct candor_epoch epoch, uint64_t first_seq, uint64_t last_seq)
{
    event->core.type = CORE_EVENT_APPENDED;
    event->core.appended.code = result->code;
    event->core.appended.reason = result->reason;
    event->core.appended.epoch = epoch;
    event->core.appended.first_seq = first_seq;
    event->core.appended.last_seq = last_seq;
    if (last_seq == log_last(node->log)) {
        event->core.appended.digest = state_digest_at(node->state);
        event->core.appended.end = (struct chain_at){last_seq, log_chain(node->log)};
    }
    event->core.appended.batches = buffer_slice(&event->bytes);
    work_answer(node, event);
}

/* ---- Records of a replica -------------------------------------------------------------------- */

struct span {
    bool ok; /* decodes, and is contiguous in itself */
    uint64_t first_seq;
    uint64_t last_seq;
    struct candor_epoch first_epoch;
    struct candor_epoch last_epoch;
    struct chain before; /* what it follows */
    struct chain chain;  /* at its last record */
};

static struct span span_of(struct slice batches)
{
    struct span span = {0};
    while (batches.length > 0) {
        struct batch batch;
        struct candor_error err;
        bool follows = batch_decode(&batches, &batch, &err) == CANDOR_OK &&
                       (span.last_seq == 0 || (batch.first_seq == span.last_seq + 1 &&
                                               epoch_compare(batch.epoch, span.last_epoch) >= 0 &&
                                               chain_equal(batch.before, span.chain)));
        if (!follows)
            return (struct span){0};
        if (span.last_seq == 0) {
            span.first_seq = batch.first_seq;
            span.first_epoch = batch.epoch;
            span.before = batch.before;
        }
        span.last_seq = batch_last_seq(&batch);
        span.last_epoch = batch.epoch;
        span.chain = batch_chain(&batch, span.last_seq);
        span.ok = true;
    }
    return span;
}

/* Behind `end`, the span or the log before it. */
static bool fits(const struct span *span, const struct span *end)
{
    return span->ok && span->first_seq == end->last_seq + 1 &&
           epoch_compare(span->first_epoch, end->last_epoch) >= 0 &&
           chain_equal(span->before, end->chain);
}

static void answer_append(struct node *node, const struct candor_error *result,
                          const struct span *span)
{
    struct node_event *event = event_new(CORE_EVENT_APPENDED);
    uint64_t last_seq = result->code == CANDOR_OK ? span->last_seq : log_last(node->log);
    event->core.appended.log_ms = state_log_ms(node->state);
    group_answer(node, event, result, span->last_epoch, span->first_seq, last_seq);
}

enum { APPENDS_AT_ONCE = 128 };

size_t group_appends(struct node *node, struct work **works, size_t count)
{
    struct writer *writer = node->writer;
    struct span spans[APPENDS_AT_ONCE];
    spans[0] = (struct span){0};
    const struct span log_end = {.last_seq = log_last(node->log),
                                 .last_epoch = writer->tail_epoch,
                                 .chain = log_chain(node->log)};
    const struct span *end = &log_end;
    size_t taken = 0;
    size_t bytes = 0;
    while (taken < count && taken < APPENDS_AT_ONCE && bytes < LIMIT_GROUP_COMMIT_BYTES) {
        struct work *work = works[taken];
        if (work->type != CORE_ACTION_APPEND)
            break;
        spans[taken] = span_of(buffer_slice(&work->bytes));
        if (!fits(&spans[taken], end))
            break;
        end = &spans[taken];
        bytes += work->bytes.length;
        taken++;
    }
    if (taken == 0) {
        answer_append(node, &(struct candor_error){.code = CANDOR_ABORTED}, &spans[0]);
        return 1;
    }
    struct slice batches = buffer_slice(&works[0]->bytes);
    if (taken > 1) {
        buffer_clear(&writer->group);
        for (size_t i = 0; i < taken; i++)
            buffer_put(&writer->group, works[i]->bytes.bytes, works[i]->bytes.length);
        batches = buffer_slice(&writer->group);
    }
    struct candor_error result = {0};
    if (store(node, batches, &result) == CANDOR_OK)
        writer->tail_epoch = end->last_epoch;
    for (size_t i = 0; i < taken; i++)
        answer_append(node, &result, &spans[i]);
    return taken;
}

/* ---- EPOCH_START and MEMBERS ----------------------------------------------------------------- */

static bool meta_fits(const struct node *node, const struct work *work)
{
    int order = epoch_compare(work->epoch, node->writer->tail_epoch);
    if (epoch_equal(work->epoch, node->writer->withdrawn_epoch))
        return false;
    return work->type == CORE_ACTION_EPOCH_START ? order > 0 : order == 0;
}

/* A forced epoch was not promised before (R28): where the log is not synced at once its EPOCH_START
 * alone would not keep it. */
static bool hard_state_reaches(struct node *node, struct candor_epoch epoch)
{
    struct hard_state *hard = &node->writer->hard;
    if (epoch_compare(epoch, hard->epoch) <= 0)
        return true;
    hard->epoch = epoch;
    return hard_save(node);
}

void group_meta(struct node *node, struct work *work)
{
    struct node_event *event = event_new(CORE_EVENT_APPENDED);
    uint64_t seq = log_last(node->log) + 1;
    struct candor_error result = {.code = CANDOR_ABORTED};
    if (meta_fits(node, work)) {
        result.code = CANDOR_OK;
        enum record_type type =
            work->type == CORE_ACTION_EPOCH_START ? RECORD_EPOCH_START : RECORD_MEMBERS;
        struct batch_writer batch =
            batch_begin(&event->bytes, type, work->epoch, seq, log_chain(node->log));
        batch_add_members(&batch, clock_wall_ms(), work->cluster_id, work->members);
        batch_end(&batch);
        (void)store(node, buffer_slice(&event->bytes), &result);
    }
    if (result.code == CANDOR_OK)
        node->writer->tail_epoch = work->epoch;
    else
        buffer_free(&event->bytes);
    if (result.code == CANDOR_OK && !hard_state_reaches(node, work->epoch)) {
        event_free(node, event); /* the node stops: nobody waits for an answer */
        return;
    }
    group_answer(node, event, &result, work->epoch, seq, log_last(node->log));
}
