/* What became of a session whose position was rolled back (R44). */
#ifndef NODE_LOST_H
#define NODE_LOST_H

#include "node/shared/ticket.h"

/* (slow) Fails the ticket of a session whose token was rolled back, and names the archive that has
 * it. */
void lost_reply(struct ticket *ticket, struct candor_pos token);

#endif
