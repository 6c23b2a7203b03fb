/* What happens, on its way to the node thread: a message of a peer, an answer of the writer, a
 * call of a client. Any thread makes and pushes one; the node thread takes them in the order in
 * which they were pushed. */
#ifndef NODE_EVENT_H
#define NODE_EVENT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "core/core.h"
#include "state/state.h"

struct node;
struct ticket;

struct event_message {
    struct core_msg msg;
    struct arena memory; /* its slices point into it */
};

/* Anything that happened, on its way to the node thread. Owns what it points to; event_free() gives
 * it back. */
struct node_event {
    struct core_event core;
    struct ticket *ticket; /* the event is part of it, and begins its life in the core */
    bool embedded;         /* part of something else: not freed by itself */
    bool drained; /* not the core's: the writer has done all that came before the shutdown */
    bool stop;    /* not the core's: shut down */
    struct event_message *message;
    struct buffer bytes; /* or msg's or core's slices into this */
    struct epoch_history history;
    struct members *members;         /* event_members() */
    struct state_incoming *incoming; /* of a SNAPSHOT_READY */
    uint64_t download;               /* number of the download */
    size_t backlog_bytes;            /* counted in node->backlog_bytes */
};

struct node_event *event_new(enum core_event_type type); /* malloc'd, cleared */
void event_free(struct node *node, struct node_event *event);
/* A copy that the event owns. Few events need one, and it is large. */
const struct members *event_members(struct node_event *event, const struct members *members);
/* Of a SNAPSHOT_READY or INSTALLED: what that state stands at. Its history is in the event
 * already. */
void event_tell_state(struct node_event *event, const struct state_position *position);
/* For completions: always taken. Frees the event when the node thread has ended. */
void event_push(struct node *node, struct node_event *event);

#endif
