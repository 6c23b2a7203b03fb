/* Log and state of a data directory that is locked, opened and made to agree. */
#ifndef NODE_RECOVER_H
#define NODE_RECOVER_H

#include <stdbool.h>

#include <candor/status.h>

struct node;

/* `*fresh`: there was nothing. DATA_LOSS: they contradict each other, or what was promised (R3). */
enum candor_code recover_log_and_state(struct node *node, bool *fresh, struct candor_error *err);

#endif
