/* Fetching a snapshot from the primary, chunk by chunk (R14). The core asks for it and may drop it
 * at any time; a number tells an event of a download that is over from one that counts. */
#include "node/store/download.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "candor/v1/replication.pb-c.h"
#include "core/core.h"
#include "node/shared/bytes.h"
#include "node/shared/event.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/self.h"
#include "node/shared/side_thread.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "state/state.h"
#include "topology/topology.h"
#include "wire/wire.h"

enum { CHUNK_DEADLINE_MS = 2000, PAUSE_MS = 100 };

struct transfer {
    uint64_t number;
    struct candor_node_id peer;
    struct candor_epoch epoch;
    uint64_t least_seq;
    struct rpc_client *client;
    struct state_incoming *incoming;
    XXH3_state_t *hash;
    char name[POS_TEXT_BYTES + 24];
    uint64_t digest;
    uint64_t total;
    uint64_t offset;
    struct candor_pos pos;
    uint32_t failures; /* in a row */
    uint64_t logged_ns;
};

/* ---- Orders from the node thread ------------------------------------------------------------- */

uint64_t download_fetch(struct node *node, struct candor_node_id peer, struct candor_epoch epoch,
                        uint64_t least_seq)
{
    struct download *d = node->download;
    pthread_mutex_lock(&d->side.lock);
    uint64_t number = ++d->number;
    d->wanted = true;
    d->peer = peer;
    d->epoch = epoch;
    d->least_seq = least_seq;
    pthread_cond_signal(&d->side.changed);
    pthread_mutex_unlock(&d->side.lock);
    return number;
}

void download_drop(struct node *node)
{
    struct download *d = node->download;
    pthread_mutex_lock(&d->side.lock);
    d->number++;
    d->wanted = false;
    pthread_cond_signal(&d->side.changed);
    pthread_mutex_unlock(&d->side.lock);
}

/* There is one incoming snapshot at a time, and at most one more that an event of its end
 * brings. */
void download_discard(struct node *node, struct state_incoming *incoming)
{
    struct download *d = node->download;
    pthread_mutex_lock(&d->side.lock);
    ASSERT(d->discard_count < sizeof d->discard / sizeof d->discard[0]);
    d->discard[d->discard_count++] = incoming;
    pthread_cond_signal(&d->side.changed);
    pthread_mutex_unlock(&d->side.lock);
}

static bool is_over(struct node *node, const struct transfer *t)
{
    struct download *d = node->download;
    pthread_mutex_lock(&d->side.lock);
    bool over = d->side.stop || d->number != t->number;
    pthread_mutex_unlock(&d->side.lock);
    return over;
}

/* Ends early when the download is dropped. */
static void pause_a_little(struct node *node, const struct transfer *t)
{
    struct download *d = node->download;
    struct timespec until = side_thread_until(PAUSE_MS * NS_PER_MS);
    pthread_mutex_lock(&d->side.lock);
    while (!d->side.stop && d->number == t->number)
        if (pthread_cond_timedwait(&d->side.changed, &d->side.lock, &until) != 0)
            break;
    pthread_mutex_unlock(&d->side.lock);
}

/* ---- A chunk --------------------------------------------------------------------------------- */

/* NULL: no answer; `*refused` when the primary answered that it will not. */
static Candor__V1__SnapshotResponse *ask(struct node *node, struct transfer *t, bool *refused)
{
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    struct core_header header;
    node_header(node, &view, &header);
    struct wire_header room;
    Candor__V1__SnapshotRequest request = CANDOR__V1__SNAPSHOT_REQUEST__INIT;
    request.header = wire_header(&header, &room);
    request.snapshot = t->name;
    request.offset = t->offset;
    request.least_seq = t->least_seq;
    struct buffer packed = {0};
    candor__v1__snapshot_request__pack(
        &request, buffer_grow(&packed, candor__v1__snapshot_request__get_packed_size(&request)));
    struct rpc_exchange exchange = {.deadline_ms = CHUNK_DEADLINE_MS};
    struct candor_error err = {0};
    uint8_t *bytes = NULL;
    size_t length = 0;
    enum candor_code code =
        rpc_client_call_wait(t->client, "/candor.v1.Replication/Snapshot", buffer_slice(&packed),
                             &exchange, &bytes, &length, NULL, &err);
    buffer_free(&packed);
    Candor__V1__SnapshotResponse *response =
        code == CANDOR_OK ? bounded_unpack(&candor__v1__snapshot_response__descriptor,
                                           slice_of(bytes, length), NULL)
                          : NULL;
    free(bytes);
    struct core_header from;
    if (response != NULL && wire_read_header(response->header, &from, &err) != CANDOR_OK) {
        candor__v1__snapshot_response__free_unpacked(response, NULL);
        return NULL;
    }
    /* R49 */
    *refused = response != NULL && (!response->ok || !epoch_equal(from.epoch, t->epoch) ||
                                    !node_id_equal(from.node, t->peer));
    return response;
}

