/* Writes of clients: each is looked up among the known requests, evaluated against the effects of
 * those before it, and sequenced; all of a group share one write, one fdatasync and one state
 * transaction.
 *
 * A record is in the state's open transaction before it is in the log, but nobody here sees it
 * before both have it: a failed append aborts the transaction. The replicas are given it between
 * the write and the fdatasync (R68). */
#include "node/store/sequence.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "core/core.h"
#include "eval/eval.h"
#include "log/log.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/ticket.h"
#include "node/store/group.h"
#include "node/store/sequence_group.h"
#include "node/store/shortage.h"
#include "node/store/work.h"
#include "node/store/write.h"
#include "node/store/writer_state.h"
#include "record/batch.h"
#include "state/state.h"
#include "topology/topology.h"

/* ---- One operation --------------------------------------------------------------------------- */

static bool get(void *closure, struct slice key, struct eval_item *out)
{
    struct state_item item;
    if (!state_group_get(closure, key, &item))
        return false;
    *out = (struct eval_item){item.value, item.mod_seq, item.version, item.until_ms};
    return true;
}

static void run_op(struct group *group, struct write *write, uint32_t part)
{
    struct eval *eval = &group->node->writer->eval;
    struct write_result *result = &write->result;
    struct eval_reader reader = {get, group->state};
    expire_named(group, &write->ops[part]);
    result->code = eval_run(eval, &write->ops[part], group->next_seq, group->log_ms, &reader);
    result->reason = eval->reason;
    buffer_put(&result->answers, eval->answer.bytes, eval->answer.length);
    group->answer_bytes += eval->answer.length;
    if (eval->op_count == 0) /* R47: what has no effect makes no record */
        return;
    struct record_write record = {
        .ack = write->ack,
        .wall_ms = group->wall_ms,
        .log_ms = group->log_ms,
        .request = write->request_id,
        .result = buffer_slice(&eval->answer),
        .part = (uint16_t)part,
        .digest = write->digest,
    };
    result->recorded = true;
    result->last = (struct candor_pos){group->epoch, group->next_seq};
    if (result->first.seq == 0)
        result->first = result->last;
    sequence_add(group, &record, eval->ops, eval->op_count);
}

/* ---- One write ------------------------------------------------------------------------------- */

/* R46: what was executed is answered as it was then; but an id that comes with another content is
 * another request's (a copied or forked client, a restored machine), and its answer would be a
 * lie. */
static void replay(struct group *group, struct write *write, const struct state_request *known)
{
    struct write_result *result = &write->result;
    if (known->digest != write->digest || known->parts > write->op_count) {
        result->code = CANDOR_INVALID_ARGUMENT;
        result->reason = CANDOR_REASON_REQUEST_ID_REUSED;
        return;
    }
    result->replayed = true;
    result->first = known->first;
    result->last = known->last;
    buffer_put(&result->answers, known->results.bytes, known->results.length);
    group->answer_bytes += known->results.length;
}

static bool steps_put(const struct eval_steps *steps)
{
    for (uint32_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == EVAL_STEP_PUT)
            return true;
    return false;
}

static bool may_put(const struct eval_op *op)
{
    return op->kind == EVAL_TXN ? steps_put(&op->then_steps) || steps_put(&op->else_steps)
                                : op->kind != EVAL_DELETE;
}

/* What stores nothing, a delete above all, is taken even when the rest is refused for want of
 * room. */
static bool has_room(struct group *group, struct write *write)
{
    struct write_result *result = &write->result;
    struct candor_error err = {0};
    bool puts = false;
    for (uint32_t i = 0; i < write->op_count && !puts; i++)
        puts = may_put(&write->ops[i]);
    if (!puts || state_group_room(group->state, write->bytes, &err) == CANDOR_OK)
        return true;
    shortage_note(group->node, &err);
    result->code = err.code;
    result->reason = err.reason;
    return false;
}

static void run_write(struct group *group, struct write *write)
{
    struct write_result *result = &write->result;
    struct state_request known;
    uint32_t done = 0;
    switch (state_group_request(group->state, &write->request_id, &known)) {
    case STATE_REQUEST_NEW:
        break;
    /* of a Batch that a failover cut in two, the rest is still to be done */
    case STATE_REQUEST_KNOWN:
        replay(group, write, &known);
        done = known.parts;
        break;
    case STATE_REQUEST_TOO_OLD:
        result->code = CANDOR_ABORTED;
        result->reason = CANDOR_REASON_REQUEST_TOO_OLD;
        break;
    }
    bool rest = result->code == CANDOR_OK && done < write->op_count;
    rest = rest && has_room(group, write);
    for (uint32_t part = done; rest && part < write->op_count && result->code == CANDOR_OK; part++)
        run_op(group, write, part);
    /* R34: without effect, it waits for the commit of what it may have read. */
    if (result->last.seq == 0)
        result->first = result->last = (struct candor_pos){group->epoch, group->next_seq - 1};
}

