/* The calls that wait in the core, by number. (node thread) */
#ifndef NODE_TICKETS_H
#define NODE_TICKETS_H

#include "core/core.h"
#include "node/shared/ticket.h"

struct ticket *tickets_find(const struct node *node, uint64_t number); /* it is there */
void tickets_open(struct node *node, struct ticket *ticket);
/* Actions FINISH and ANSWER. */
void tickets_finish(struct node *node, const struct core_action_finish *finish);
void tickets_answer(struct node *node, const struct core_action_answer *answer);
/* One that was not opened, or all that are open. */
void tickets_fail_shutting_down(struct node *node, struct ticket *ticket);
void tickets_fail_open(struct node *node);
/* To those that are finished; when the view is published. */
void tickets_reply(struct node *node);

#endif
