/* Lines of the log about what an operator watches for: that this node's state changes (FRESH, STALE
 * ...), and with it that its primary is lost or found, and that nodes do not know each other. Few
 * lines, whatever happens: a node that flaps says so in one of them, with how often. */
#ifndef CORE_NOTICE_H
#define CORE_NOTICE_H

#include "core/state.h"

void notice_tick(struct core *core);
/* a request came from it */
void notice_unknown(struct core *core, const struct core_header *header);
/* refused once more */
void notice_not_attached(struct core *core);

#endif