/* ---- A group --------------------------------------------------------------------------------- */

static bool joins(const struct work *work, struct candor_epoch epoch)
{
    bool sequenced = work->type == CORE_ACTION_WRITE || work->type == CORE_ACTION_EXPIRE;
    return sequenced && !work->drain && epoch_equal(work->epoch, epoch);
}

/* The log's time when the newest of them came: a key that one of them puts is there for its whole
 * TTL, however long the others have waited for the disk (R69). */
static uint64_t newest_ms(struct work **works, size_t count)
{
    size_t last = 0;
    while (last + 1 < count && joins(works[last + 1], works[0]->epoch))
        last++;
    return works[last]->log_ms;
}

/* Runs the first writes until the group is large enough; returns how many. */
static size_t run_writes(struct group *group, struct work **works, size_t count)
{
    size_t taken = 0;
    expire_due(group);
    while (taken < count && joins(works[taken], group->epoch) &&
           group->out->length + group->answer_bytes < LIMIT_GROUP_COMMIT_BYTES) {
        const struct work *work = works[taken++];
        if (work->write != NULL)
            run_write(group, work->write);
        /* one that does not fit fails alone */
        if (state_group_is_tight(group->state))
            break;
    }
    if (group->batch.count > 0)
        batch_end(&group->batch);
    (void)state_group_due(group->state, 0, NULL, 0, &group->next_end_ms);
    return taken;
}

/* Who is alone has nobody to overlap with; what is not synced waits for nothing. Where the state
 * might find no room, it is asked first. */
static bool overlaps(const struct group *group)
{
    const struct node *node = group->node;
    return node->topology->node_count > 1 && node->self->durability == TOPOLOGY_ALWAYS &&
           !state_group_is_tight(group->state);
}

static struct node_event *event_of(const struct group *group, enum core_event_type type)
{
    struct node_event *event = event_new(type);
    event->core.staged.epoch = group->epoch;
    event->core.staged.last_seq = group->next_seq - 1;
    return event;
}

/* R68. From here on nothing of the group is refused: all that could refuse it was asked. */
static void stage(struct group *group)
{
    struct node_event *event = event_of(group, CORE_EVENT_STAGED);
    buffer_put(&event->bytes, group->out->bytes, group->out->length);
    event->core.staged.batches = buffer_slice(&event->bytes);
    work_answer(group->node, event);
    work_push_answers(group->node);
    group->staged = true;
}

static enum candor_code append(struct group *group, struct candor_error *err)
{
    struct log *log = group->node->log;
    struct slice batches = buffer_slice(group->out);
    if (!overlaps(group))
        return log_append(log, batches, err);
    enum candor_code code = log_write(log, batches, err);
    if (code != CANDOR_OK)
        return code;
    stage(group);
    return log_sync(log, err);
}

/* The log goes back, and its numbers are not given again. */
static void take_back(struct group *group, uint64_t last_before)
{
    group_take_back(group->node, last_before);
    if (!group->staged)
        return;
    group->node->writer->withdrawn_epoch = group->epoch;
    work_answer(group->node, event_of(group, CORE_EVENT_WITHDRAWN));
}

/* Log, then state. RESOURCE_EXHAUSTED: nothing is stored. Any other failure stops the node (R3). */
static void store(struct group *group, struct candor_error *err)
{
    struct node *node = group->node;
    struct slice batches = buffer_slice(group->out);
    uint64_t last_before = log_last(node->log);
    enum candor_code code = state_group_check(group->state, err);
    if (code == CANDOR_OK && batches.length > 0)
        code = append(group, err);
    if (code != CANDOR_OK) {
        state_group_abort(group->state);
    } else {
        code = state_group_commit(group->state, err);
        if (code == CANDOR_RESOURCE_EXHAUSTED && batches.length > 0)
            take_back(group, last_before);
    }
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        shortage_note(node, err);
    else if (code != CANDOR_OK)
        node_fatal(node, err);
    else if (batches.length > 0)
        group_note_stored(node, batches.length);
}

