/* Works of the writer, and what they must answer. */
#include <stdlib.h>

#include "base/queue.h"
#include "node/store/snapshot.h"
#include "storage.h"

/* Works of the writer, given as the core would give them, and what they must answer. */

/* ---- Giving ---------------------------------------------------------------------------------- */

static struct candor_epoch epoch_of(uint64_t term, const char *owner)
{
    return (struct candor_epoch){1, term, node_id_of(owner)};
}

struct candor_epoch tail_epoch(const struct branch *log)
{
    return log->last == 0 ? (struct candor_epoch){0} : log->records[log->last - 1].record.epoch;
}

bool leads(const char *owner)
{
    struct candor_epoch epoch = tail_epoch(&world->log);
    return world->log.last > 0 && epoch.term == world->term &&
           node_id_equal(epoch.owner, node_id_of(owner));
}

static void give(struct node *node, enum pending pending, struct work **works, size_t count)
{
    struct state_position position;
    state_position(node->state, &position);
    world->pending = pending;
    world->log_first = log_first(node->log);
    world->undo_floor = max_u64(position.undo_floor, node->writer->commit);
    if (pending == PENDING_RECORDS && chance(4)) /* other works wait until there is room */
        world->room = chance(50) ? LOG_FULL : STATE_FULL;
    writer_do(node, works, count);
}

static void nothing_stored(struct node *node)
{
    TRACE("  full\n");
    world->pending = PENDING_NONE;
    check_log(node);
    check_state(node);
}

/* R68. What a group that was staged and not stored leaves: none other has its numbers. */
static void look_at_withdrawn(const struct core_event *core, bool staged)
{
    bool owns = core->appended.withdrawn;
    if (owns && !staged)
        violate("R68", "a group that was not staged is withdrawn");
    if (owns && !world->withdrawn)
        violate("R68", "a write is withdrawn, and its group is not");
    if (owns && core->appended.written_seq <= world->log.last)
        violate("R68", "seq %" PRIu64 " is withdrawn and stored", core->appended.written_seq);
}

/* The answers in order; the records that were stored go to `stored`. False: there was no room, and
 * nothing was stored. */
static bool take_answers(struct node *node, enum core_event_type type, struct buffer *stored)
{
    void *item;
    bool full = false;
    bool staged = false;
    while (queue_pop(node->events, &item, 1, 0) > 0) {
        struct node_event *event = item;
        const struct core_event *core = &event->core;
        if (core->type == CORE_EVENT_STAGED && stored != NULL) {
            buffer_put(stored, core->staged.batches.bytes, core->staged.batches.length);
            staged = true;
            event_free(node, event);
            continue;
        }
        if (core->type == CORE_EVENT_WITHDRAWN && stored != NULL) {
            world->withdrawn = true;
            buffer_clear(stored);
            event_free(node, event);
            continue;
        }
        if (core->type == CORE_EVENT_APPENDED)
            look_at_withdrawn(core, staged);
        if (core->type == CORE_EVENT_APPENDED && core->appended.code == CANDOR_RESOURCE_EXHAUSTED &&
            world->room != ROOM)
            full = true;
        else if (core->type == CORE_EVENT_APPENDED && core->appended.code != CANDOR_OK)
            violate("append", "answered %s", candor_code_name(core->appended.code));
        if (core->type == CORE_EVENT_INSTALLED && core->snapshot.code != CANDOR_OK)
            violate("install", "answered %s", candor_code_name(core->snapshot.code));
        if (core->type != type && core->type != CORE_EVENT_TRIMMED)
            violate("answers", "event %d where %d was due", core->type, type);
        if (stored != NULL && core->type == CORE_EVENT_APPENDED)
            buffer_put(stored, core->appended.batches.bytes, core->appended.batches.length);
        event_free(node, event);
    }
    world->short_of_room = world->room != ROOM;
    world->room = ROOM;
    if (full)
        nothing_stored(node);
    return !full;
}

