/* Whose data directory it is (R61). */
#ifndef NODE_IDENTITY_H
#define NODE_IDENTITY_H

#include <stdbool.h>

#include <candor/status.h>

struct node;

/* `*rebooted`: the machine went down under a running node, or may have, and what was not synced may
 * be gone. FAILED_PRECONDITION: another node's directory, or of a cluster of another name. */
enum candor_code identity_load(struct node *node, bool *fresh, bool *rebooted,
                               struct candor_error *err);
/* Durable before anything is sent: what a former life said no longer counts (R8). A crash may have
 * come between a forced EPOCH_START and the hard state (R28). */
enum candor_code identity_begin_life(struct node *node, struct candor_error *err);
/* (writer) From the next start on it is another disk: to be saved. */
void identity_renew(struct node *node);

#endif
