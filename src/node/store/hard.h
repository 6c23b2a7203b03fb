/* What the node promises, made durable before it is said. (writer) */
#ifndef NODE_HARD_H
#define NODE_HARD_H

#include <stdbool.h>

struct node;
struct work;

/* Saves writer.hard. False: there is no room and the node is stopping; nothing was promised. */
bool hard_save(struct node *node);
/* Works SAVE, KEEP_LIVES, RENEW. */
void hard_take(struct node *node, const struct work *work);
void hard_keep_lives(struct node *node, const struct work *work);
void hard_renew(struct node *node, const struct work *work);

#endif
