/* What a majority of the voters has reached: the confirmed heartbeat, and the commit
 * (docs/protocol.md §5, §7). */
#ifndef CORE_COMMIT_H
#define CORE_COMMIT_H

#include "core/state.h"

/* R31: after a heartbeat was answered, or sent */
void commit_confirm(struct core *core);
uint64_t commit_lowest_match(const struct core *core);
/* R16: after anything it depends on has grown */
void commit_advance(struct core *core);
void commit_learn(struct core *core, uint64_t announced);

#endif