/* ---- The records of an answer ---------------------------------------------------------------- */

struct records {
    struct slice rest;
    struct batch batch;
    size_t cursor;
    bool open;
};

static bool next_record(struct records *records, struct record *out)
{
    struct candor_error err = {0};
    while (!records->open || !batch_next(&records->batch, &records->cursor, out)) {
        if (records->rest.length == 0)
            return false;
        if (batch_decode(&records->rest, &records->batch, &err) != CANDOR_OK)
            violate("batch", "%s", err.message);
        records->open = true;
        records->cursor = 0;
    }
    return true;
}

static void append_all(struct branch *log, struct slice batches)
{
    struct records records = {.rest = batches};
    struct record record;
    uint64_t first = log->last + 1;
    while (next_record(&records, &record))
        model_append(log, &record, first);
}

/* ---- Writes ---------------------------------------------------------------------------------- */

struct given {
    struct client *client;
    struct client asked; /* as it was when it was given */
    struct write *ticket;
    struct eval_op ops[PARTS];
    struct eval_compare compares[PARTS];
    struct eval_step steps[PARTS][2];
};

static void prepare(struct given *given, struct candor_epoch epoch)
{
    struct write *ticket = calloc(1, sizeof *ticket);
    ASSERT(ticket != NULL);
    given->client = client_next();
    given->asked = *given->client;
    given->ticket = ticket;
    for (uint32_t i = 0; i < given->asked.count; i++)
        operation_fill(&given->asked.operations[i], &given->ops[i], &given->compares[i],
                       given->steps[i]);
    ticket->ack = CANDOR_ACK_LOCAL;
    ticket->request_id = given->asked.id;
    ticket->digest = client_digest(&given->asked);
    ticket->op_count = given->asked.count;
    ticket->ops = given->ops;
    ticket->work.type = CORE_ACTION_WRITE;
    ticket->work.write = ticket;
    ticket->work.epoch = epoch;
    world->log_ms += between(0, 60);
    ticket->work.log_ms = world->log_ms;
}

/* What was stored is what the operation comes to, evaluated against all before it (R47). */
static void check_record(const struct given *given, uint32_t part, const struct record *record,
                         const struct record_op *effects, uint32_t count)
{
    struct slice ops = record->ops;
    struct record_op op;
    bool same = memcmp(&record->request, &given->asked.id, sizeof record->request) == 0 &&
                record->digest == given->ticket->digest && record->part == part &&
                record->op_count == count;
    for (uint32_t i = 0; same && i < count; i++)
        same = record_op_next(&ops, &op) && op.kind == effects[i].kind &&
               op.until_ms == effects[i].until_ms && slice_equal(op.key, effects[i].key) &&
               slice_equal(op.value, effects[i].value);
    if (!same)
        violate("R47",
                "seq %" PRIu64 " is not what operation %u of request %" PRIu64
                " of client %u comes to",
                record->seq, part, given->asked.id.number, given->asked.id.client[0]);
}

/* Runs the rest of the request in the model, against the records that were stored. False: an answer
 * is not known. */
static bool run_in_model(const struct given *given, uint32_t done, struct model_state *state,
                         struct records *records, struct buffer *answers)
{
    bool known = true;
    for (uint32_t part = done; part < given->asked.count; part++) {
        struct record_op effects[2];
        struct record record;
        uint32_t count =
            operation_effects(state, &given->asked.operations[part], state->log_ms, effects);
        known = known && count > 0;
        if (count == 0)
            continue;
        if (!next_record(records, &record))
            violate("R47", "request %" PRIu64 " of client %u was not stored",
                    given->asked.id.number, given->asked.id.client[0]);
        check_record(given, part, &record, effects, count);
        model_append(&world->log, &record, world->log.last + 1);
        model_apply(state, &world->log.records[world->log.last - 1].record);
        buffer_put(answers, record.result.bytes, record.result.length);
    }
    return known;
}

