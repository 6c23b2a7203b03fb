/* A node's log, state and hard state. */
#include <stdlib.h>

#include "sim.h"

/* A node's log, state and hard state. What the functions here do is durable when they return; the
 * writer decides what of its work under way a crash leaves. */

/* ---- The state ------------------------------------------------------------------------------- */

static void apply(struct state *state, uint64_t seq, const struct registered *what,
                  struct log_record *record)
{
    if (what->type != RECORD_WRITE)
        return;
    struct entry *entry = &state->keys[what->key];
    record->undo = *entry;
    *entry = what->deletes ? (struct entry){0} : (struct entry){what->number, seq, what->until_ms};
    record->undo_known = requests_note(&state->requests, what->request, what->part, seq);
}

static void undo(const struct world *world, struct state *state, const struct registered *what,
                 const struct log_record *record)
{
    if (what->type != RECORD_WRITE || mutated(world, SIM_MUTATION_UNDO_SKIPPED))
        return;
    state->keys[what->key] = record->undo;
    if (!mutated(world, SIM_MUTATION_DEDUPE_NOT_ROLLED_BACK))
        requests_undo(&state->requests, what->request, record->undo_known);
}

void disk_replay(const struct disk *disk, struct state *out)
{
    *out = (struct state){0};
    for (uint64_t seq = 1; seq <= disk->last; seq++)
        apply(out, seq, record_what(disk, seq), &disk->records[seq - 1]);
}

