/* Group commit: many records, one write, one fdatasync, one state transaction. */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

/* What a record adds to its batch beyond keys and values: an upper bound of record/batch.h's layout. */
enum { RECORD_OVERHEAD_BYTES = 64 };

/* ---- Storing --------------------------------------------------------------------------------------------- */

static void note_full(struct node *node, const struct candor_error *err)
{
    uint64_t now_ns = clock_boot_ns();
    if (now_ns - node->writer.full_logged_ns < NS_PER_S)
        return;
    node->writer.full_logged_ns = now_ns;
    log_warn("disk_full", "what=\"%s\" way_out=\"make room; nothing was stored\"", err->message);
}

/* A log must not hold what the state cannot take: the records go again, unacknowledged. */
static void take_back(struct node *node, uint64_t last_before)
{
    struct candor_error err = {0};
    if (log_truncate(node->log, last_before, &err) != CANDOR_OK)
        node_fatal(node, &err);
}

/* Log, then state. RESOURCE_EXHAUSTED: nothing is stored. Any other failure stops the node (R3). */
static enum candor_code store(struct node *node, struct slice batches, bool *existed)
{
    struct writer *writer = &node->writer;
    struct candor_error err = {0};
    uint64_t last_before = log_last(node->log);
    enum candor_code code = log_append(node->log, batches, &err);
    if (code == CANDOR_OK) {
        code = state_apply(node->state, batches, writer->commit, existed, &err);
        if (code == CANDOR_RESOURCE_EXHAUSTED)
            take_back(node, last_before);
    }
    if (code == CANDOR_RESOURCE_EXHAUSTED) {
        note_full(node, &err);
        return code;
    }
    if (code != CANDOR_OK)
        node_fatal(node, &err);
    if (node->self->durability == TOPOLOGY_INTERVAL && !writer->dirty) {
        writer->dirty = true;
        writer->sync_due_ns = clock_boot_ns() + node->topology->sync_interval_ms * NS_PER_MS;
    }
    snapshots_note_growth(node, batches.length);
    return CANDOR_OK;
}

static void answer_appended(struct node *node, struct node_event *event, enum candor_code code,
                            struct epoch epoch, uint64_t first_seq, uint64_t last_seq)
{
    event->core.type = CORE_EVENT_APPENDED;
    event->core.appended.code = code;
    event->core.appended.epoch = epoch;
    event->core.appended.first_seq = first_seq;
    event->core.appended.last_seq = last_seq;
    event->core.appended.batches = buffer_slice(&event->bytes);
    work_answer(node, event);
}

/* ---- Writes of clients ------------------------------------------------------------------------------------ */

static void answer_write(struct node *node, struct write_ticket *write, enum candor_code code,
                         uint64_t first_seq, struct buffer bytes)
{
    write->appended = (struct node_event){.embedded = true, .bytes = bytes};
    write->appended.core.appended.ticket = ticket_number(&write->ticket);
    uint64_t last_seq = code == CANDOR_OK ? first_seq + write->op_count - 1 : log_last(node->log);
    answer_appended(node, &write->appended, code, write->work.epoch, first_seq, last_seq);
}

static size_t op_bytes(const struct record_op *op)
{
    return RECORD_OVERHEAD_BYTES + op->key.length + op->value.length;
}

struct group {
    struct buffer *out;
    struct batch_writer batch;
    struct epoch epoch;
    uint64_t next_seq;
    uint64_t wall_ms;
};

/* Each op is its own record. A batch stays small enough for one message, unless one record alone is larger. */
static void add_op(struct group *group, const struct write_ticket *write,
                   const struct record_op *op)
{
    bool full = group->batch.count > 0 &&
                batch_bytes(&group->batch) + op_bytes(op) > LIMIT_GROUP_COMMIT_BYTES;
    if (full) {
        batch_end(&group->batch);
        group->batch = batch_begin(group->out, RECORD_WRITE, group->epoch, group->next_seq);
    }
    struct record_write record = {
        .ack = write->ack, .wall_ms = group->wall_ms, .request = write->request};
    batch_add_write(&group->batch, &record, op, 1);
    group->next_seq++;
}

static bool joins(const struct work *work, struct epoch epoch)
{
    return work->type == CORE_ACTION_WRITE && !work->drain && epoch_equal(work->epoch, epoch);
}

/* Encodes the first writes until the group is large enough; counts their ops. */
static size_t encode(struct node *node, struct work **works, size_t count, size_t *op_count)
{
    struct writer *writer = &node->writer;
    buffer_clear(&writer->group);
    struct group group = {
        .out = &writer->group,
        .epoch = works[0]->epoch,
        .next_seq = log_last(node->log) + 1,
        .wall_ms = clock_wall_ms(),
    };
    group.batch = batch_begin(group.out, RECORD_WRITE, group.epoch, group.next_seq);
    size_t taken = 0;
    *op_count = 0;
    while (taken < count && joins(works[taken], group.epoch) &&
           writer->group.length < LIMIT_GROUP_COMMIT_BYTES) {
        const struct write_ticket *write = works[taken]->write;
        for (uint32_t i = 0; i < write->op_count; i++)
            add_op(&group, write, &write->ops[i]);
        *op_count += write->op_count;
        taken++;
    }
    batch_end(&group.batch);
    return taken;
}

static bool *room_for_existed(struct writer *writer, size_t count)
{
    if (count > writer->existed_capacity) {
        writer->existed = realloc(writer->existed, count * sizeof *writer->existed);
        ASSERT(writer->existed != NULL);
        writer->existed_capacity = count;
    }
    return writer->existed;
}

