/* A data directory, opened and closed. Whoever opens and closes the node. */
#ifndef NODE_OPEN_H
#define NODE_OPEN_H

#include "core/core.h"

struct node;

enum candor_code node_recover(struct node *node, struct core_boot *boot, struct core_lives *lives,
                              struct epoch_history *history, struct members *members,
                              struct seq_bits *local, struct candor_error *err);
void node_close_disk(struct node *node, bool clean);

#endif