static void check_result(const struct given *given, const struct model_state *state,
                         struct slice answers)
{
    const struct write_result *result = &given->ticket->result;
    const struct model_request *request = model_request(state, &given->asked.id);
    /* without effect */
    if (request == NULL)
        return;
    if (result->first.seq != request->first_seq || result->last.seq != request->last_seq)
        violate("R46",
                "request %" PRIu64 " of client %u is answered with %" PRIu64 "..%" PRIu64
                ", it stands at %" PRIu64 "..%" PRIu64,
                given->asked.id.number, given->asked.id.client[0], result->first.seq,
                result->last.seq, request->first_seq, request->last_seq);
    if (!slice_equal(buffer_slice(&result->answers), answers))
        violate("R46", "request %" PRIu64 " of client %u is answered otherwise than it was",
                given->asked.id.number, given->asked.id.client[0]);
}

static void judge(const struct given *given, struct model_state *state, struct records *records)
{
    const struct write_result *result = &given->ticket->result;
    const struct request_id *id = &given->asked.id;
    const struct model_request *known = model_request(state, id);
    bool old = saturating_sub(model_newest(state, id), id->number) >= LIMIT_REQUESTS_PER_CLIENT;
    given->client->unanswered = false;
    if (old && result->code == CANDOR_ABORTED)
        return;
    TRACE("  client %u request %" PRIu64 " parts=%u known=%u\n", id->client[0], id->number,
          given->asked.count, known != NULL ? known->parts : 0);
    if (known != NULL && known->digest != given->ticket->digest) {
        if (result->code != CANDOR_INVALID_ARGUMENT ||
            result->reason != CANDOR_REASON_REQUEST_ID_REUSED)
            violate("R46",
                    "request %" PRIu64
                    " of client %u is answered %s, but another content stands under its id",
                    id->number, id->client[0], candor_code_name(result->code));
        return;
    }
    if (result->code != CANDOR_OK)
        violate("write", "request %" PRIu64 " of client %u is answered %s", id->number,
                id->client[0], candor_code_name(result->code));
    if (result->replayed != (known != NULL))
        violate("R46", "request %" PRIu64 " of client %u is answered as %s", id->number,
                id->client[0],
                result->replayed ? "known, but it has no effect" : "new, but it has its effect");
    struct buffer answers = {0};
    uint32_t done = known != NULL ? known->parts : 0;
    for (uint32_t i = 0; i < done; i++)
        buffer_put(&answers, known->results[i].bytes, known->results[i].length);
    if (run_in_model(given, done, state, records, &answers))
        check_result(given, state, buffer_slice(&answers));
    buffer_free(&answers);
}

/* R69: before anything is evaluated, what has ended is gone, by a record that nobody asked for. */
static void judge_expired(struct model_state *state, uint64_t given_ms, struct records *records)
{
    struct record_op due[KEYS];
    struct record_op op;
    struct record record;
    uint64_t log_ms = max_u64(given_ms, state->log_ms);
    if (world->short_of_room && records->rest.length == 0)
        return; /* what the group's writes answer stood long before */
    uint32_t count = model_due(state, log_ms, due);
    state->log_ms = log_ms;
    if (count == 0)
        return;
    bool same = next_record(records, &record) && record.request.number == 0 &&
                record.log_ms == log_ms && record.op_count == count;
    struct slice ops = same ? record.ops : (struct slice){0};
    for (uint32_t i = 0; same && i < count; i++)
        same = record_op_next(&ops, &op) && op.kind == RECORD_EXPIRE &&
               slice_equal(op.key, due[i].key);
    if (!same)
        violate("R69", "the time of %u keys is over, and their deletes do not come first", count);
    model_append(&world->log, &record, world->log.last + 1);
    model_apply(state, &world->log.records[world->log.last - 1].record);
}

