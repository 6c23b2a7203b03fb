/* What became of a session whose position was rolled back (R44). */
#ifndef NODE_LOST_H
#define NODE_LOST_H

#include "node/shared/ticket.h"
#include "state/archive.h"

/* (slow) Fails the ticket of a session whose token, or of a call whose write, was rolled back, and
 * names the archive that has it. */
void lost_reply(struct ticket *ticket, struct candor_pos token);

/* (slow) The archive of this node that holds the record at `token`; false: it has none. */
bool lost_archive(struct node *node, struct candor_pos token, struct archive_summary *out);

#endif
