/* Rollback archives, as operators see them (R40). They are files: read by the slow pool. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/types.h"
#include "candor/v1/cluster.pb-c.h"
#include "core/core.h"
#include "node/serve/call_job.h"
#include "node/serve/cluster.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "node/store/archives.h"
#include "record/batch.h"
#include "rpc/rpc.h"
#include "state/archive.h"
#include "wire/wire.h"

struct archive_message {
    Candor__V1__RollbackArchive archive;
    struct wire_pos from;
    struct wire_pos to;
    Candor__V1__Epoch superseded_by;
};

/* ---- Common ---------------------------------------------------------------------------------- */

static void submit(Candor__V1__Cluster_Service *service, const ProtobufCMessage *request,
                   ProtobufCClosure reply, void *closure_data,
                   void (*serve)(const struct call_job *job))
{
    struct node *node = node_of(service);
    call_job_push(&node->slow, node, serve, request, reply, closure_data);
}

static void reply(const struct call_job *job, const ProtobufCMessage *response)
{
    struct core_view view;
    struct reply_room room;
    view_read_without_peers(&job->node->view, &view);
    reply_freshness(job->call, &view, view.applied, &(struct candor_pos){0}, &room);
    job->reply(response, job->call);
}

static void fail(const struct call_job *job, const struct candor_error *err)
{
    if (archive_is_damaged(err))
        log_error("archive_damaged", "what=\"%s\"", err->message);
    reply_fail_now(job->node, job->call, err->code, err->reason, err->message);
}

static void fill_archive(const struct archive_summary *from, struct archive_message *out)
{
    candor__v1__rollback_archive__init(&out->archive);
    out->archive.id = wire_string(from->id);
    out->archive.bytes = from->bytes;
    out->archive.damaged = from->damaged;
    if (from->damaged)
        return;
    out->archive.wall_ms = from->wall_ms;
    out->archive.from = wire_pos(&from->from, &out->from);
    out->archive.to = wire_pos(&from->to, &out->to);
    out->archive.records = from->records;
    out->archive.writes = from->writes;
    out->archive.local = from->local;
    wire_epoch(&from->superseded_by, &out->superseded_by);
    out->archive.superseded_by = &out->superseded_by;
}

/* ---- List ------------------------------------------------------------------------------------ */

static void list(const struct call_job *job)
{
    struct archive_summary *summaries = NULL;
    size_t count = 0;
    struct candor_error err = {0};
    if (archive_list(job->node->archive_dir, &summaries, &count, &err) != CANDOR_OK) {
        fail(job, &err);
        return;
    }
    struct archive_message *messages = memory_alloc((count + 1) * sizeof *messages);
    Candor__V1__RollbackArchive **list =
        memory_alloc((count + 1) * sizeof(Candor__V1__RollbackArchive *));
    for (size_t i = 0; i < count; i++) {
        fill_archive(&summaries[i], &messages[i]);
        list[i] = &messages[i].archive;
    }
    Candor__V1__RollbackListResponse response = CANDOR__V1__ROLLBACK_LIST_RESPONSE__INIT;
    response.n_archives = count;
    response.archives = list;
    reply(job, &response.base);
    free(list);
    free(messages);
    free(summaries);
}

void cluster_rollback_list(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackListRequest *request,
                           Candor__V1__RollbackListResponse_Closure closure, void *closure_data)
{
    submit(service, &request->base, (ProtobufCClosure)closure, closure_data, list);
}

/* ---- Show ------------------------------------------------------------------------------------ */

/* One record with its ops, owning copies: what archive_read() shows lasts only while it shows
 * it. */
struct shown {
    Candor__V1__RollbackRecord record;
    struct candor_pos at; /* the message's owner points into it */
    struct wire_pos pos;
    Candor__V1__RequestId request_id;
    uint8_t client[16];
};

struct show {
    struct shown **records;
    Candor__V1__RollbackRecord **list;
    size_t count;
    size_t capacity;
    size_t most;
    size_t bytes;
    bool more;
};

static ProtobufCBinaryData copy_bytes(struct slice from)
{
    uint8_t *bytes = memory_alloc(from.length + 1);
    if (from.length > 0)
        memcpy(bytes, from.bytes, from.length);
    return (ProtobufCBinaryData){.len = from.length, .data = bytes};
}

static void add_record(struct show *show, const struct record *record)
{
    memory_grow(show->records, show->capacity, show->count + 1);
    struct shown *shown = memory_zeroed(1, sizeof *shown);
    Candor__V1__RollbackRecord *message = &shown->record;
    candor__v1__rollback_record__init(message);
    shown->at = (struct candor_pos){record->epoch, record->seq};
    message->pos = wire_pos(&shown->at, &shown->pos);
    message->wall_ms = record->wall_ms;
    message->ack = wire_string(ack_level_name(record->ack));
    if (record->request.number != 0) {
        candor__v1__request_id__init(&shown->request_id);
        memcpy(shown->client, record->request.client, sizeof shown->client);
        shown->request_id.client_id =
            (ProtobufCBinaryData){.len = sizeof shown->client, .data = shown->client};
        shown->request_id.number = record->request.number;
        message->request_id = &shown->request_id;
    }
    message->ops = memory_zeroed(record->op_count + 1, sizeof *message->ops);
    show->records[show->count++] = shown;
}

