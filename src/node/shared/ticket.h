/* A call that the core has to decide, and that is finished exactly once. It lives in its call's
 * memory: made and pushed on the thread that took the call up, in the node thread's hands from
 * then on, and gone with the reply. */
#ifndef NODE_TICKET_H
#define NODE_TICKET_H

#include <stdatomic.h>

#include "node/shared/event.h"
#include "rpc/rpc.h"

struct outcome { /* of a FINISH action */
    enum candor_code code;
    enum candor_reason reason;
    struct candor_pos pos;
    enum candor_ack ack;
    char text[CORE_TEXT_BYTES];
};

struct ticket {
    struct ticket *next; /* the node thread's list of open ones */
    struct ticket *previous;
    struct ticket *next_done;
    struct node *node;
    struct rpc_call *call;
    ProtobufCClosure reply;
    /* Read on an NNG thread, too, when the caller is gone. */
    _Atomic uint64_t serial;
    bool cancellable; /* its wait ends when the caller is gone (R51) */
    bool watched;     /* its connection is */
    struct node_event event;
    /* (node thread) Replies; must not block. Exactly one of the two is called, once. */
    void (*finished)(struct ticket *ticket, const struct outcome *outcome);
    void (*answered)(struct ticket *ticket, const struct core_msg *msg);
    /* (an NNG thread) Its caller is gone; NULL: the core is told, no more. Must not block. */
    void (*gone)(struct ticket *ticket);
    struct outcome outcome;
};

/* Its number in the core: of its newest push. Given once, so that what comes late for it finds
 * nothing. */
static inline uint64_t ticket_number(const struct ticket *ticket)
{
    return atomic_load(&ticket->serial);
}

/* Cleared, in the call's memory; `bytes` is of the struct that begins with the ticket. NULL: there
 * is no memory. */
void *ticket_new(struct node *node, struct rpc_call *call, ProtobufCClosure reply, size_t bytes);
/* From here on it is told when its caller is gone, once. */
void ticket_watch_caller(struct ticket *ticket);
/* Takes a ticket's event; false when the node is stopping or its queue is full, and the caller
 * replies. */
bool ticket_push(struct ticket *ticket);

/* What one thread pushes between begin and end goes to the node thread together, at the end: one
 * hand-over. A ticket for which there is no room then is finished there, OVERLOADED. */
struct ticket_batch {
    struct ticket *first;
    struct ticket **end;
    size_t count;
};
void ticket_batch_begin(struct ticket_batch *batch);
void ticket_batch_end(struct ticket_batch *batch, struct node *node);

#endif