/* The first chunk names the snapshot; the later ones must be of the same. */
static bool same_snapshot(struct transfer *t, const Candor__V1__SnapshotResponse *response)
{
    struct candor_pos pos;
    struct candor_error err;
    bool sane = wire_read_pos(response->pos, "pos", &pos, &err) == CANDOR_OK && pos.seq > 0 &&
                strlen(response->snapshot) < sizeof t->name && response->snapshot[0] != '\0' &&
                response->total_bytes > 0 && response->total_bytes < WIRE_NUMBER_END;
    if (!sane)
        return false;
    if (t->name[0] != '\0')
        return strcmp(t->name, response->snapshot) == 0 && t->digest == response->digest &&
               t->total == response->total_bytes && pos_equal(t->pos, pos);
    memcpy(t->name, response->snapshot, strlen(response->snapshot) + 1);
    t->digest = response->digest;
    t->total = response->total_bytes;
    t->pos = pos;
    char text[POS_TEXT_BYTES];
    log_info("snapshot_download", "from=%s pos=%s bytes=%" PRIu64, t->peer.text,
             pos_text(pos, text), t->total);
    return true;
}

static void log_progress(struct transfer *t)
{
    uint64_t now_ns = clock_boot_ns();
    if (now_ns - t->logged_ns < NS_PER_S && t->offset < t->total)
        return;
    t->logged_ns = now_ns;
    log_info("snapshot_progress", "bytes=%" PRIu64 " total=%" PRIu64 " percent=%" PRIu64, t->offset,
             t->total, t->offset * 100 / t->total);
}

static enum candor_code take_chunk(struct transfer *t, const Candor__V1__SnapshotResponse *response,
                                   struct candor_error *err)
{
    struct slice chunk = binary_slice(response->chunk);
    if (!same_snapshot(t, response) || chunk.length == 0 || chunk.length > t->total - t->offset)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                                "a chunk that does not belong to the snapshot");
    enum candor_code code = state_incoming_write(t->incoming, chunk, err);
    if (code != CANDOR_OK)
        return code;
    XXH3_64bits_update(t->hash, chunk.bytes, chunk.length);
    t->offset += chunk.length;
    log_progress(t);
    return CANDOR_OK;
}

/* ---- A download ------------------------------------------------------------------------------ */

/* OK: all bytes are here and their digest is right. CANCELLED: dropped. */
static enum candor_code transfer_bytes(struct node *node, struct transfer *t,
                                       struct candor_error *err)
{
    while (t->total == 0 || t->offset < t->total) {
        if (is_over(node, t))
            return CANDOR_CANCELLED;
        bool refused = false;
        Candor__V1__SnapshotResponse *response = ask(node, t, &refused);
        enum candor_code code = CANDOR_OK;
        if (refused) {
            code = candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                                    "%s does not serve it any more", t->peer.text);
        } else if (response == NULL && ++t->failures >= LIMIT_SNAPSHOT_FAILURES) {
            code = candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                                    "%s does not answer", t->peer.text);
        } else if (response == NULL || response->preparing) {
            pause_a_little(node, t);
        } else {
            t->failures = 0;
            code = take_chunk(t, response, err);
        }
        if (response != NULL)
            candor__v1__snapshot_response__free_unpacked(response, NULL);
        if (code != CANDOR_OK)
            return code;
    }
    if (XXH3_64bits_digest(t->hash) != t->digest)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                                "the snapshot's digest is wrong");
    return CANDOR_OK;
}

