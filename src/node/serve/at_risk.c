/* AtRisk: what a failover would take back (R42), counted in the log itself. It is read by the slow
 * pool, up to stated limits. */
#include <stdlib.h>
#include <xxhash.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/types.h"
#include "candor/v1/cluster.pb-c.h"
#include "core/core.h"
#include "log/log.h"
#include "node/serve/call_job.h"
#include "node/serve/cluster.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/bytes.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "record/batch.h"
#include "rpc/rpc.h"
#include "wire/wire.h"

/* ---- A set of byte strings, in the order in which they came ---------------------------------- */

struct set {
    uint32_t limit;
    uint32_t count;
    bool more; /* one was left out */
    struct buffer bytes;
    struct {
        size_t at;
        size_t length;
    } * list;
    uint32_t *slots; /* index + 1; 0: free */
    uint32_t slot_count;
};

static void set_init(struct set *set, uint32_t limit)
{
    *set = (struct set){.limit = limit, .slot_count = 16};
    while (set->slot_count < 2 * limit)
        set->slot_count *= 2;
    set->list = memory_zeroed((size_t)limit + 1, sizeof *set->list);
    set->slots = memory_zeroed(set->slot_count, sizeof *set->slots);
}

static void set_free(struct set *set)
{
    buffer_free(&set->bytes);
    free(set->list);
    free(set->slots);
}

static struct slice set_at(const struct set *set, uint32_t i)
{
    return slice_of(set->bytes.bytes + set->list[i].at, set->list[i].length);
}

static void set_add(struct set *set, struct slice item)
{
    uint32_t slot = (uint32_t)(XXH3_64bits(item.bytes, item.length) % set->slot_count);
    for (; set->slots[slot] != 0; slot = (slot + 1) % set->slot_count)
        if (slice_equal(set_at(set, set->slots[slot] - 1), item))
            return;
    if (set->count == set->limit) {
        set->more = true;
        return;
    }
    set->list[set->count].at = set->bytes.length;
    set->list[set->count].length = item.length;
    set->slots[slot] = ++set->count;
    buffer_put(&set->bytes, item.bytes, item.length);
}

/* ---- Counting -------------------------------------------------------------------------------- */

struct count {
    uint64_t above_seq;
    uint64_t last_seq;
    uint64_t records;
    uint64_t bytes;
    uint64_t local;
    uint64_t waiting;
    uint64_t oldest_wall_ms; /* UINT64_MAX: none */
    bool more_records;
    struct set keys;
    struct set clients;
};

static void count_local(struct count *count, const struct record *record)
{
    struct slice ops = record->ops;
    struct record_op op;
    count->local++;
    count->oldest_wall_ms = min_u64(count->oldest_wall_ms, record->wall_ms);
    if (record->request.number != 0)
        set_add(&count->clients, slice_of(record->request.client, sizeof record->request.client));
    while (record_op_next(&ops, &op))
        set_add(&count->keys, op.key);
}

static void count_batch(struct count *count, const struct batch *batch)
{
    size_t cursor = 0;
    struct record record;
    while (batch_next(batch, &cursor, &record)) {
        if (count->records == LIMIT_AT_RISK_RECORDS) {
            count->more_records = true;
            return;
        }
        count->records++;
        count->last_seq = record.seq;
        if (record.type == RECORD_WRITE && record.ack == CANDOR_ACK_LOCAL)
            count_local(count, &record);
        else if (record.type == RECORD_WRITE)
            count->waiting++;
    }
}

/* What was trimmed meanwhile is committed meanwhile. */
static enum candor_code count_records(struct node *node, uint64_t last, struct count *count,
                                      struct candor_error *err)
{
    struct buffer batches = {0};
    enum candor_code code = CANDOR_OK;
    uint64_t from = max_u64(count->above_seq + 1, log_first(node->log));
    while (code == CANDOR_OK && from <= last && !count->more_records) {
        buffer_clear(&batches);
        code = log_read(node->log, from, last, LIMIT_FETCH_BYTES, &batches, err);
        struct slice rest = buffer_slice(&batches);
        struct batch batch;
        while (code == CANDOR_OK && rest.length > 0) {
            code = batch_decode(&rest, &batch, err);
            if (code == CANDOR_OK)
                count_batch(count, &batch);
        }
        count->bytes += batches.length;
        count->more_records = count->more_records || count->bytes >= LIMIT_AT_RISK_BYTES;
        /* a rollback was quicker */
        if (batches.length == 0)
            break;
        from = count->last_seq + 1;
    }
    count->more_records = count->more_records && count->last_seq < last;
    buffer_free(&batches);
    return code;
}