uint64_t disk_next_end_ms(const struct disk *disk)
{
    uint64_t next_ms = 0;
    for (uint32_t key = 0; key < SIM_KEYS; key++) {
        uint64_t until_ms = disk->state.keys[key].until_ms;
        if (until_ms != 0 && (next_ms == 0 || until_ms < next_ms))
            next_ms = until_ms;
    }
    return next_ms;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static const struct registered *newest_meta(const struct disk *disk, uint64_t seq)
{
    for (; seq > 0; seq--) {
        const struct registered *what = record_what(disk, seq);
        if (what->type != RECORD_WRITE)
            return what;
    }
    return NULL;
}

const struct members *disk_members(const struct disk *disk, uint64_t seq)
{
    static const struct members none;
    const struct registered *meta = newest_meta(disk, min_u64(seq, disk->last));
    return meta != NULL ? meta->members : &none;
}

uint64_t disk_cluster_id(const struct disk *disk)
{
    const struct registered *meta = newest_meta(disk, disk->last);
    return meta != NULL ? meta->cluster_id : 0;
}

/* `out` is initialised. */
void disk_history(const struct disk *disk, uint64_t last, struct epoch_history *out)
{
    for (uint64_t seq = 1; seq <= last; seq++)
        if (seq == 1 || disk->records[seq - 1].epoch != disk->records[seq - 2].epoch)
            epoch_history_append(out, &(struct epoch_start){disk->records[seq - 1].epoch->epoch,
                                                            seq, disk_chain(disk, seq)});
}

struct chain disk_chain(const struct disk *disk, uint64_t seq)
{
    return seq > 0 ? disk->records[seq - 1].chain : (struct chain){0};
}

uint64_t newest_members(const struct disk *disk)
{
    uint64_t seq = disk->last;
    while (seq > 0 && record_what(disk, seq)->type == RECORD_WRITE)
        seq--;
    return seq;
}

struct candor_pos disk_pos(const struct disk *disk, uint64_t seq)
{
    if (seq == 0 || seq > disk->last)
        return (struct candor_pos){0};
    return (struct candor_pos){disk->records[seq - 1].epoch->epoch, seq};
}

bool disk_holds(const struct disk *disk, uint64_t upto, struct candor_pos pos)
{
    return pos.seq > 0 && pos.seq <= upto && pos.seq <= disk->last &&
           epoch_equal(disk->records[pos.seq - 1].epoch->epoch, pos.epoch);
}

/* ---- Appending ------------------------------------------------------------------------------- */

/* Equal logs make equal states: the simulator's state need not be hashed itself. */
static uint64_t mixed(uint64_t before, const struct registered *what)
{
    uint64_t x =
        before ^ (what->number * UINT64_C(0x9e3779b97f4a7c15)) ^ ((uint64_t)what->type << 56);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct state_digest disk_digest(const struct disk *disk, uint64_t seq)
{
    uint64_t content = seq > 0 ? disk->records[seq - 1].content : 0;
    return (struct state_digest){.high = content ^ disk->skew, .low = seq};
}

static void push_record(struct world *world, struct node *node, const struct batch *batch,
                        const struct record *record)
{
    struct disk *disk = &node->disk;
    memory_grow(disk->records, disk->capacity, disk->last + 1);
    const struct log_record *before = disk->last > 0 ? &disk->records[disk->last - 1] : NULL;
    struct log_record stored = {
        .epoch = registry_add(world, node, before, record),
        .batch = batch->bytes,
        .stored_ns = world->now_ns,
    };
    const struct registered *what = registry_at(stored.epoch, record->seq);
    stored.chain = record_chain(disk_chain(disk, disk->last), record);
    stored.content = mixed(before != NULL ? before->content : 0, what);
    apply(&disk->state, record->seq, what, &stored);
    disk->log_ms = max_u64(disk->log_ms, what->log_ms);
    disk->records[disk->last++] = stored;
}

/* Whole batches, contiguous with the log's end. ABORTED: they do not fit; nothing of them is
 * stored. */
enum candor_code disk_append(struct world *world, struct node *node, struct slice batches,
                             uint64_t most_batches)
{
    struct slice rest = slice_of(world_copy(world, batches.bytes, batches.length), batches.length);
    bool first = true;
    while (rest.length > 0 && most_batches-- > 0) {
        struct batch batch;
        enum candor_code code = batch_decode(&rest, &batch, NULL);
        ASSERT(code == CANDOR_OK);
        if (first && batch.first_seq != node->disk.last + 1)
            return CANDOR_ABORTED;
        if (batch.first_seq != node->disk.last + 1)
            violate(world, "R13", "node %s was told to append seq %" PRIu64 " behind %" PRIu64,
                    node->id.text, batch.first_seq, node->disk.last);
        if (!chain_equal(batch.before, disk_chain(&node->disk, node->disk.last)))
            violate(world, "R55",
                    "node %s was told to append seq %" PRIu64 ", which follows other records",
                    node->id.text, batch.first_seq);
        first = false;
        size_t cursor = 0;
        struct record record;
        while (batch_next(&batch, &cursor, &record))
            push_record(world, node, &batch, &record);
    }
    return CANDOR_OK;
}

void disk_note_staged(struct world *world, const struct node *node, struct slice batches)
{
    const struct disk *disk = &node->disk;
    struct log_record before = disk->records[disk->last - 1];
    struct batch batch;
    while (batches.length > 0 && batch_decode(&batches, &batch, NULL) == CANDOR_OK) {
        size_t cursor = 0;
        struct record record;
        while (batch_next(&batch, &cursor, &record))
            before.epoch = registry_add(world, node, &before, &record);
    }
}

/* The last record that still stands in the batch of `seq`: a rollback may have cut it. */
static uint64_t batch_end_seq(const struct disk *disk, uint64_t seq, uint64_t upto)
{
    const uint8_t *bytes = disk->records[seq - 1].batch.bytes;
    while (seq < upto && disk->records[seq].batch.bytes == bytes)
        seq++;
    return seq;
}

/* As log_read() does: whole batches, cut to begin at `from` and to end at `upto`. */
void disk_read(struct world *world, struct node *node, uint64_t from, uint64_t upto,
               uint32_t most_batches, struct buffer *out)
{
    const struct disk *disk = &node->disk;
    upto = min_u64(upto, disk->last);
    for (uint64_t seq = from; seq <= upto && most_batches-- > 0;) {
        struct slice bytes = disk->records[seq - 1].batch;
        struct batch batch;
        enum candor_code code = batch_decode(&bytes, &batch, NULL);
        ASSERT(code == CANDOR_OK);
        uint64_t end = batch_end_seq(disk, seq, upto);
        if (batch.first_seq < seq) {
            buffer_clear(&world->scratch);
            batch_tail(&batch, seq, &world->scratch);
            bytes = buffer_slice(&world->scratch);
            code = batch_decode(&bytes, &batch, NULL);
            ASSERT(code == CANDOR_OK);
        }
        if (batch_last_seq(&batch) > end)
            batch_head(&batch, end, out);
        else
            buffer_put(out, batch.bytes.bytes, batch.bytes.length);
        seq = end + 1;
    }
}

/* ---- Going back (R12, R40) ------------------------------------------------------------------- */

static void archive(struct world *world, struct node *node, uint64_t seq, struct candor_epoch by)
{
    check_discarded(world, node, seq, by);
    const struct registered *what = record_what(&node->disk, seq);
    if (mutated(world, SIM_MUTATION_ARCHIVE_SKIPPED))
        return;
    if (what->type == RECORD_WRITE)
        world->writes[what->number].archived = true;
    if (world->watcher != NULL)
        world->watcher->archived(world, node, seq);
}

static uint64_t log_ms_at(const struct disk *disk, uint64_t seq)
{
    while (seq > 0 && record_what(disk, seq)->type != RECORD_WRITE)
        seq--;
    return seq > 0 ? record_what(disk, seq)->log_ms : 0;
}

void disk_truncate(struct world *world, struct node *node, uint64_t to, struct candor_epoch by)
{
    struct disk *disk = &node->disk;
    for (uint64_t seq = disk->last; seq > to; seq--) {
        archive(world, node, seq, by);
        undo(world, &disk->state, record_what(disk, seq), &disk->records[seq - 1]);
        disk->last = seq - 1;
    }
    disk->log_ms = log_ms_at(disk, to);
    disk->first = min_u64(disk->first, to + 1);
    disk->others_from = to < disk->others_from ? 0 : disk->others_from;
    disk->commit = min_u64(disk->commit, to);
    disk->rewinds++;
    check_state(world, node);
}

void disk_install(struct world *world, struct node *node, const struct snapshot *snapshot,
                  uint64_t common, struct candor_epoch by)
{
    struct disk *disk = &node->disk;
    for (uint64_t seq = disk->last; seq > common; seq--) {
        archive(world, node, seq, by);
        disk->last = seq - 1;
    }
    uint64_t count = snapshot->pos.seq;
    memory_grow(disk->records, disk->capacity, count);
    memcpy(disk->records, snapshot->records, count * sizeof *disk->records);
    /* synced as a whole */
    for (uint64_t seq = 1; seq <= count; seq++)
        disk->records[seq - 1].stored_ns = 0;
    disk->last = count;
    disk->others_from = 0;
    disk->first = count + 1;
    disk->skew = world->healing ? 0 : snapshot->skew;
    struct requests before = disk->state.requests;
    disk->state = snapshot->state;
    disk->log_ms = snapshot->log_ms;
    if (mutated(world, SIM_MUTATION_DEDUPE_NOT_SNAPSHOTTED))
        disk->state.requests = before;
    disk->undo_floor = snapshot->undo_floor;
    disk->commit = snapshot->undo_floor;
    disk->rewinds = max_u64(disk->rewinds, snapshot->rewinds) + 1;
    if (mutated(world, SIM_MUTATION_HARD_STATE_IN_SNAPSHOT)) {
        disk->boot = snapshot->boot;
        disk->epoch = snapshot->epoch;
        disk->hard_commit = snapshot->hard_commit;
    }
    check_state(world, node);
}

/* ---- Losing ---------------------------------------------------------------------------------- */

static void excuse(struct world *world, const struct disk *disk, uint64_t seq)
{
    const struct registered *what = record_what(disk, seq);
    if (what->type == RECORD_WRITE)
        world->writes[what->number].excused = true;
}

/* Its records above `seq` are lost. */
void disk_excuse(struct world *world, const struct disk *disk, uint64_t above)
{
    for (uint64_t seq = above + 1; seq <= disk->last; seq++)
        excuse(world, disk, seq);
}

/* A forced EPOCH_START whose epoch the hard state did not reach: nobody was told of it, and the
 * epoch is free (R28). */
static void forget_opening(const struct disk *disk)
{
    struct epoch_log *epoch = disk->records[disk->last - 1].epoch;
    if (epoch->first_seq == disk->last && epoch_compare(epoch->epoch, disk->epoch) > 0)
        registry_forget(epoch);
}

/* durability: os. What was written lately was never synced. */
void disk_lose_tail(struct world *world, struct node *node)
{
    struct disk *disk = &node->disk;
    uint64_t unsynced_ns = saturating_sub(world->now_ns, 5 * world->plan.beat_ns);
    uint64_t most = between(world, 0, 8);
    while (most-- > 0 && disk->last >= disk->first && disk->last > 1 &&
           disk->records[disk->last - 1].stored_ns > unsynced_ns) {
        excuse(world, disk, disk->last);
        TRACE(world, node, "lost seq=%" PRIu64, disk->last);
        world->lost_tail = true;
        forget_opening(disk);
        disk->last--;
    }
    disk->undo_floor = min_u64(disk->undo_floor, disk->last);
}

void disk_local(const struct disk *disk, uint64_t commit, struct seq_bits *out)
{
    seq_bits_raise_floor(out, commit);
    for (uint64_t seq = max_u64(commit + 1, disk->first); seq <= disk->last; seq++) {
        const struct registered *what = record_what(disk, seq);
        if (what->type == RECORD_WRITE && what->request->ack == CANDOR_ACK_LOCAL)
            seq_bits_add(out, seq);
    }
}

void disk_format(struct world *world, struct node *node)
{
    struct disk *disk = &node->disk;
    disk_excuse(world, disk, 0);
    struct log_record *records = disk->records;
    *disk = (struct disk){
        .store_id = ++world->next_store,
        .first = 1,
        .records = records,
        .capacity = disk->capacity,
        .wipes = disk->wipes + (node->life > 0),
    };
}

void disk_free(struct disk *disk)
{
    free(disk->records);
}
