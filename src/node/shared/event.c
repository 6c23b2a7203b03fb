/* What happens, on its way to the node thread. */
#include "node/shared/event.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/queue.h"
#include "core/core.h"
#include "node/shared/node_state.h"
#include "state/state.h"
#include "wire/wire.h"

struct node_event *event_new(enum core_event_type type)
{
    struct node_event *event = memory_zeroed(1, sizeof *event);
    event->core.type = type;
    return event;
}

void event_free(struct node *node, struct node_event *event)
{
    if (event->backlog_bytes > 0)
        atomic_fetch_sub(&node->backlog_bytes, event->backlog_bytes);
    event->backlog_bytes = 0;
    buffer_free(&event->bytes);
    if (event->incoming != NULL)
        state_incoming_discard(event->incoming);
    event->incoming = NULL;
    epoch_history_free(&event->history);
    free(event->members);
    event->members = NULL;
    if (event->embedded)
        return;
    if (event->message != NULL) {
        wire_msg_free(&event->message->msg);
        arena_free(&event->message->memory);
        free(event->message);
    }
    free(event);
}

const struct members *event_members(struct node_event *event, const struct members *members)
{
    event->members = memory_alloc(sizeof *event->members);
    *event->members = *members;
    return event->members;
}

void event_tell_state(struct node_event *event, const struct state_position *position)
{
    event->core.snapshot.pos = position->applied;
    event->core.snapshot.rewinds = position->rewinds;
    event->core.snapshot.digest = position->digest;
    event->core.snapshot.chain = position->chain;
    event->core.snapshot.log_ms = position->log_ms;
    event->core.snapshot.undo_floor = position->undo_floor;
    event->core.snapshot.cluster_id = position->cluster_id;
    event->core.snapshot.history = &event->history;
    event->core.snapshot.members = event_members(event, &position->members);
}

void event_push(struct node *node, struct node_event *event)
{
    if (!queue_push_always(node->events, event))
        event_free(node, event);
}