/* Whether this log has the very record at `pos`, and with it all below (R11), as far as epochs
 * tell: of two copies of a primary's disk that acted in one epoch (R56) the one's records would be
 * taken for the other's, and too few be counted. */
static bool holds(struct node *node, struct candor_pos pos)
{
    struct buffer bytes = {0};
    struct candor_error err;
    struct batch batch;
    bool same = false;
    if (pos.seq >= log_first(node->log) && pos.seq <= log_last(node->log) &&
        log_read(node->log, pos.seq, pos.seq, 1, &bytes, &err) == CANDOR_OK) {
        struct slice rest = buffer_slice(&bytes);
        same =
            batch_decode(&rest, &batch, &err) == CANDOR_OK && epoch_equal(batch.epoch, pos.epoch);
    }
    buffer_free(&bytes);
    return same;
}

static void respond(const struct call_job *job, const struct core_view *view, struct count *count)
{
    struct reply_room room;
    Candor__V1__AtRiskResponse response = CANDOR__V1__AT_RISK_RESPONSE__INIT;
    ProtobufCBinaryData *keys = memory_zeroed((size_t)count->keys.count + 1, sizeof *keys);
    for (uint32_t i = 0; i < count->keys.count; i++)
        keys[i] = slice_binary(set_at(&count->keys, i));
    response.above_seq = count->above_seq;
    response.last_seq = count->last_seq;
    response.local = count->local;
    response.waiting = count->waiting;
    response.n_keys = count->keys.count;
    response.keys = keys;
    response.more_keys = count->keys.more;
    response.clients = count->clients.count;
    response.more_clients = count->clients.more;
    response.more_records = count->more_records;
    if (count->local > 0) {
        response.oldest_case = CANDOR__V1__AT_RISK_RESPONSE__OLDEST_OLDEST_AGE_MS;
        response.oldest_age_ms = saturating_sub(clock_wall_ms(), count->oldest_wall_ms);
    }
    reply_freshness(job->call, view, view->applied, &(struct candor_pos){0}, &room);
    job->reply(&response.base, job->call);
    free(keys);
}

static void serve(const struct call_job *job)
{
    const Candor__V1__AtRiskRequest *request = (const Candor__V1__AtRiskRequest *)job->request;
    uint64_t limit = request->limit != 0 ? request->limit : LIMIT_AT_RISK_KEYS;
    struct candor_pos above;
    struct core_view view;
    struct candor_error err = {0};
    if (wire_read_pos(request->above, "above", &above, &err) != CANDOR_OK) {
        reply_fail_now(job->node, job->call, err.code, err.reason, err.message);
        return;
    }
    view_read_without_peers(&job->node->view, &view);
    struct count count = {.above_seq = view.commit, .oldest_wall_ms = UINT64_MAX};
    if (above.seq > view.commit && holds(job->node, above))
        count.above_seq = above.seq;
    count.last_seq = count.above_seq;
    set_init(&count.keys, (uint32_t)min_u64(limit, LIMIT_AT_RISK_KEYS));
    set_init(&count.clients, LIMIT_AT_RISK_CLIENTS);
    if (count_records(job->node, view.durable, &count, &err) == CANDOR_OK)
        respond(job, &view, &count);
    else
        reply_fail(job->node, job->call, &view, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                   err.message);
    set_free(&count.keys);
    set_free(&count.clients);
}

void cluster_at_risk(Candor__V1__Cluster_Service *service, const Candor__V1__AtRiskRequest *request,
                     Candor__V1__AtRiskResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    call_job_push(&node->slow, node, serve, &request->base, (ProtobufCClosure)closure,
                  closure_data);
}
