/* Checkpoints, served to replicas chunk by chunk (R14): what peers read is read by the lenders. */
#include "node/serve/snapshot_service.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/types.h"
#include "candor/v1/replication.pb-c.h"
#include "core/core.h"
#include "disk/disk.h"
#include "node/serve/call_job.h"
#include "node/serve/reply.h"
#include "node/shared/node_state.h"
#include "node/shared/self.h"
#include "node/shared/view.h"
#include "node/store/snapshot.h"
#include "rpc/rpc.h"
#include "wire/wire.h"

/* Fills the answer; false: nothing usable is served. */
static bool fill_chunk(struct node *node, const struct snapshot_source *source, uint64_t offset,
                       uint8_t *chunk, Candor__V1__SnapshotResponse *response)
{
    if (source->fd < 0)
        return false;
    uint64_t left = saturating_sub(source->bytes, offset);
    size_t wanted = (size_t)min_u64(left, LIMIT_SNAPSHOT_CHUNK_BYTES);
    size_t got = 0;
    int failed = disk_read(source->fd, chunk, wanted, offset, &got);
    close(source->fd);
    if (failed != 0 || got != wanted) {
        log_warn("snapshot_not_served", "what=\"reading the checkpoint failed\"");
        snapshots_withdraw(node, source->name);
        return false;
    }
    response->ok = true;
    response->total_bytes = source->bytes;
    response->digest = source->digest;
    response->chunk = (ProtobufCBinaryData){.len = got, .data = chunk};
    return true;
}

static void serve_chunk(const struct call_job *job)
{
    struct node *node = job->node;
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    struct core_header header;
    struct wire_header header_room;
    struct wire_pos pos_room;
    Candor__V1__SnapshotResponse response = CANDOR__V1__SNAPSHOT_RESPONSE__INIT;
    node_header(node, &view, &header);
    response.header = wire_header(&header, &header_room);
    uint8_t *chunk = memory_alloc(LIMIT_SNAPSHOT_CHUNK_BYTES);

    const Candor__V1__SnapshotRequest *request = (const Candor__V1__SnapshotRequest *)job->request;
    struct snapshot_source source =
        snapshots_source(node, request->snapshot, request->least_seq, view.epoch);
    if (fill_chunk(node, &source, request->offset, chunk, &response)) {
        response.snapshot = source.name;
        response.pos = wire_pos(&source.pos, &pos_room);
    } else if (request->snapshot[0] == '\0' && request->least_seq <= view.applied) {
        snapshots_want(node, request->least_seq);
        response.ok = response.preparing = true;
    }
    struct reply_room room;
    reply_freshness(job->call, &view, view.applied, &(struct candor_pos){0}, &room);
    job->reply(&response.base, job->call);
    free(chunk);
}

static void refuse(struct node *node, const struct core_view *view, ProtobufCClosure reply,
                   struct rpc_call *call)
{
    struct core_header header;
    struct wire_header room;
    struct reply_room reply_room;
    Candor__V1__SnapshotResponse response = CANDOR__V1__SNAPSHOT_RESPONSE__INIT;
    node_header(node, view, &header);
    response.header = wire_header(&header, &room);
    reply_freshness(call, view, view->applied, &(struct candor_pos){0}, &reply_room);
    reply(&response.base, call);
}

void snapshot_serve(struct node *node, const Candor__V1__SnapshotRequest *request,
                    ProtobufCClosure reply, struct rpc_call *call)
{
    struct core_header from;
    struct candor_error err = {0};
    if (wire_read_header(request->header, &from, &err) != CANDOR_OK) {
        reply_fail_now(node, call, err.code, err.reason, err.message);
        return;
    }
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    bool mine = view.role == CANDOR_ROLE_PRIMARY && from.config_hash == node->config_hash &&
                from.cluster_id == view.cluster_id && epoch_equal(from.epoch, view.epoch);
    if (!mine) {
        refuse(node, &view, reply, call);
        return;
    }
    call_job_push(&node->lenders, node, serve_chunk, &request->base, reply, call);
}
