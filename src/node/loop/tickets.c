/* The calls that wait in the core, each finished exactly once. */
#include "node/loop/tickets.h"

#include <string.h>

#include "base/assert.h"
#include "base/serials.h"
#include "core/core.h"
#include "node/loop/loop_state.h"
#include "node/shared/node_state.h"
#include "node/shared/ticket.h"

struct ticket *tickets_find(const struct node *node, uint64_t number)
{
    uint64_t value = 0;
    bool found = serials_find(&node->loop->tickets, number, &value);
    ASSERT(found);
    return (struct ticket *)(uintptr_t)value;
}

void tickets_open(struct node *node, struct ticket *ticket)
{
    serials_put(&node->loop->tickets, ticket_number(ticket), (uint64_t)(uintptr_t)ticket);
    ticket->previous = NULL;
    ticket->next = node->loop->open;
    if (node->loop->open != NULL)
        node->loop->open->previous = ticket;
    node->loop->open = ticket;
    atomic_fetch_add(&node->open_count, 1);
}

static void close_ticket(struct node *node, struct ticket *ticket)
{
    bool found = serials_take(&node->loop->tickets, ticket_number(ticket), NULL);
    ASSERT(found);
    if (ticket->previous != NULL)
        ticket->previous->next = ticket->next;
    else
        node->loop->open = ticket->next;
    if (ticket->next != NULL)
        ticket->next->previous = ticket->previous;
    atomic_fetch_sub(&node->open_count, 1);
}

/* Replied to once the view that tells of it is published: the reply's freshness then knows of it,
 * too. */
static void finish_later(struct node *node, struct ticket *ticket)
{
    ticket->next_done = NULL;
    *node->loop->done_end = ticket;
    node->loop->done_end = &ticket->next_done;
}

void tickets_finish(struct node *node, const struct core_action_finish *finish)
{
    struct ticket *ticket = tickets_find(node, finish->ticket);
    close_ticket(node, ticket);
    ticket->outcome.code = finish->code;
    ticket->outcome.reason = finish->reason;
    ticket->outcome.pos = finish->pos;
    ticket->outcome.ack = finish->ack;
    memcpy(ticket->outcome.text, finish->text, strlen(finish->text) + 1);
    if (finish->code == CANDOR_CANCELLED)
        atomic_fetch_add_explicit(&node->cancelled, 1, memory_order_relaxed);
    finish_later(node, ticket);
}

void tickets_answer(struct node *node, const struct core_action_answer *answer)
{
    struct ticket *ticket = tickets_find(node, answer->ticket);
    ASSERT(ticket->answered != NULL);
    close_ticket(node, ticket);
    ticket->answered(ticket, answer->msg);
}

void tickets_fail_shutting_down(struct node *node, struct ticket *ticket)
{
    ticket->outcome.code = CANDOR_UNAVAILABLE;
    ticket->outcome.reason = CANDOR_REASON_SHUTTING_DOWN;
    finish_later(node, ticket);
}

void tickets_fail_open(struct node *node)
{
    while (node->loop->open != NULL) {
        struct ticket *ticket = node->loop->open;
        close_ticket(node, ticket);
        tickets_fail_shutting_down(node, ticket);
    }
}

void tickets_reply(struct node *node)
{
    struct ticket *ticket = node->loop->done;
    node->loop->done = NULL;
    node->loop->done_end = &node->loop->done;
    while (ticket != NULL) {
        struct ticket *next = ticket->next_done; /* the reply frees the ticket */
        ticket->finished(ticket, &ticket->outcome);
        ticket = next;
    }
}