static void judge_all(const struct given *list, uint32_t count, uint64_t log_ms,
                      struct slice stored)
{
    static struct model_state state;
    struct records records = {.rest = stored};
    uint64_t first = world->log.last + 1;
    model_replay(&world->log, world->log.last, &state);
    judge_expired(&state, log_ms, &records);
    for (uint32_t i = 0; i < count; i++)
        judge(&list[i], &state, &records);
    struct record more;
    if (next_record(&records, &more))
        violate("R47", "seq %" PRIu64 " is stored, and nobody asked for it", more.seq);
    for (uint64_t seq = first; seq <= world->log.last; seq++)
        world->log.records[seq - 1].append_first = first;
}

/* The primary would step down; until it has, its writer is given more. */
static void must_refuse(struct node *node)
{
    static struct given given;
    void *item;
    prepare(&given, tail_epoch(&world->log));
    struct work *work = &given.ticket->work;
    writer_do(node, &work, 1);
    while (queue_pop(node->events, &item, 1, 0) > 0) {
        struct node_event *event = item;
        if (event->core.type != CORE_EVENT_APPENDED || event->core.appended.code != CANDOR_ABORTED)
            violate("R68", "the numbers of a group that was published are given to another");
        event_free(node, event);
    }
    free(given.ticket);
    check_log(node);
    world->withdrawn = false;
    world->term++;
}

void work_writes(struct node *node)
{
    static struct given list[GROUP];
    struct work *works[GROUP];
    if (!leads("a"))
        return;
    uint32_t count = (uint32_t)between(1, GROUP);
    TRACE("writes %u\n", count);
    for (uint32_t i = 0; i < count; i++) {
        prepare(&list[i], tail_epoch(&world->log));
        works[i] = &list[i].ticket->work;
    }
    give(node, PENDING_RECORDS, works, count);
    struct buffer stored = {0};
    if (take_answers(node, CORE_EVENT_APPENDED, &stored))
        judge_all(list, count, world->log_ms, buffer_slice(&stored));
    for (uint32_t i = 0; i < count; i++) {
        buffer_free(&list[i].ticket->result.answers);
        free(list[i].ticket);
    }
    buffer_free(&stored);
    world->pending = PENDING_NONE;
    if (world->withdrawn)
        must_refuse(node);
}

void work_expire(struct node *node)
{
    if (!leads("a"))
        return;
    TRACE("expire\n");
    struct work *work = work_new(CORE_ACTION_EXPIRE);
    work->epoch = tail_epoch(&world->log);
    work->log_ms = world->log_ms += between(0, 400);
    give(node, PENDING_RECORDS, &work, 1);
    struct buffer stored = {0};
    if (take_answers(node, CORE_EVENT_APPENDED, &stored))
        judge_all(NULL, 0, world->log_ms, buffer_slice(&stored));
    buffer_free(&stored);
    world->pending = PENDING_NONE;
    if (world->withdrawn)
        must_refuse(node);
}

/* ---- Epochs, members, commit ----------------------------------------------------------------- */

void members_of(struct members *out)
{
    static const char *const names[] = {"a", "b", "c"};
    *out = (struct members){.count = 3};
    for (uint32_t i = 0; i < 3; i++)
        out->list[i] = (struct member){node_id_of(names[i]), i + 1, i < world->voters};
}

static void save(struct node *node, struct candor_epoch epoch, uint64_t commit)
{
    struct work *work = work_new(CORE_ACTION_SAVE);
    work->epoch = epoch;
    work->seq = commit;
    work->cluster_id = 77;
    give(node, PENDING_NONE, &work, 1);
    take_answers(node, CORE_EVENT_SAVED, NULL);
    world->floor = max_u64(world->floor, commit);
}

static void work_meta(struct node *node, enum core_action_type type, struct candor_epoch epoch)
{
    struct work *work = work_new(type);
    struct buffer stored = {0};
    work->epoch = epoch;
    work->cluster_id = 77;
    work->members = memory_alloc(sizeof *work->members);
    members_of(work->members);
    give(node, PENDING_RECORDS, &work, 1);
    if (take_answers(node, CORE_EVENT_APPENDED, &stored))
        append_all(&world->log, buffer_slice(&stored));
    buffer_free(&stored);
    world->pending = PENDING_NONE;
}

