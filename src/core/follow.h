/* Following a primary: when it begins anew, and when it ends. */
#ifndef CORE_FOLLOW_H
#define CORE_FOLLOW_H

#include "core/state.h"

void follow_detach(struct core *core);
/* a new epoch: attached to nobody, nothing proven (R37) */
void follow_reset(struct core *core);
void follow_retry(struct core *core);
void follow_fork_ends(struct core *core);
void follow_withdraw_consent(struct core *core);
void follow_fork(struct core *core, uint64_t common);
void follow_heard_directly(struct core *core, uint64_t hb_id);
void follow_heard(struct core *core, uint64_t hb_id);

#endif