static void answer_write(struct node *node, struct write *write, const struct candor_error *stored,
                         struct buffer bytes, uint64_t next_end_ms, bool withdrawn)
{
    const struct write_result *result = &write->result;
    write->appended = (struct node_event){.embedded = true, .bytes = bytes};
    write->appended.core.appended.ticket = ticket_number(&write->ticket);
    write->appended.core.appended.withdrawn = withdrawn;
    write->appended.core.appended.next_end_ms = next_end_ms;
    write->appended.core.appended.written_seq = result->last.seq;
    group_answer(node, &write->appended, stored, write->work.epoch, result->first.seq,
                 log_last(node->log));
}

/* Of an EXPIRE, which has no write. */
static void answer_expire(struct node *node, struct candor_epoch epoch,
                          const struct candor_error *stored, struct buffer bytes,
                          uint64_t next_end_ms)
{
    struct node_event *event = event_new(CORE_EVENT_APPENDED);
    event->bytes = bytes;
    event->core.appended.next_end_ms = next_end_ms;
    group_answer(node, event, stored, epoch, 0, log_last(node->log));
}

/* What was executed long before, and still stands. */
static bool stands(const struct write *write, uint64_t last)
{
    return write != NULL && write->result.replayed && write->result.last.seq <= last;
}

/* The first event carries the bytes of the whole group, unless it was staged. When nothing could be
 * stored, what was executed long before still has its answer. */
static void answer_group(struct group *group, struct work **works, size_t count,
                         const struct candor_error *stored)
{
    static const struct candor_error well = {0};
    struct node *node = group->node;
    uint64_t last = log_last(node->log);
    bool failed = stored->code != CANDOR_OK;
    uint64_t next_end_ms = failed ? 1 : group->next_end_ms; /* what was due still is */
    for (size_t i = 0; i < count; i++) {
        struct write *write = works[i]->write;
        struct buffer bytes = {0};
        if (i == 0 && stored->code == CANDOR_OK && !group->staged) {
            bytes = *group->out;
            *group->out = (struct buffer){0};
        }
        if (write == NULL) {
            answer_expire(node, group->epoch, stored, bytes, next_end_ms);
            continue;
        }
        bool there = stands(write, last);
        bool placed = write->result.recorded || (write->result.replayed && !there);
        bool withdrawn = failed && group->staged && placed;
        answer_write(node, write, there ? &well : stored, bytes, next_end_ms, withdrawn);
    }
}

/* Of an epoch that the log is not in: it is over, or never began here. */
static size_t refuse(struct node *node, struct work *work, const struct candor_error *why)
{
    if (work->write != NULL)
        answer_write(node, work->write, why, (struct buffer){0}, 0, false);
    else
        answer_expire(node, work->epoch, why, (struct buffer){0}, 0);
    return 1;
}

/* What is stored here is committed at once when this node is the only voter (R16): it will never be
 * undone, so nothing is kept to undo it with. */
static uint64_t commit_of_group(struct node *node)
{
    struct state_position position;
    state_position(node->state, &position);
    const struct member *self = members_find(&position.members, node->self->id);
    bool alone = members_voters(&position.members) == 1 && self != NULL && self->voter;
    return alone ? UINT64_MAX : node->writer->commit;
}

size_t sequence_writes(struct node *node, struct work **works, size_t count)
{
    struct writer *writer = node->writer;
    struct candor_error err = {0};
    bool over = epoch_equal(works[0]->epoch, writer->withdrawn_epoch);
    if (over || !epoch_equal(works[0]->epoch, writer->tail_epoch))
        return refuse(node, works[0], &(struct candor_error){.code = CANDOR_ABORTED});
    struct group group = {
        .node = node,
        .out = &writer->group,
        .epoch = works[0]->epoch,
        .next_seq = log_last(node->log) + 1,
        .wall_ms = clock_wall_ms(),
    };
    buffer_clear(group.out);
    enum candor_code code =
        state_group_begin(node->state, commit_of_group(node), &group.state, &err);
    if (code == CANDOR_RESOURCE_EXHAUSTED) {
        shortage_note(node, &err);
        return refuse(node, works[0], &err);
    }
    if (code != CANDOR_OK)
        node_fatal(node, &err);
    group.log_ms = max_u64(newest_ms(works, count), state_group_log_ms(group.state));
    size_t taken = run_writes(&group, works, count);
    err = (struct candor_error){0};
    store(&group, &err);
    answer_group(&group, works, taken, &err);
    return taken;
}