void work_lead(struct node *node)
{
    struct candor_epoch epoch = epoch_of(++world->term, "a");
    TRACE("lead term %" PRIu64 " after seq %" PRIu64 "\n", world->term, world->log.last);
    save(node, epoch, node->writer->commit);
    work_meta(node, CORE_ACTION_EPOCH_START, epoch);
}

void work_members(struct node *node)
{
    if (!leads("a"))
        return;
    TRACE("members\n");
    work_meta(node, CORE_ACTION_MEMBERS, tail_epoch(&world->log));
}

/* No core goes back behind what it has saved, nor behind its log, which a start takes for saved
 * (R28). */
static struct candor_epoch newest_epoch(const struct node *node)
{
    struct candor_epoch own = epoch_of(world->term, "a");
    struct candor_epoch saved = node->writer->hard.epoch;
    return epoch_compare(saved, own) > 0 ? saved : own;
}

void work_commit(struct node *node)
{
    struct work *work = work_new(CORE_ACTION_COMMIT);
    work->seq = between(min_u64(node->writer->commit, world->log.last), world->log.last);
    uint64_t seq = work->seq;
    TRACE("commit %" PRIu64 " of %" PRIu64 "\n", seq, world->log.last);
    give(node, PENDING_NONE, &work, 1);
    take_answers(node, CORE_EVENT_TRIMMED, NULL);
    if (chance(50))
        save(node, newest_epoch(node), node->writer->commit);
}

void work_checkpoint(struct node *node)
{
    struct state_checkpoint checkpoint;
    TRACE("checkpoint at %" PRIu64 "\n", world->log.last);
    if (world->log.last > 0 && !snapshot_cut(node, &checkpoint))
        violate("checkpoint", "it could not be cut");
}

/* ---- Records of another ---------------------------------------------------------------------- */

static bool read_model(void *closure, struct slice key, struct eval_item *out)
{
    const struct model_state *state = closure;
    const struct model_item *item = &state->items[key_index(key)];
    *out = (struct eval_item){item->value, item->mod_seq, item->version, item->until_ms};
    return item->there;
}

static void apply_newest(struct batch_writer *batch, struct model_state *state)
{
    struct record record;
    batch_newest(batch, &record);
    record.ops = arena_copy(record.ops);
    record.result = arena_copy(record.result);
    model_apply(state, &record);
}

/* What another primary would delete first; its time goes on, too. */
static uint32_t expire_elsewhere(struct batch_writer *batch, struct model_state *state)
{
    struct record_op due[KEYS];
    world->log_ms += between(0, 200);
    state->log_ms = max_u64(state->log_ms, world->log_ms);
    uint32_t count = model_due(state, state->log_ms, due);
    struct record_write write = {.ack = CANDOR_ACK_NONE, .wall_ms = 7, .log_ms = state->log_ms};
    if (count == 0)
        return 0;
    batch_add_write(batch, &write, due, count);
    apply_newest(batch, state);
    return 1;
}

/* What another primary would make of a client's request. */
static uint32_t run_elsewhere(struct batch_writer *batch, struct model_state *state, uint64_t seq)
{
    static struct eval eval;
    const struct client *client = client_next();
    const struct model_request *known = model_request(state, &client->id);
    uint32_t made = 0;
    uint64_t digest = client_digest(client);
    /* not to be judged by this simulator */
    if (model_newest(state, &client->id) > client->id.number)
        return 0;
    /* refused */
    if (known != NULL && known->digest != digest)
        return 0;
    for (uint32_t part = known != NULL ? known->parts : 0; part < client->count; part++) {
        struct eval_op op;
        struct eval_compare compare;
        struct eval_step steps[2];
        operation_fill(&client->operations[part], &op, &compare, steps);
        eval_run(&eval, &op, seq + made, state->log_ms, &(struct eval_reader){read_model, state});
        if (eval.op_count == 0)
            continue;
        struct record_write write = {
            CANDOR_ACK_LOCAL, 7,      client->id,   buffer_slice(&eval.answer),
            (uint16_t)part,   digest, state->log_ms};
        batch_add_write(batch, &write, eval.ops, eval.op_count);
        apply_newest(batch, state);
        made++;
    }
    return made;
}

