/* Which records above the commit say LOCAL: what a failover may take back although a client was
 * told that it is done (R42). It goes by what the log says, so records of a former primary count as
 * one's own, and a count of the log agrees with this one. */
#ifndef CORE_RISK_H
#define CORE_RISK_H

#include "core/state.h"

/* they are in the log now */
void risk_note(struct core *core, struct slice batches);
/* commit has grown */
void risk_committed(struct core *core);
/* last has fallen */
void risk_cut(struct core *core);
uint64_t risk_count(const struct core *core);

#endif
