/* What the streams of other nodes bring becomes events (R13). On NNG's threads. */
#include "node/loop/streams.h"

#include "base/buffer.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/queue.h"
#include "core/core.h"
#include "node/shared/event.h"
#include "node/shared/node_state.h"
#include "node/shared/self.h"
#include "stream/stream.h"
#include "topology/topology.h"
#include "wire/wire.h"

/* A replica whose disk lags takes no more records than it has room for; it fetches them later
 * (R13). */
static bool has_room(struct node *node, const struct core_msg *msg)
{
    return msg->type != CORE_MSG_RECORDS ||
           atomic_load(&node->backlog_bytes) + msg->records.batches.length <=
               LIMIT_WRITER_BACKLOG_BYTES;
}

/* What only tells how others stand, or is passed on for others, waits for the next event; whom it
 * concerns has asked for all (core_hears_late()). */
static bool may_wait(const struct node *node, const struct core_msg *msg)
{
    bool asks_me = msg->type == CORE_MSG_STATUS && node_id_equal(msg->status.relay, node->self->id);
    return !asks_me && (msg->type == CORE_MSG_STATUS || msg->type == CORE_MSG_RELAYED_STATUS ||
                        msg->type == CORE_MSG_RELAYED_HEARTBEAT);
}

static void take_stream_event(struct node *node, struct node_event *event)
{
    const struct core_msg *msg = &event->message->msg;
    if (msg->type == CORE_MSG_RECORDS) {
        event->backlog_bytes = msg->records.batches.length;
        atomic_fetch_add(&node->backlog_bytes, event->backlog_bytes);
    }
    bool taken = may_wait(node, msg) ? queue_push_quiet(node->events, event)
                                     : queue_push(node->events, event);
    if (!taken)
        event_free(node, event);
}

/* On an NNG thread. */
static void stream_received(void *closure, struct candor_node_id peer, enum stream_channel channel,
                            struct slice bytes)
{
    (void)channel;
    struct node *node = closure;
    struct node_event *event = event_new(CORE_EVENT_STREAM);
    event->message = memory_alloc(sizeof *event->message);
    arena_init(&event->message->memory, 0);
    struct core_msg *msg = &event->message->msg;
    struct candor_error err = {0};
    if (wire_stream_unpack(bytes, &event->message->memory, msg, &err) != CANDOR_OK) {
        log_debug("malformed_message", "from=%s what=\"%s\"", peer.text, err.message);
        msg->type = CORE_MSG_STATUS; /* nothing of it needs freeing */
        event_free(node, event);
        return;
    }
    event->core.msg = msg;
    event->core.peer = peer;
    if (has_room(node, msg))
        take_stream_event(node, event);
    else
        event_free(node, event);
}

static void stream_connected(void *closure, struct candor_node_id peer, bool up)
{
    struct node *node = closure;
    if (up)
        return;
    struct node_event *event = event_new(CORE_EVENT_PEER_LOST);
    event->core.peer = peer;
    if (!queue_push(node->events, event))
        event_free(node, event);
}

enum candor_code streams_open(struct node *node, struct candor_error *err)
{
    struct stream_options options = {
        .records_address = node->self->stream,
        .heartbeat_address = node->self->heartbeat,
        .message_bytes = node_message_bytes(node),
        .received = stream_received,
        .connected = stream_connected,
        .closure = node,
    };
    enum candor_code code = stream_open(&options, &node->stream, err);
    for (uint32_t i = 0; i < node->topology->node_count && code == CANDOR_OK; i++) {
        const struct topology_node *peer = &node->topology->nodes[i];
        if (peer != node->self)
            code = stream_subscribe(node->stream, peer->id, peer->stream, peer->heartbeat, err);
    }
    return code;
}
