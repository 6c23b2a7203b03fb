/* The FIFO of storage work before the disk. */
#include <stdlib.h>

#include "sim.h"

/* The FIFO of core.h: each piece of work is answered by one event, in order; consecutive WRITEs
 * share an fsync. */

static struct work *work_at(const struct writer *writer, uint32_t i)
{
    ASSERT(writer->capacity > 0);
    return &writer->queue[(writer->head + i) % writer->capacity];
}

static void grow(struct writer *writer)
{
    if (writer->count < writer->capacity)
        return;
    uint32_t capacity = writer->capacity == 0 ? 64 : writer->capacity * 2;
    struct work *queue = malloc(capacity * sizeof *queue);
    ASSERT(queue != NULL);
    for (uint32_t i = 0; i < writer->count; i++)
        queue[i] = *work_at(writer, i);
    free(writer->queue);
    writer->queue = queue;
    writer->capacity = capacity;
    writer->head = 0;
}

void writer_free(struct writer *writer)
{
    free(writer->queue);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* The oldest answer that waits: a pause must not change their order. */
static void give_answer(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct writer *writer = &node->writer;
    struct answer *answer = writer->answers;
    ASSERT(answer != NULL);
    writer->answers = answer->next;
    if (answer->event.type != CORE_EVENT_STAGED && answer->event.type != CORE_EVENT_WITHDRAWN) {
        writer->unanswered--;
        writer->owes_since_ns = local_ns(world, node);
    }
    TRACE(world, node, "answered event=%d code=%d last=%" PRIu64, answer->event.type,
          answer->event.type == CORE_EVENT_APPENDED ? (int)answer->event.appended.code : 0,
          node->disk.last);
    node_step(world, node, &answer->event);
}

/* Between the disk and the core lies a queue. */
static struct answer *post(struct world *world, struct node *node, enum core_event_type type)
{
    struct writer *writer = &node->writer;
    uint64_t delay_ns = chance(world, 50000) ? between(world, 0, world->plan.beat_ns / 4) : 1000;
    struct answer *answer = world_alloc(world, sizeof *answer);
    answer->event.type = type;
    if (writer->answers == NULL)
        writer->answers = answer;
    else
        writer->newest_answer->next = answer;
    writer->newest_answer = answer;
    writer->event_ns = max_u64(writer->event_ns, world->now_ns + delay_ns);
    schedule_at_node(world, node, writer->event_ns, give_answer);
    return answer;
}

static struct answer *post_appended(struct world *world, struct node *node, const struct work *work,
                                    enum candor_code code, uint64_t first_seq, uint64_t last_seq)
{
    struct answer *answer = post(world, node, CORE_EVENT_APPENDED);
    answer->event.appended.code = code;
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        answer->event.appended.reason = CANDOR_REASON_DISK_FULL;
    if (code == CANDOR_OK)
        node->refused_ns = 0;
    else if (code == CANDOR_RESOURCE_EXHAUSTED && node->refused_ns == 0)
        node->refused_ns = world->now_ns;
    node->was_full = node->was_full || code == CANDOR_RESOURCE_EXHAUSTED;
    answer->event.appended.epoch = work->epoch;
    answer->event.appended.first_seq = first_seq;
    answer->event.appended.last_seq = code == CANDOR_OK ? last_seq : node->disk.last;
    answer->event.appended.ticket = work->ticket;
    answer->event.appended.log_ms = node->disk.log_ms;
    uint64_t end = answer->event.appended.last_seq;
    if (end == node->disk.last) {
        answer->event.appended.digest = (struct digest_at){end, disk_digest(&node->disk, end)};
        answer->event.appended.end = (struct chain_at){end, disk_chain(&node->disk, end)};
    }
    return answer;
}

/* ---- What the disk is told ------------------------------------------------------------------- */

static bool disk_is_full(struct world *world, const struct node *node)
{
    const struct writer *writer = &node->writer;
    return writer->full_until_ns > world->now_ns && (writer->wholly_full || chance(world, 700000));
}

static struct slice sequence(struct world *world, const struct node *node, uint32_t count,
                             struct group_work *out)
{
    const struct writer *writer = &node->writer;
    const struct ticket *tickets[SIM_GROUP];
    ASSERT_U64(count, <=, SIM_GROUP);
    const struct work *first = work_at(writer, 0);
    bool too_early = mutated(world, SIM_MUTATION_TTL_FROM_OLDEST);
    uint64_t log_ms = too_early ? first->log_ms : work_at(writer, count - 1)->log_ms;
    for (uint32_t i = 0; i < count; i++) {
        const struct work *work = work_at(writer, i);
        bool expires = work->type == CORE_ACTION_EXPIRE;
        tickets[i] = expires ? NULL : ticket_find(node, work->ticket);
        ASSERT(expires || tickets[i] != NULL);
    }
    return sequence_group(world, node, first->epoch, log_ms, tickets, count, out->done,
                          &out->last_seq);
}

static struct slice encode_members(struct world *world, const struct node *node,
                                   const struct work *work)
{
    struct buffer *out = &world->scratch;
    buffer_clear(out);
    enum record_type type =
        work->type == CORE_ACTION_EPOCH_START ? RECORD_EPOCH_START : RECORD_MEMBERS;
    struct batch_writer batch = batch_begin(out, type, work->epoch, node->disk.last + 1,
                                            disk_chain(&node->disk, node->disk.last));
    batch_add_members(&batch, world->now_ns / NS_PER_MS, work->cluster_id, work->members);
    batch_end(&batch);
    return slice_of(world_copy(world, out->bytes, out->length), out->length);
}

/* It takes nothing more of this epoch: its next number has been given already (R68). */
static bool is_withdrawn(const struct world *world, const struct writer *writer,
                         const struct work *work)
{
    return epoch_equal(work->epoch, writer->withdrawn) &&
           !mutated(world, SIM_MUTATION_WITHDRAWN_REUSED);
}

/* As src/node/store/sequence.c: before its fsync, and behind all that could refuse it. */
static void stage(struct world *world, struct node *node)
{
    struct group_work *group = &node->writer.group;
    group->staged = true;
    group->withdrawn = chance(world, world->plan.withdrawn_ppm);
    disk_note_staged(world, node, group->bytes);
    struct answer *answer = post(world, node, CORE_EVENT_STAGED);
    answer->event.staged.epoch = work_at(&node->writer, 0)->epoch;
    answer->event.staged.last_seq = group->last_seq;
    answer->event.staged.batches = group->bytes;
}

static void begin_group(struct world *world, struct node *node)
{
    struct group_work *group = &node->writer.group;
    *group = (struct group_work){.full = disk_is_full(world, node)};
    if (is_withdrawn(world, &node->writer, work_at(&node->writer, 0)))
        return;
    group->bytes = sequence(world, node, node->writer.busy, group);
    if (!group->full && group->bytes.length > 0 && chance(world, world->plan.staged_ppm))
        stage(world, node);
}

struct slice writer_staged(const struct node *node)
{
    const struct writer *writer = &node->writer;
    return writer->busy > 0 && writer->group.staged ? writer->group.bytes : (struct slice){0};
}

/* When nothing could be stored, what was executed long before still has its answer. */
static struct answer *answer_write(struct world *world, struct node *node, uint32_t i,
                                   uint64_t last_before)
{
    const struct group_work *group = &node->writer.group;
    const struct sequenced *done = &group->done[i];
    bool stands = done->replayed && done->last_seq <= last_before;
    bool withdrawn = group->withdrawn && !stands && done->code == CANDOR_OK;
    bool stored = stands || !(group->full || group->withdrawn);
    struct answer *answer = post_appended(world, node, work_at(&node->writer, i),
                                          stored ? done->code : CANDOR_RESOURCE_EXHAUSTED,
                                          done->first_seq, node->disk.last);
    answer->event.appended.written_seq = done->last_seq;
    answer->event.appended.withdrawn = withdrawn;
    answer->event.appended.next_end_ms = stored ? disk_next_end_ms(&node->disk) : 1;
    if (withdrawn)
        answer->event.appended.reason = CANDOR_REASON_STATE_FULL;
    return answer;
}

static void withdraw(struct world *world, struct node *node)
{
    struct writer *writer = &node->writer;
    writer->withdrawn = work_at(writer, 0)->epoch;
    struct core_event *event = &post(world, node, CORE_EVENT_WITHDRAWN)->event;
    event->staged.epoch = writer->withdrawn;
    event->staged.last_seq = writer->group.last_seq;
}

static void store_group(struct world *world, struct node *node, uint32_t count)
{
    struct writer *writer = &node->writer;
    const struct group_work *group = &writer->group;
    uint64_t last_before = node->disk.last;
    if (is_withdrawn(world, writer, work_at(writer, 0))) {
        for (uint32_t i = 0; i < count; i++)
            post_appended(world, node, work_at(writer, i), CANDOR_ABORTED, 0, 0);
        return;
    }
    if (group->withdrawn)
        withdraw(world, node);
    else if (!group->full)
        (void)disk_append(world, node, group->bytes, UINT64_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct answer *answer = answer_write(world, node, i, last_before);
        if (i == 0 && !group->full && !group->staged)
            answer->event.appended.batches = group->bytes;
    }
}

static void store_meta(struct world *world, struct node *node, const struct work *work)
{
    uint64_t seq = node->disk.last + 1;
    bool withdrawn = is_withdrawn(world, &node->writer, work);
    if (withdrawn || disk_is_full(world, node)) {
        enum candor_code code = withdrawn ? CANDOR_ABORTED : CANDOR_RESOURCE_EXHAUSTED;
        post_appended(world, node, work, code, 0, 0);
        return;
    }
    struct slice bytes = encode_members(world, node, work);
    (void)disk_append(world, node, bytes, UINT64_MAX);
    if (work->type == CORE_ACTION_EPOCH_START && epoch_compare(work->epoch, node->disk.epoch) > 0)
        node->disk.epoch = work->epoch;
    post_appended(world, node, work, CANDOR_OK, seq, seq)->event.appended.batches = bytes;
}

static void store_appended(struct world *world, struct node *node, const struct work *work)
{
    uint64_t first = node->disk.last + 1;
    enum candor_code code = disk_is_full(world, node)
                                ? CANDOR_RESOURCE_EXHAUSTED
                                : disk_append(world, node, work->bytes, UINT64_MAX);
    post_appended(world, node, work, code, first, node->disk.last);
}

static void save(struct node *node, const struct work *work)
{
    node->disk.cluster_id = work->cluster_id;
    node->disk.epoch = work->epoch;
    node->disk.forked = work->forked;
    node->disk.hard_commit = max_u64(work->seq, min_u64(node->disk.commit, node->disk.last));
}

static void truncate(struct world *world, struct node *node, const struct work *work)
{
    disk_truncate(world, node, work->seq, work->epoch);
    struct answer *answer = post(world, node, CORE_EVENT_TRUNCATED);
    answer->event.truncated.last = node->disk.last;
    answer->event.truncated.rewinds = node->disk.rewinds;
    node->noted_from = node->disk.last;
    answer->event.truncated.digest = disk_digest(&node->disk, node->disk.last);
    answer->event.truncated.chain = disk_chain(&node->disk, node->disk.last);
    answer->event.truncated.members = disk_members(&node->disk, node->disk.last);
}

static void install(struct world *world, struct node *node, const struct work *work)
{
    const struct snapshot *snapshot = work->snapshot;
    struct answer *answer = post(world, node, CORE_EVENT_INSTALLED);
    if (disk_is_full(world, node)) {
        answer->event.snapshot.code = CANDOR_RESOURCE_EXHAUSTED;
        return;
    }
    disk_install(world, node, snapshot, work->seq, work->epoch);
    node->noted_from = node->disk.last;
    answer->event.snapshot.pos = snapshot->pos;
    answer->event.snapshot.rewinds = node->disk.rewinds;
    answer->event.snapshot.log_ms = node->disk.log_ms;
    answer->event.snapshot.digest = disk_digest(&node->disk, node->disk.last);
    answer->event.snapshot.chain = disk_chain(&node->disk, node->disk.last);
    answer->event.snapshot.undo_floor = snapshot->undo_floor;
    answer->event.snapshot.cluster_id = snapshot->cluster_id;
    answer->event.snapshot.history = &snapshot->history;
    answer->event.snapshot.members = &snapshot->members;
}

static void tell_trimmed(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct core_event trimmed = {.type = CORE_EVENT_TRIMMED};
    trimmed.trimmed.log_first = event->number;
    node_step(world, node, &trimmed);
}

static void commit(struct world *world, struct node *node, const struct work *work)
{
    struct disk *disk = &node->disk;
    disk->commit = max_u64(disk->commit, min_u64(work->seq, disk->last));
    disk->undo_floor = max_u64(disk->undo_floor, disk->commit);
    if (!world->plan.trims || !chance(world, 300000))
        return;
    uint64_t first = between(world, disk->first, disk->commit + 1);
    if (first <= disk->first)
        return;
    disk->first = first;
    schedule_at_node(world, node, world->now_ns, tell_trimmed)->number = first;
}

/* ---- The queue ------------------------------------------------------------------------------- */

static void work_done(struct world *world, struct event *event);

static bool is_sequenced(const struct work *work)
{
    return work->type == CORE_ACTION_WRITE || work->type == CORE_ACTION_EXPIRE;
}

static uint32_t group_size(const struct writer *writer)
{
    uint32_t count = 1;
    if (!is_sequenced(work_at(writer, 0)))
        return 1;
    while (count < writer->count && count < SIM_GROUP && is_sequenced(work_at(writer, count)) &&
           epoch_equal(work_at(writer, count)->epoch, work_at(writer, 0)->epoch))
        count++;
    return count;
}

static uint64_t fsync_ns(struct world *world, const struct writer *writer)
{
    const struct plan *plan = &world->plan;
    uint64_t cost_ns = between(world, plan->fsync_ns / 4, plan->fsync_ns);
    if (chance(world, plan->slow_fsync_ppm))
        cost_ns += between(world, 0, 10 * plan->fsync_ns);
    if (writer->slow_until_ns > world->now_ns)
        cost_ns += between(world, 0, plan->beat_ns);
    if (writer->frozen_until_ns > world->now_ns)
        cost_ns += writer->frozen_until_ns - world->now_ns;
    return cost_ns;
}

static void begin_work(struct world *world, struct node *node)
{
    struct writer *writer = &node->writer;
    while (writer->count > 0 && work_at(writer, 0)->type == CORE_ACTION_COMMIT) {
        commit(world, node, work_at(writer, 0));
        writer->head = (writer->head + 1) % writer->capacity;
        writer->count--;
    }
    if (writer->count == 0)
        return;
    writer->busy = group_size(writer);
    if (is_sequenced(work_at(writer, 0)))
        begin_group(world, node);
    schedule_at_node(world, node, world->now_ns + fsync_ns(world, writer), work_done);
}

static void do_work(struct world *world, struct node *node)
{
    const struct work *work = work_at(&node->writer, 0);
    switch (work->type) {
    case CORE_ACTION_WRITE:
    case CORE_ACTION_EXPIRE:
        store_group(world, node, node->writer.busy);
        break;
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        store_meta(world, node, work);
        break;
    case CORE_ACTION_APPEND:
        store_appended(world, node, work);
        break;
    case CORE_ACTION_SAVE:
        save(node, work);
        post(world, node, CORE_EVENT_SAVED);
        break;
    case CORE_ACTION_TRUNCATE:
        truncate(world, node, work);
        break;
    case CORE_ACTION_INSTALL:
        install(world, node, work);
        break;
    default:
        ASSERT(false);
    }
}

static void work_done(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct writer *writer = &node->writer;
    if (writer->frozen_until_ns > world->now_ns) { /* it froze meanwhile */
        schedule_at_node(world, node, writer->frozen_until_ns, work_done);
        return;
    }
    /* R3: the process ends; what of the work is on the disk is not known */
    if (writer->fail_next) {
        writer->fail_next = false;
        TRACE(world, node, "fsync failed");
        node_crash(world, node, false);
        faults_restart(world, node, between(world, 0, 10 * world->plan.beat_ns));
        return;
    }
    do_work(world, node);
    writer->head = (writer->head + writer->busy) % writer->capacity;
    writer->count -= writer->busy;
    writer->busy = 0;
    begin_work(world, node);
}

static struct slice copy_slice(struct world *world, struct slice slice)
{
    return slice_of(world_copy(world, slice.bytes, slice.length), slice.length);
}

static struct snapshot *take_ready(struct node *node)
{
    struct snapshot *snapshot = node->ready;
    ASSERT(snapshot != NULL);
    node->ready = NULL;
    node->download = 0;
    return snapshot;
}

static void fill_work(struct world *world, struct node *node, const struct core_action *action,
                      struct work *work)
{
    switch (action->type) {
    case CORE_ACTION_SAVE:
        work->epoch = action->save.epoch;
        work->seq = action->save.commit;
        work->cluster_id = action->save.cluster_id;
        work->forked = action->save.forked;
        break;
    case CORE_ACTION_APPEND:
        work->epoch = action->append.epoch;
        work->bytes = copy_slice(world, action->append.batches);
        break;
    case CORE_ACTION_WRITE:
        work->epoch = action->write.epoch;
        work->ticket = action->write.ticket;
        work->log_ms = action->write.log_ms;
        break;
    case CORE_ACTION_EXPIRE:
        work->epoch = action->expire.epoch;
        work->log_ms = action->expire.log_ms;
        break;
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        work->epoch = action->meta.epoch;
        work->cluster_id = action->meta.cluster_id;
        work->members = world_copy(world, action->meta.members, sizeof *action->meta.members);
        break;
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
        work->epoch = action->cut.epoch;
        work->seq = action->cut.seq;
        if (action->type == CORE_ACTION_INSTALL)
            work->snapshot = take_ready(node);
        break;
    case CORE_ACTION_COMMIT:
        work->seq = action->commit.seq;
        break;
    default:
        ASSERT(false);
    }
}

void writer_give(struct world *world, struct node *node, const struct core_action *action)
{
    struct writer *writer = &node->writer;
    struct work work = {.type = action->type, .given_ns = local_ns(world, node)};
    fill_work(world, node, action, &work);
    grow(writer);
    writer->queue[(writer->head + writer->count++) % writer->capacity] = work;
    if (action->type != CORE_ACTION_COMMIT && writer->unanswered++ == 0)
        writer->owes_since_ns = work.given_ns;
    if (writer->busy == 0)
        begin_work(world, node);
}

/* ---- A crash --------------------------------------------------------------------------------- */

/* The work under way is on the disk, or not, or half. */
static void interrupt(struct world *world, struct node *node)
{
    struct writer *writer = &node->writer;
    const struct work *work = work_at(writer, 0);
    uint64_t batches = chance(world, 500000) ? UINT64_MAX : between(world, 0, 3);
    switch (work->type) {
    case CORE_ACTION_WRITE:
    case CORE_ACTION_EXPIRE:
        (void)disk_append(world, node, writer->group.bytes, batches);
        break;
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        (void)disk_append(world, node, encode_members(world, node, work), batches);
        break;
    case CORE_ACTION_APPEND:
        (void)disk_append(world, node, work->bytes, batches);
        break;
    case CORE_ACTION_SAVE:
        if (batches > 0)
            save(node, work);
        break;
    case CORE_ACTION_TRUNCATE:
        if (batches > 0)
            disk_truncate(world, node, work->seq, work->epoch);
        break;
    case CORE_ACTION_INSTALL:
        if (batches > 0)
            disk_install(world, node, work->snapshot, work->seq, work->epoch);
        break;
    default:
        break;
    }
}

void writer_crash(struct world *world, struct node *node)
{
    struct writer *writer = &node->writer;
    if (writer->busy > 0 && chance(world, 600000))
        interrupt(world, node);
    writer->head = writer->count = writer->busy = writer->unanswered = 0;
    writer->answers = NULL;
    writer->frozen_until_ns = 0;
    writer->fail_next = false;
    writer->withdrawn = (struct candor_epoch){0};
}

void writer_wake(struct world *world, struct node *node)
{
    node->writer.slow_until_ns = node->writer.full_until_ns = 0;
    node->writer.frozen_until_ns = 0;
    (void)world;
}