/* The first event carries the bytes of the whole group. */
static void answer_group(struct node *node, struct work **works, size_t count,
                         enum candor_code code, uint64_t first_seq)
{
    const bool *existed = node->writer.existed;
    for (size_t i = 0; i < count; i++) {
        struct write_ticket *write = works[i]->write;
        uint32_t op_count = write->op_count;
        memcpy(write->existed, existed, op_count * sizeof *existed);
        existed += op_count;
        struct buffer bytes = {0};
        if (i == 0 && code == CANDOR_OK) {
            bytes = node->writer.group;
            node->writer.group = (struct buffer){0};
        }
        answer_write(node, write, code, first_seq, bytes);
        first_seq += op_count;
    }
}

/* A write of an epoch that the log is not in: its reign is over, or never began here. */
static size_t refuse_write(struct node *node, struct work *work)
{
    answer_write(node, work->write, CANDOR_ABORTED, 0, (struct buffer){0});
    return 1;
}

size_t group_writes(struct node *node, struct work **works, size_t count)
{
    if (!epoch_equal(works[0]->epoch, node->writer.tail_epoch))
        return refuse_write(node, works[0]);
    size_t op_count;
    uint64_t first_seq = log_last(node->log) + 1;
    size_t taken = encode(node, works, count, &op_count);
    bool *existed = room_for_existed(&node->writer, op_count);
    memset(existed, 0, op_count * sizeof *existed);
    enum candor_code code = store(node, buffer_slice(&node->writer.group), existed);
    answer_group(node, works, taken, code, first_seq);
    return taken;
}

/* ---- Records of a replica ---------------------------------------------------------------------------------- */

struct span {
    bool ok; /* decodes, and is contiguous in itself */
    uint64_t first_seq;
    uint64_t last_seq;
    struct epoch first_epoch;
    struct epoch last_epoch;
};

static struct span span_of(struct slice batches)
{
    struct span span = {0};
    while (batches.length > 0) {
        struct batch batch;
        struct candor_error err;
        bool follows = batch_decode(&batches, &batch, &err) == CANDOR_OK &&
                       (span.last_seq == 0 || (batch.first_seq == span.last_seq + 1 &&
                                               epoch_compare(batch.epoch, span.last_epoch) >= 0));
        if (!follows)
            return (struct span){0};
        if (span.last_seq == 0) {
            span.first_seq = batch.first_seq;
            span.first_epoch = batch.epoch;
        }
        span.last_seq = batch_last_seq(&batch);
        span.last_epoch = batch.epoch;
        span.ok = true;
    }
    return span;
}

static bool fits(const struct span *span, uint64_t last_seq, struct epoch epoch)
{
    return span->ok && span->first_seq == last_seq + 1 &&
           epoch_compare(span->first_epoch, epoch) >= 0;
}

static void answer_append(struct node *node, enum candor_code code, const struct span *span)
{
    struct node_event *event = event_new(CORE_EVENT_APPENDED);
    uint64_t last_seq = code == CANDOR_OK ? span->last_seq : log_last(node->log);
    answer_appended(node, event, code, span->last_epoch, span->first_seq, last_seq);
}

enum { APPENDS_AT_ONCE = 128 };

size_t group_appends(struct node *node, struct work **works, size_t count)
{
    struct writer *writer = &node->writer;
    struct span spans[APPENDS_AT_ONCE];
    struct epoch tail = writer->tail_epoch;
    uint64_t last = log_last(node->log);
    size_t taken = 0;
    size_t bytes = 0;
    while (taken < count && taken < APPENDS_AT_ONCE && bytes < LIMIT_GROUP_COMMIT_BYTES) {
        struct work *work = works[taken];
        if (work->type != CORE_ACTION_APPEND)
            break;
        spans[taken] = span_of(buffer_slice(&work->bytes));
        if (!fits(&spans[taken], last, tail))
            break;
        last = spans[taken].last_seq;
        tail = spans[taken].last_epoch;
        bytes += work->bytes.length;
        taken++;
    }
    if (taken == 0) {
        answer_append(node, CANDOR_ABORTED, &spans[0]);
        return 1;
    }
    struct slice batches = buffer_slice(&works[0]->bytes);
    if (taken > 1) {
        buffer_clear(&writer->group);
        for (size_t i = 0; i < taken; i++)
            buffer_put(&writer->group, works[i]->bytes.bytes, works[i]->bytes.length);
        batches = buffer_slice(&writer->group);
    }
    enum candor_code code = store(node, batches, NULL);
    if (code == CANDOR_OK)
        writer->tail_epoch = tail;
    for (size_t i = 0; i < taken; i++)
        answer_append(node, code, &spans[i]);
    return taken;
}

/* ---- EPOCH_START and MEMBERS --------------------------------------------------------------------------------- */

static bool meta_fits(const struct node *node, const struct work *work)
{
    int order = epoch_compare(work->epoch, node->writer.tail_epoch);
    return work->type == CORE_ACTION_EPOCH_START ? order > 0 : order == 0;
}

void group_meta(struct node *node, struct work *work)
{
    struct node_event *event = event_new(CORE_EVENT_APPENDED);
    uint64_t seq = log_last(node->log) + 1;
    enum candor_code code = CANDOR_ABORTED;
    if (meta_fits(node, work)) {
        enum record_type type =
            work->type == CORE_ACTION_EPOCH_START ? RECORD_EPOCH_START : RECORD_MEMBERS;
        struct batch_writer batch = batch_begin(&event->bytes, type, work->epoch, seq);
        batch_add_members(&batch, clock_wall_ms(), work->cluster_id, &work->members);
        batch_end(&batch);
        code = store(node, buffer_slice(&event->bytes), NULL);
    }
    if (code == CANDOR_OK)
        node->writer.tail_epoch = work->epoch;
    else
        buffer_free(&event->bytes);
    answer_appended(node, event, code, work->epoch, seq, log_last(node->log));
}
