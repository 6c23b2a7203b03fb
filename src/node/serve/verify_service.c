/* Digests of what is stored in a range of keys, for `kvctl verify` (R60): read from the bytes at
 * hand, each compared with its check, by the slow pool, a bounded piece a call. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/types.h"
#include "candor/v1/cluster.pb-c.h"
#include "core/core.h"
#include "node/serve/call_job.h"
#include "node/serve/cluster.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/bytes.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "state/digest.h"
#include "state/state.h"
#include "wire/wire.h"

/* What has been read of the range. */
struct piece {
    uint64_t most_entries;
    uint64_t bytes;
    struct state_digest sum;
    uint64_t entries;
    uint8_t next[LIMIT_KEY_BYTES]; /* where the piece ended; length 0: the range has */
    size_t next_length;
    /* NULL: entries are summed alone. */
    Candor__V1__EntryDigest *listed;
    Candor__V1__EntryDigest **list;
};

static void list_entry(struct piece *piece, const struct state_item *item, uint64_t check)
{
    Candor__V1__EntryDigest *entry = &piece->listed[piece->entries];
    candor__v1__entry_digest__init(entry);
    uint8_t *key = memory_alloc(item->key.length);
    memcpy(key, item->key.bytes, item->key.length);
    entry->key = (ProtobufCBinaryData){.len = item->key.length, .data = key};
    entry->mod_seq = item->mod_seq;
    entry->check = check;
    piece->list[piece->entries] = entry;
}

static bool add_entry(const struct state_item *item, void *closure)
{
    struct piece *piece = closure;
    if (piece->entries == piece->most_entries || piece->bytes > LIMIT_VERIFY_BYTES) {
        memcpy(piece->next, item->key.bytes, item->key.length);
        piece->next_length = item->key.length;
        return false;
    }
    struct state_digest hash = state_item_hash(item);
    digest_add(&piece->sum, hash);
    if (piece->listed != NULL)
        list_entry(piece, item, hash.low);
    piece->entries++;
    piece->bytes += item->key.length + item->value.length;
    return true;
}

static void piece_init(struct piece *piece, const Candor__V1__RangeDigestRequest *request)
{
    uint64_t most = request->entries ? LIMIT_VERIFY_LISTED : LIMIT_VERIFY_ENTRIES;
    *piece = (struct piece){.most_entries = most};
    if (request->max_entries > 0)
        piece->most_entries = min_u64(most, request->max_entries);
    if (!request->entries)
        return;
    piece->listed = memory_zeroed(piece->most_entries, sizeof *piece->listed);
    piece->list = memory_zeroed(piece->most_entries, sizeof(Candor__V1__EntryDigest *));
}

static void piece_free(struct piece *piece)
{
    for (uint64_t i = 0; piece->listed != NULL && i < piece->entries; i++)
        free(piece->listed[i].key.data);
    free(piece->listed);
    free(piece->list);
}

static void send(const struct call_job *job, struct piece *piece, struct candor_pos applied)
{
    struct core_view view;
    struct reply_room room;
    struct wire_pos pos_room;
    Candor__V1__RangeDigestResponse response = CANDOR__V1__RANGE_DIGEST_RESPONSE__INIT;
    response.applied = wire_pos(&applied, &pos_room);
    response.entries = piece->entries;
    response.digest_high = piece->sum.high;
    response.digest_low = piece->sum.low;
    response.next = (ProtobufCBinaryData){.len = piece->next_length, .data = piece->next};
    response.more = piece->next_length > 0;
    response.n_listed = piece->listed != NULL ? piece->entries : 0;
    response.listed = piece->list;
    view_read_without_peers(&job->node->view, &view);
    reply_freshness(job->call, &view, applied.seq, &(struct candor_pos){0}, &room);
    job->reply(&response.base, job->call);
}

static void serve(const struct call_job *job)
{
    const Candor__V1__RangeDigestRequest *request =
        (const Candor__V1__RangeDigestRequest *)job->request;
    struct candor_error err = {0};
    struct piece piece;
    piece_init(&piece, request);
    struct state_scan scan = {.start = binary_slice(request->start),
                              .end = binary_slice(request->end)};
    struct state_view *view = state_view_begin(job->node->state);
    state_scan(view, &scan, add_entry, &piece);
    struct candor_pos applied = state_view_applied(view);
    enum candor_code code = state_view_check(view, &err);
    state_view_end(view);
    if (code == CANDOR_OK) {
        send(job, &piece, applied);
    } else {
        reply_fail_now(job->node, job->call, err.code, err.reason, err.message);
        node_state_failed(job->node, &err);
    }
    piece_free(&piece);
}

void cluster_range_digest(Candor__V1__Cluster_Service *service,
                          const Candor__V1__RangeDigestRequest *request,
                          Candor__V1__RangeDigestResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    if (request->start.len > LIMIT_KEY_BYTES || request->end.len > LIMIT_KEY_BYTES + 1) {
        reply_fail_now(node, closure_data, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                       "start, end: longer than a key can be");
        return;
    }
    call_job_push(&node->slow, node, serve, &request->base, (ProtobufCClosure)closure,
                  closure_data);
}