/* The end of a log. */
struct end {
    uint64_t last;
    struct chain chain;
};

static void end_batch(struct batch_writer *writer, struct end *end)
{
    batch_end(writer);
    struct slice bytes = buffer_slice(writer->out);
    bytes = slice_of(bytes.bytes + writer->start, bytes.length - writer->start);
    struct batch batch;
    enum candor_code code = batch_decode(&bytes, &batch, NULL);
    ASSERT(code == CANDOR_OK);
    end->last = batch_last_seq(&batch);
    end->chain = batch_chain(&batch, end->last);
}

/* One batch behind `end`, of a new epoch its first; and moves the end on. */
static void make_batch(struct buffer *out, struct model_state *state, struct candor_epoch epoch,
                       bool opens, struct end *end)
{
    size_t before = out->length;
    struct batch_writer batch = batch_begin(out, opens ? RECORD_EPOCH_START : RECORD_WRITE, epoch,
                                            end->last + 1, end->chain);
    if (opens) {
        struct members members;
        members_of(&members);
        batch_add_members(&batch, 7, 77, &members);
        end_batch(&batch, end);
        return;
    }
    uint64_t last = end->last + expire_elsewhere(&batch, state);
    for (uint64_t i = between(1, 4); i > 0; i--)
        last += run_elsewhere(&batch, state, last + 1);
    /* nothing has an effect */
    if (last == end->last)
        out->length = before;
    else
        end_batch(&batch, end);
}

void work_follow(struct node *node)
{
    static struct model_state state;
    struct work *works[3];
    bool opens = !leads("b") || chance(10);
    struct candor_epoch epoch = opens ? epoch_of(++world->term, "b") : tail_epoch(&world->log);
    struct buffer all = {0};
    struct end end = {world->log.last, model_chain(&world->log, world->log.last)};
    size_t count = 0;
    model_replay(&world->log, end.last, &state);
    for (size_t i = between(1, 3); i > 0; i--, opens = false) {
        size_t from = all.length;
        make_batch(&all, &state, epoch, opens, &end);
        if (all.length == from)
            continue;
        works[count] = work_new(CORE_ACTION_APPEND);
        works[count]->epoch = epoch;
        buffer_put(&works[count]->bytes, all.bytes + from, all.length - from);
        count++;
    }
    TRACE("follow to %" PRIu64 " in %zu\n", end.last, count);
    if (count > 0) {
        give(node, PENDING_RECORDS, works, count);
        if (take_answers(node, CORE_EVENT_APPENDED, NULL))
            append_all(&world->log, buffer_slice(&all));
    }
    buffer_free(&all);
    world->pending = PENDING_NONE;
}

/* ---- Going back ------------------------------------------------------------------------------ */

