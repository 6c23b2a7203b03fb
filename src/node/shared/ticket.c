/* Calls on their way into the core: numbered, pushed, cancelled when nobody waits any more. */
#include "node/shared/ticket.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
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
    struct ticket *ticket = closure;
    struct node_event *event = event_new(CORE_EVENT_CANCEL);
    event->core.ticket = ticket_number(ticket);
    event_push(ticket->node, event);
    if (ticket->gone != NULL)
        ticket->gone(ticket);
}

void ticket_watch_caller(struct ticket *ticket)
{
    if (ticket->watched)
        return;
    ticket->watched = true;
    rpc_call_when_gone(ticket->call, caller_gone, ticket);
}

/* This thread's; NULL: what it pushes goes at once. */
static _Thread_local struct ticket_batch *batch_of_thread;

static bool push(struct ticket *ticket)
{
    struct ticket_batch *batch = batch_of_thread;
    if (batch == NULL)
        return queue_push(ticket->node->events, &ticket->event);
    ticket->next_done = NULL;
    *batch->end = ticket;
    batch->end = &ticket->next_done;
    batch->count++;
    return true;
}

bool ticket_push(struct ticket *ticket)
{
    struct node *node = ticket->node;
    uint64_t serial = atomic_fetch_add(&node->last_serial, 1) + 1;
    atomic_store(&ticket->serial, serial);
    ticket->event.core.ticket = serial;
    if (ticket->cancellable) /* before the push: the ticket may be finished right after it */
        ticket_watch_caller(ticket);
    return !atomic_load_explicit(&node->stopping, memory_order_relaxed) && push(ticket);
}

/* ---- Together -------------------------------------------------------------------------------- */

void ticket_batch_begin(struct ticket_batch *batch)
{
    *batch = (struct ticket_batch){.end = &batch->first};
    batch_of_thread = batch;
}

static void refuse(struct ticket *ticket)
{
    struct outcome outcome = {.code = CANDOR_RESOURCE_EXHAUSTED,
                              .reason = CANDOR_REASON_OVERLOADED};
    if (atomic_load(&ticket->node->stopping)) {
        outcome.code = CANDOR_UNAVAILABLE;
        outcome.reason = CANDOR_REASON_SHUTTING_DOWN;
    }
    ticket->finished(ticket, &outcome);
}

void ticket_batch_end(struct ticket_batch *batch, struct node *node)
{
    void *events[LIMIT_BUNDLE_CALLS];
    batch_of_thread = NULL;
    ASSERT_U64(batch->count, <=, LIMIT_BUNDLE_CALLS);
    size_t count = 0;
    for (struct ticket *ticket = batch->first; ticket != NULL; ticket = ticket->next_done)
        events[count++] = &ticket->event;
    if (count == 0 || queue_push_many(node->events, events, count))
        return; /* they may be finished already */
    struct ticket *next;
    for (struct ticket *ticket = batch->first; ticket != NULL; ticket = next) {
        next = ticket->next_done;
        refuse(ticket);
    }
}
