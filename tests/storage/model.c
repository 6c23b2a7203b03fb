/* The log that must be there, and the state that follows from it. */
#include "storage.h"

/* What must be on the disk: records by seq, and the state that follows from them. Written from
 * docs/protocol.md and the headers, not from src/state. */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    hash = mix(hash, length);
    for (size_t i = 0; i < length; i++)
        hash = mix(hash, at[i]);
    return hash;
}

uint64_t record_hash(const struct record *record)
{
    uint64_t hash = mix(mix(record->seq, record->type), record->epoch.term);
    hash = mix_bytes(hash, record->epoch.owner.text, strlen(record->epoch.owner.text));
    if (record->type != RECORD_WRITE) {
        hash = mix(hash, record->cluster_id);
        for (uint32_t i = 0; i < record->members.count; i++)
            hash = mix(mix(hash, record->members.list[i].store_id), record->members.list[i].voter);
        return hash;
    }
    hash = mix_bytes(hash, record->request.client, sizeof record->request.client);
    hash = mix(mix(mix(hash, record->request.number), record->part), record->ack);
    hash = mix_bytes(hash, record->result.bytes, record->result.length);
    return mix_bytes(hash, record->ops.bytes, record->ops.length);
}

/* I11: no log has the same part of the same request twice. */
static void check_once(const struct branch *log, const struct record *record)
{
    for (uint64_t seq = 1; seq <= log->last; seq++) {
        const struct record *other = &log->records[seq - 1].record;
        if (other->type == RECORD_WRITE && other->part == record->part &&
            memcmp(&other->request, &record->request, sizeof record->request) == 0)
            violate("I11",
                    "request %" PRIu64 " of client %u is stored at seq %" PRIu64
                    ", it has its effect at %" PRIu64,
                    record->request.number, record->request.client[0], record->seq, seq);
    }
}

struct chain model_chain(const struct branch *log, uint64_t seq)
{
    return seq > 0 ? log->records[seq - 1].chain : (struct chain){0};
}

void model_append(struct branch *log, const struct record *record, uint64_t append_first)
{
    ASSERT_U64(log->last, <, RECORDS);
    if (record->seq != log->last + 1)
        violate("I2", "seq %" PRIu64 " is stored behind %" PRIu64, record->seq, log->last);
    if (record->type == RECORD_WRITE && record->request.number != 0)
        check_once(log, record);
    struct chain before = model_chain(log, log->last);
    struct kept *kept = &log->records[log->last++];
    *kept = (struct kept){*record, record_hash(record), append_first, record_chain(before, record)};
    kept->record.ops = arena_copy(record->ops);
    kept->record.result = arena_copy(record->result);
}

static void note_request(struct model_state *state, const struct record *record)
{
    struct model_request *found = NULL;
    for (uint32_t i = state->request_count; i-- > 0 && found == NULL;)
        if (memcmp(&state->requests[i].id, &record->request, sizeof record->request) == 0)
            found = &state->requests[i];
    if (found == NULL) {
        found = &state->requests[state->request_count++];
        *found = (struct model_request){
            .id = record->request, .digest = record->digest, .first_seq = record->seq};
    }
    ASSERT_U64(record->part, ==, found->parts);
    if (record->digest != found->digest)
        violate("R46",
                "seq %" PRIu64 " goes on with request %" PRIu64 " of client %u in another content",
                record->seq, record->request.number, record->request.client[0]);
    found->last_seq = record->seq;
    found->results[found->parts++] = record->result;
}

void model_apply_op(struct model_item *item, const struct record_op *op, uint64_t seq,
                    uint32_t index)
{
    if (record_op_deletes(op)) {
        *item = (struct model_item){0};
        return;
    }
    if (op->kind == RECORD_KEEP && !item->there)
        return;
    if (op->kind == RECORD_PUT)
        *item = (struct model_item){.there = true,
                                    .value = op->value,
                                    .mod_seq = seq,
                                    .version = item->there ? item->version + 1 : 1};
    item->until_ms = op->until_ms;
    item->end_seq = seq;
    item->end_op = index;
}

void model_apply(struct model_state *state, const struct record *record)
{
    if (record->type != RECORD_WRITE)
        return;
    struct slice ops = record->ops;
    struct record_op op;
    for (uint32_t index = 0; record_op_next(&ops, &op); index++)
        model_apply_op(&state->items[key_index(op.key)], &op, record->seq, index);
    state->log_ms = max_u64(state->log_ms, record->log_ms);
    if (record->request.number != 0)
        note_request(state, record);
}

/* In the order of their ends. */
static bool ends_before(const struct model_item *a, const struct model_item *b)
{
    if (a->until_ms != b->until_ms)
        return a->until_ms < b->until_ms;
    return a->end_seq != b->end_seq ? a->end_seq < b->end_seq : a->end_op < b->end_op;
}

uint32_t model_due(const struct model_state *state, uint64_t log_ms, struct record_op out[KEYS])
{
    const struct model_item *due[KEYS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct model_item *item = &state->items[i];
        if (!item->there || item->until_ms == 0 || item->until_ms >= log_ms)
            continue;
        uint32_t at = count++;
        for (; at > 0 && ends_before(item, due[at - 1]); at--)
            due[at] = due[at - 1];
        due[at] = item;
    }
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct record_op){.kind = RECORD_EXPIRE,
                                    .key = key_name((uint32_t)(due[i] - state->items))};
    return count;
}

uint64_t model_next_end(const struct model_state *state)
{
    uint64_t next_ms = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct model_item *item = &state->items[i];
        if (item->there && item->until_ms != 0 && (next_ms == 0 || item->until_ms < next_ms))
            next_ms = item->until_ms;
    }
    return next_ms;
}

void model_replay(const struct branch *log, uint64_t upto, struct model_state *out)
{
    memset(out->items, 0, sizeof out->items);
    out->request_count = 0;
    out->log_ms = 0;
    for (uint64_t seq = 1; seq <= upto; seq++)
        model_apply(out, &log->records[seq - 1].record);
}

const struct model_request *model_request(const struct model_state *state,
                                          const struct request_id *id)
{
    for (uint32_t i = 0; i < state->request_count; i++)
        if (memcmp(&state->requests[i].id, id, sizeof *id) == 0)
            return &state->requests[i];
    return NULL;
}

/* The client's newest number that is in the log. */
uint64_t model_newest(const struct model_state *state, const struct request_id *id)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < state->request_count; i++)
        if (memcmp(state->requests[i].id.client, id->client, sizeof id->client) == 0)
            newest = max_u64(newest, state->requests[i].id.number);
    return newest;
}

static void encode(const struct record *record, struct chain before, struct buffer *out)
{
    struct batch_writer batch = batch_begin(out, record->type, record->epoch, record->seq, before);
    if (record->type == RECORD_WRITE) {
        struct record_write write = {record->ack,  record->wall_ms, record->request, record->result,
                                     record->part, record->digest,  record->log_ms};
        struct record_op ops[KEYS];
        uint32_t count = 0;
        struct slice rest = record->ops;
        while (count < KEYS && record_op_next(&rest, &ops[count]))
            count++;
        batch_add_write(&batch, &write, ops, count);
    } else {
        batch_add_members(&batch, record->wall_ms, record->cluster_id, &record->members);
    }
    batch_end(&batch);
}

void model_encode(const struct branch *log, struct buffer *out)
{
    for (uint64_t seq = 1; seq <= log->last; seq++)
        encode(&log->records[seq - 1].record, model_chain(log, seq - 1), out);
}