void work_truncate(struct node *node)
{
    struct state_position position;
    state_position(node->state, &position);
    uint64_t floor = max_u64(position.undo_floor, node->writer->commit);
    if (floor >= world->log.last)
        return;
    struct work *work = work_new(CORE_ACTION_TRUNCATE);
    work->seq = world->pending_seq = between(floor, world->log.last - 1);
    work->epoch = epoch_of(++world->term, "b");
    TRACE("truncate to %" PRIu64 " from %" PRIu64 "\n", world->pending_seq, world->log.last);
    give(node, PENDING_TRUNCATE, &work, 1);
    take_answers(node, CORE_EVENT_TRUNCATED, NULL);
    check_archived(node, &world->log, world->pending_seq, world->log_first, world->undo_floor);
    world->log.last = world->pending_seq;
    world->pending = PENDING_NONE;
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

static void must(enum candor_code code, const struct candor_error *err)
{
    if (code != CANDOR_OK)
        violate("peer", "%s", err->message);
}

/* Another history: the own one up to some record, then another epoch's. */
static void branch_off(uint64_t common)
{
    static struct model_state state;
    struct branch *other = &world->other;
    struct candor_epoch epoch = epoch_of(++world->term, "b");
    struct buffer batches = {0};
    other->last = common;
    memcpy(other->records, world->log.records, common * sizeof *other->records);
    model_replay(other, common, &state);
    struct end end = {common, model_chain(other, common)};
    make_batch(&batches, &state, epoch, true, &end);
    for (uint64_t i = between(0, 3); i > 0; i--)
        make_batch(&batches, &state, epoch, false, &end);
    append_all(other, buffer_slice(&batches));
    ASSERT_U64(other->last, ==, end.last);
    buffer_free(&batches);
}

static void apply_branch(struct state *state, const struct branch *log, uint64_t commit)
{
    struct buffer batches = {0};
    struct candor_error err = {0};
    model_encode(log, &batches);
    must(state_apply(state, buffer_slice(&batches), commit, &err), &err);
    buffer_free(&batches);
}

/* A peer's checkpoint, as a download would bring it. */
static struct state_incoming *download(struct node *node)
{
    char dir[sizeof world->dir + 16];
    struct candor_error err = {0};
    struct state *peer;
    struct state_checkpoint checkpoint;
    snprintf(dir, sizeof dir, "%s/peer%" PRIu64, world->dir, world->term);
    struct state_options options = {.dir = dir, .map_bytes = 64 << 20};
    must(state_open(&options, &peer, &err), &err);
    apply_branch(peer, &world->other, between(0, world->other.last));
    must(state_checkpoint(peer, &checkpoint, &err), &err);
    state_close(peer);

    uint8_t *bytes = malloc(checkpoint.bytes);
    FILE *file = fopen(checkpoint.path, "rb");
    ASSERT(bytes != NULL && file != NULL);
    size_t got = fread(bytes, 1, checkpoint.bytes, file);
    ASSERT_U64(got, ==, checkpoint.bytes);
    fclose(file);
    struct state_incoming *incoming;
    struct state_position position;
    struct epoch_history history;
    epoch_history_init(&history);
    must(state_incoming_begin(node->state, &incoming, &err), &err);
    must(state_incoming_write(incoming, slice_of(bytes, checkpoint.bytes), &err), &err);
    must(state_incoming_finish(incoming, &position, &history, &err), &err);
    epoch_history_free(&history);
    free(bytes);
    return incoming;
}

void work_install(struct node *node)
{
    uint64_t common = between(0, world->log.last);
    branch_off(common);
    TRACE("install %" PRIu64 " on %" PRIu64 ", common to %" PRIu64 "\n", world->other.last,
          world->log.last, common);
    world->pending_seq = common;
    world->floor = min_u64(world->floor, common);
    struct work *work = work_new(CORE_ACTION_INSTALL);
    uint64_t fail_in = world->fail_in;
    world->fail_in = 0; /* not the peer's */
    work->incoming = download(node);
    world->fail_in = fail_in;
    /* there are more places to end at than anywhere else */
    if (chance(25))
        world->crash_in = between(1, 80);
    work->seq = common;
    work->epoch = tail_epoch(&world->other);
    give(node, PENDING_INSTALL, &work, 1);
    take_answers(node, CORE_EVENT_INSTALLED, NULL);
    check_archived(node, &world->log, common, world->log_first, world->undo_floor);
    memcpy(&world->log, &world->other, sizeof world->log);
    world->pending = PENDING_NONE;
}
