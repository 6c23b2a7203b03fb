/* Taking back what lost, and taking over a snapshot. (writer, with its checkpoint lock free) */
#ifndef NODE_ROLLBACK_H
#define NODE_ROLLBACK_H

struct node;
struct work;

void rollback_truncate(struct node *node, struct work *work);
void rollback_install(struct node *node, struct work *work);

#endif
