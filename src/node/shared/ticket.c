/* Calls on their way into the core: numbered, pushed, cancelled when nobody waits any more. */
#include "node/shared/ticket.h"

#include <string.h>

#include "base/assert.h"
#include "base/queue.h"
#include "core/core.h"
#include "node/shared/event.h"
#include "node/shared/node_state.h"
#include "rpc/rpc.h"

void *ticket_new(struct node *node, struct rpc_call *call, ProtobufCClosure reply, size_t bytes)
{
    ASSERT(bytes >= sizeof(struct ticket));
    struct ticket *ticket = rpc_call_alloc(call, bytes);
    if (ticket == NULL)
        return NULL;
    memset(ticket, 0, bytes);
    ticket->node = node;
    ticket->call = call;
    ticket->reply = reply;
    ticket->event.embedded = true;
    ticket->event.ticket = ticket;
    return ticket;
}

/* On an NNG thread, or on the one that asked. The ticket lives: no call is finished before this has
 * returned. */
static void caller_gone(struct rpc_call *call, void *closure)
{
    (void)call;
    const struct ticket *ticket = closure;
    struct node_event *event = event_new(CORE_EVENT_CANCEL);
    event->core.ticket = ticket_number(ticket);
    event_push(ticket->node, event);
}

bool ticket_push(struct ticket *ticket)
{
    struct node *node = ticket->node;
    uint64_t serial = atomic_fetch_add(&node->last_serial, 1) + 1;
    atomic_store(&ticket->serial, serial);
    ticket->event.core.ticket = serial;
    if (ticket->cancellable && !ticket->watched) {
        ticket->watched = true; /* before the push: the ticket may be finished right after it */
        rpc_call_when_gone(ticket->call, caller_gone, ticket);
    }
    return !atomic_load_explicit(&node->stopping, memory_order_relaxed) &&
           queue_push(node->events, &ticket->event);
}
