/* Every record ever stored, by position: what logs are compared with. */
#include <stdlib.h>

#include "sim.h"

/* Every record that ever reached a disk, by (epoch, seq). A log is named by its last epoch: what
 * lies below that epoch's EPOCH_START is the parent's. Two logs with an equal position are thus
 * compared by one hash (I2). */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

static uint64_t hash_text(uint64_t hash, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && text[i] != '\0'; i++)
        hash = mix(hash, (uint64_t)(unsigned char)text[i]);
    return hash;
}

struct epoch_log *registry_epoch(struct world *world, struct candor_epoch epoch)
{
    for (uint32_t i = world->epoch_count; i-- > 0;)
        if (epoch_equal(world->epochs[i]->epoch, epoch))
            return world->epochs[i];
    ASSERT_U64(world->epoch_count, <, SIM_EPOCHS);
    struct epoch_log *log = world_alloc(world, sizeof *log);
    log->epoch = epoch;
    log->hash =
        hash_text(mix(epoch.generation, epoch.term), epoch.owner.text, sizeof epoch.owner.text);
    world->epochs[world->epoch_count++] = log;
    world->overruled = world->overruled || epoch.generation > 1;
    return log;
}

struct epoch_log *registry_branch(struct epoch_log *epoch, uint64_t seq)
{
    while (epoch != NULL && seq < epoch->first_seq)
        epoch = epoch->parent;
    return epoch;
}

const struct registered *registry_at(const struct epoch_log *epoch, uint64_t seq)
{
    while (epoch != NULL && seq < epoch->first_seq)
        epoch = epoch->parent;
    if (epoch == NULL || epoch->first_seq == 0 || seq - epoch->first_seq >= epoch->count)
        return NULL;
    return &epoch->records[seq - epoch->first_seq];
}

struct candor_token registry_token(const struct world *world, struct candor_pos pos)
{
    for (uint32_t i = world->epoch_count; i-- > 0;) {
        const struct epoch_log *log = world->epochs[i];
        if (epoch_equal(log->epoch, pos.epoch) && log->count > 0)
            return (struct candor_token){.pos = pos, .origin = log->records[0].chain.low};
    }
    return (struct candor_token){.pos = pos};
}

bool registry_holds(struct epoch_log *epoch, struct candor_pos pos)
{
    struct epoch_log *there = registry_branch(epoch, pos.seq);
    return there != NULL && there->first_seq != 0 && epoch_equal(there->epoch, pos.epoch);
}

const struct registered *record_what(const struct disk *disk, uint64_t seq)
{
    ASSERT(seq > 0 && seq <= disk->last);
    const struct registered *what = registry_at(disk->records[seq - 1].epoch, seq);
    ASSERT(what != NULL);
    return what;
}

/* What it answers is its number: so each attempt of a request is told from the others. */
void registry_committed(struct epoch_log *epoch, uint64_t seq, struct candor_epoch in)
{
    struct registered *record = &epoch->records[seq - epoch->first_seq];
    if (epoch_none(record->committed_in))
        record->committed_in = in;
}

static uint64_t write_number(const struct world *world, const struct record *record)
{
    uint64_t number;
    ASSERT_U64(record->result.length, ==, sizeof number);
    memcpy(&number, record->result.bytes, sizeof number);
    ASSERT(number > 0 && number <= world->write_count);
    return number;
}

static void describe_write(struct world *world, const struct record *record, struct registered *out)
{
    struct slice ops = record->ops;
    struct record_op op;
    bool any = record_op_next(&ops, &op);
    ASSERT(any && op.key.length == 1);
    out->number = write_number(world, record);
    out->request = world->writes[out->number].request;
    out->part = record->part;
    struct request_id id = requests_id(out->request);
    ASSERT(memcmp(&id, &record->request, sizeof id) == 0);
    ASSERT_U64(record->digest, ==, out->request->content);
    out->key = op.key.bytes[0];
    out->deletes = record_op_deletes(&op);
    out->until_ms = op.until_ms;
    out->log_ms = record->log_ms;
    out->content = mix(mix(mix(out->content, out->number), out->key), out->deletes);
    out->content = mix(mix(out->content, out->until_ms), out->log_ms);
}

static void describe_members(struct world *world, const struct record *record,
                             struct registered *out)
{
    out->members = world_copy(world, &record->members, sizeof record->members);
    out->cluster_id = record->cluster_id;
    out->content = mix(out->content, record->cluster_id);
    for (uint32_t i = 0; i < record->members.count; i++)
        out->content =
            mix(mix(out->content, record->members.list[i].store_id), record->members.list[i].voter);
}

static void open_epoch(struct world *world, const struct node *node, struct epoch_log *log,
                       const struct log_record *before, const struct record *record)
{
    if (record->type != RECORD_EPOCH_START)
        violate(world, "I2", "node %s stores seq %" PRIu64 " of an epoch without EPOCH_START",
                node->id.text, record->seq);
    log->first_seq = record->seq;
    log->parent = before != NULL ? before->epoch : NULL;
}

struct epoch_log *registry_add(struct world *world, const struct node *node,
                               const struct log_record *before, const struct record *record)
{
    struct epoch_log *log = registry_epoch(world, record->epoch);
    const struct registered *previous =
        before != NULL ? registry_at(before->epoch, record->seq - 1) : NULL;
    struct registered now = {.type = record->type,
                             .content = mix(previous != NULL ? previous->content : 0, log->hash)};
    now.content = mix(mix(now.content, record->seq), record->type);
    now.chain = record_chain(previous != NULL ? previous->chain : (struct chain){0}, record);
    if (record->type == RECORD_WRITE)
        describe_write(world, record, &now);
    else
        describe_members(world, record, &now);
    if (log->first_seq == 0)
        open_epoch(world, node, log, before, record);
    if (record->seq < log->first_seq || record->seq - log->first_seq > log->count)
        violate(world, "I2",
                "node %s stores seq %" PRIu64 " of an epoch that holds %" PRIu64
                " records from %" PRIu64,
                node->id.text, record->seq, log->count, log->first_seq);
    uint64_t at = record->seq - log->first_seq;
    if (at < log->count && (log->records[at].content != now.content ||
                            !chain_equal(log->records[at].chain, now.chain))) {
        char pos[POS_TEXT_BYTES];
        violate(world, "I2",
                "node %s stores at %s another log than was stored there before (write %" PRIu64
                " against %" PRIu64 ")",
                node->id.text, pos_text((struct candor_pos){record->epoch, record->seq}, pos),
                now.number, log->records[at].number);
    }
    if (at == log->count) {
        memory_grow(log->records, log->capacity, log->count + 1);
        log->records[log->count++] = now;
        check_once(world, node, log, record->seq, &now);
        if (now.number != 0) {
            world->writes[now.number].stored = true;
            rules_write_stored(world, node, &world->writes[now.number]);
        }
    }
    return log;
}

void registry_forget(struct epoch_log *epoch)
{
    ASSERT_U64(epoch->count, ==, 1);
    epoch->parent = NULL;
    epoch->first_seq = epoch->count = 0;
}

void registry_free(struct world *world)
{
    for (uint32_t i = 0; i < world->epoch_count; i++)
        free(world->epochs[i]->records);
}
