/* What the core decided, done. (node thread) */
#ifndef NODE_ACTIONS_H
#define NODE_ACTIONS_H

#include "core/core.h"

struct node;

void actions_perform(struct node *node, const struct core_action *action);
/* Of many COMMITs the newest, at the end of a batch. */
void actions_give_commit(struct node *node);

#endif
