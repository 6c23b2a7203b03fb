/* Whether nodes that stand at the same position hold the same data (R58, R59). A position stands
 * for one state: the primary compares the digests that statuses bring with its own, and says in its
 * heartbeats who differs. */
#ifndef CORE_DOUBT_H
#define CORE_DOUBT_H

#include "core/state.h"

/* as primary */
void doubt_opened(struct core *core);
/* true: a majority differs, and this node must not lead */
bool doubt_status(struct core *core, struct peer *peer, const struct core_msg *msg);
/* as primary, of the digest that was noted last: likewise */
bool doubt_noted(struct core *core);
void doubt_tell(const struct core *core, struct core_verdicts *out);
void doubt_verdict(struct core *core, const struct core_verdicts *verdicts);

#endif
