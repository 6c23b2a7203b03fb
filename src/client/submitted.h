/* Operations that nobody waits for (candor/async.h). submit.c takes them, and delivers what they
 * gave; agenda.c is the thread that goes on with them; line.c has those wait that are too many for
 * one node; account.c counts what a client has in flight; completions.c is what programs take from.
 *
 * Locks: the client's for agenda and lines; a queue's own. Neither is taken under the other. */
#ifndef CLIENT_SUBMITTED_H
#define CLIENT_SUBMITTED_H

#include <candor/async.h>

#include "client/internal.h"

struct submitted {
    struct operation operation; /* first: the host gets a pointer to it */
    struct candor_result result;
    struct candor_sink sink;
    struct account *account;
    size_t bytes;    /* that it counts for there */
    uint32_t number; /* in the agenda */
    /* In its connection's line, or (next alone) in a queue. */
    struct submitted *next;
    struct submitted *previous;
};

/* It has been delivered: gives back what it counts for, and its memory, the result's too. */
void submitted_free(struct submitted *submitted);

/* account.c: any thread. Outlives the client while results wait in queues. */
struct account *account_new(uint32_t operations, size_t bytes); /* NULL: there is no memory */
void account_release(struct account *account);
/* False, with the error: it is full. What comes alone has room, however large it is. */
bool account_take(struct account *account, size_t bytes, struct candor_error *err);
void account_grow(struct account *account, size_t bytes);
void account_give(struct account *account, size_t bytes);

/* agenda.c: of one client; what is submitted and not delivered yet. */
/* False, with the error: the client is being closed, or there is no memory or thread. */
bool agenda_enter(struct candor_client *client, struct submitted *submitted,
                  struct candor_error *err);
void agenda_leave(struct candor_client *client, uint32_t number);
/* Has the agenda's thread go on with it at its operation's resume_ns. It may be gone then. */
void agenda_put(struct submitted *submitted);
/* Likewise, under the client's lock. */
void agenda_put_locked(struct submitted *submitted);
void agenda_remove_locked(struct submitted *submitted);
/* Ends what is in flight, and returns when all of it has been delivered. Not in a child of fork().
 */
void agenda_close(struct candor_client *client);
void agenda_free(struct candor_client *client);

/* line.c, under the client's lock */
void line_remove(struct connection *connection, struct submitted *submitted);

/* completions.c */
/* False, with the error: it is another process's. The queue stays until completions_push(), or
 * completions_withdraw(). */
bool completions_expect(struct candor_queue *queue, struct candor_error *err);
void completions_withdraw(struct candor_queue *queue);
void completions_push(struct candor_queue *queue, struct submitted *submitted);

#endif
