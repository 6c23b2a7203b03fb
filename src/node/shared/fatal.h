/* The end of a node that cannot go on. Any thread. */
#ifndef NODE_FATAL_H
#define NODE_FATAL_H

#include <candor/status.h>

struct node;

_Noreturn void node_fatal(struct node *node, const struct candor_error *err); /* R3 */
/* A read of the state failed; its call was answered. Does not return when what is stored is
 * damaged. */
void node_state_failed(struct node *node, const struct candor_error *err);

#endif
