/* How many rollback archives there are, for Status. Any thread. */
#ifndef NODE_ARCHIVES_H
#define NODE_ARCHIVES_H

struct node;

void archives_count(struct node *node);

#endif