static const Candor__V1__RollbackOp__Kind kinds[] = {
    [RECORD_PUT] = CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT,
    [RECORD_DELETE] = CANDOR__V1__ROLLBACK_OP__KIND__KIND_DELETE,
    [RECORD_EXPIRE] = CANDOR__V1__ROLLBACK_OP__KIND__KIND_EXPIRE,
    [RECORD_KEEP] = CANDOR__V1__ROLLBACK_OP__KIND__KIND_KEEP,
};

static void add_op(struct show *show, const struct record *of, const struct archive_op *op)
{
    Candor__V1__RollbackRecord *record = &show->records[show->count - 1]->record;
    Candor__V1__RollbackOp *message = memory_alloc(sizeof *message);
    candor__v1__rollback_op__init(message);
    message->kind = kinds[op->op.kind];
    message->ttl_ms = saturating_sub(op->op.until_ms, of->log_ms);
    message->key = copy_bytes(op->op.key);
    message->new_value = copy_bytes(op->op.value);
    if (op->old == ARCHIVE_OLD_VALUE) {
        message->old_case = CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE;
        message->old_value = copy_bytes(op->old_value);
    }
    message->old_unknown = op->old == ARCHIVE_OLD_UNKNOWN;
    record->ops[record->n_ops++] = message;
    show->bytes += op->op.key.length + op->op.value.length + op->old_value.length + 64;
}

/* Whole records only: the limit is looked at where a record begins. */
static bool show_op(const struct record *record, uint32_t op_index, const struct archive_op *op,
                    void *closure)
{
    struct show *show = closure;
    if (op_index == 0) {
        bool full = show->count > 0 &&
                    (show->count >= show->most || show->bytes >= LIMIT_ROLLBACK_SHOW_BYTES);
        if (full) {
            show->more = true;
            return false;
        }
        add_record(show, record);
    }
    add_op(show, record, op);
    return true;
}

static void free_show(struct show *show)
{
    for (size_t i = 0; i < show->count; i++) {
        Candor__V1__RollbackRecord *record = &show->records[i]->record;
        for (size_t j = 0; j < record->n_ops; j++) {
            free(record->ops[j]->key.data);
            free(record->ops[j]->new_value.data);
            if (record->ops[j]->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE)
                free(record->ops[j]->old_value.data);
            free(record->ops[j]);
        }
        free(record->ops);
        free(show->records[i]);
    }
    free(show->records);
    free(show->list);
}

static void show(const struct call_job *job)
{
    const Candor__V1__RollbackShowRequest *request =
        (const Candor__V1__RollbackShowRequest *)job->request;
    struct show show = {.most = LIMIT_ROLLBACK_SHOW_RECORDS};
    if (request->limit > 0)
        show.most = (size_t)min_u64(request->limit, LIMIT_ROLLBACK_SHOW_RECORDS);
    struct archive_summary summary;
    struct candor_error err = {0};
    if (archive_read(job->node->archive_dir, request->id, request->from_seq, &summary, show_op,
                     &show, &err) != CANDOR_OK) {
        fail(job, &err);
        free_show(&show);
        return;
    }
    show.list = memory_alloc((show.count + 1) * sizeof(Candor__V1__RollbackRecord *));
    for (size_t i = 0; i < show.count; i++)
        show.list[i] = &show.records[i]->record;
    struct archive_message archive;
    fill_archive(&summary, &archive);
    Candor__V1__RollbackShowResponse response = CANDOR__V1__ROLLBACK_SHOW_RESPONSE__INIT;
    response.archive = &archive.archive;
    response.n_records = show.count;
    response.records = show.list;
    response.more = show.more;
    reply(job, &response.base);
    free_show(&show);
}

void cluster_rollback_show(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackShowRequest *request,
                           Candor__V1__RollbackShowResponse_Closure closure, void *closure_data)
{
    submit(service, &request->base, (ProtobufCClosure)closure, closure_data, show);
}

/* ---- Drop ------------------------------------------------------------------------------------ */

static void drop(const struct call_job *job)
{
    const Candor__V1__RollbackDropRequest *request =
        (const Candor__V1__RollbackDropRequest *)job->request;
    struct candor_error err = {0};
    if (archive_drop(job->node->archive_dir, request->id, &err) != CANDOR_OK) {
        fail(job, &err);
        return;
    }
    archives_count(job->node);
    log_warn("rollback_dropped", "id=%s", request->id);
    Candor__V1__RollbackDropResponse response = CANDOR__V1__ROLLBACK_DROP_RESPONSE__INIT;
    reply(job, &response.base);
}

void cluster_rollback_drop(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackDropRequest *request,
                           Candor__V1__RollbackDropResponse_Closure closure, void *closure_data)
{
    submit(service, &request->base, (ProtobufCClosure)closure, closure_data, drop);
}
