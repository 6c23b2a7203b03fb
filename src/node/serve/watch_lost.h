/* A watch whose position was rolled back (R41, R44). */
#ifndef NODE_WATCH_LOST_H
#define NODE_WATCH_LOST_H

#include "node/serve/watch_page.h"
#include "node/shared/ticket.h"

/* (slow) Fails the ticket as ROLLED_BACK: from where on, and what was taken back, as far as this
 * node has archived it. `anew`: there is no going on, since the present state was being told. */
void watch_lost_reply(struct ticket *ticket, const struct watch_filter *filter, bool anew);

#endif