static enum candor_code finish_snapshot(struct transfer *t, struct node_event *event,
                                        struct candor_error *err)
{
    struct state_position position;
    epoch_history_init(&event->history);
    enum candor_code code = state_incoming_finish(t->incoming, &position, &event->history, err);
    if (code != CANDOR_OK)
        return code;
    if (!pos_equal(position.applied, t->pos))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                                "the snapshot stands elsewhere than the primary said");
    event_tell_state(event, &position);
    event->core.snapshot.code = CANDOR_OK;
    return CANDOR_OK;
}

static const struct topology_node *peer_of(struct node *node, struct candor_node_id id)
{
    const struct topology_node *peer = topology_find(node->topology, id);
    ASSERT(peer != NULL); /* the core knows only nodes of the topology */
    return peer;
}

static enum candor_code begin(struct node *node, struct transfer *t, struct candor_error *err)
{
    enum candor_code code =
        rpc_client_open(peer_of(node, t->peer)->peer, node_message_bytes(node), &t->client, err);
    if (code != CANDOR_OK)
        return code;
    t->hash = memory_given(XXH3_createState());
    XXH3_64bits_reset(t->hash);
    return state_incoming_begin(node->state, &t->incoming, err);
}

static void run(struct node *node, struct transfer *t)
{
    struct candor_error err = {0};
    struct node_event *event = event_new(CORE_EVENT_SNAPSHOT_READY);
    event->download = t->number;
    enum candor_code code = begin(node, t, &err);
    if (code == CANDOR_OK)
        code = transfer_bytes(node, t, &err);
    if (code == CANDOR_OK)
        code = finish_snapshot(t, event, &err);
    if (code == CANDOR_DATA_LOSS)
        node_fatal(node, &err);
    if (code == CANDOR_OK) {
        event->incoming = t->incoming;
        t->incoming = NULL;
    } else {
        event->core.type = CORE_EVENT_SNAPSHOT_FAILED;
        if (code != CANDOR_CANCELLED)
            log_warn("snapshot_failed", "from=%s what=\"%s\"", t->peer.text, err.message);
    }
    if (t->incoming != NULL)
        state_incoming_discard(t->incoming);
    if (t->client != NULL)
        rpc_client_close(t->client);
    XXH3_freeState(t->hash);
    event_push(node, event); /* dropped there when the download is over */
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* Takes the next order; false: stop. What is to be discarded goes first: there is one
 * `incoming/`. */
static bool next_order(struct download *d, struct transfer *t, struct state_incoming **discard)
{
    pthread_mutex_lock(&d->side.lock);
    while (!d->side.stop && !d->wanted && d->discard_count == 0)
        pthread_cond_wait(&d->side.changed, &d->side.lock);
    *discard = d->discard_count > 0 ? d->discard[--d->discard_count] : NULL;
    bool go_on = *discard != NULL || !d->side.stop;
    if (*discard == NULL && go_on) {
        d->wanted = false;
        *t = (struct transfer){
            .number = d->number, .peer = d->peer, .epoch = d->epoch, .least_seq = d->least_seq};
    }
    pthread_mutex_unlock(&d->side.lock);
    return go_on;
}

static void *download_thread(void *closure)
{
    struct node *node = closure;
    struct transfer t;
    struct state_incoming *discard;
    while (next_order(node->download, &t, &discard)) {
        if (discard != NULL)
            state_incoming_discard(discard);
        else
            run(node, &t);
    }
    return NULL;
}

enum candor_code download_start(struct node *node, struct candor_error *err)
{
    return side_thread_start(&node->download->side, "download", download_thread, node, err);
}

void download_stop(struct node *node)
{
    side_thread_stop(&node->download->side);
}

struct download *download_new(void)
{
    struct download *made = memory_zeroed(1, sizeof *made);
    side_thread_init(&made->side);
    return made;
}

void download_free(struct download *download)
{
    side_thread_free(&download->side);
    free(download);
}

void download_discard_rest(struct node *node)
{
    struct download *d = node->download;
    for (uint32_t i = 0; i < d->discard_count; i++)
        state_incoming_discard(d->discard[i]);
    d->discard_count = 0;
}
