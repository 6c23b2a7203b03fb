/* Attaching to an epoch: how this node's log relates to the primary's (R11, R12, R15, R56). */
#ifndef CORE_ATTACH_H
#define CORE_ATTACH_H

#include "core/state.h"

bool attach_may(const struct core *core);
void attach_ask(struct core *core);
void attach_answer(struct core *core, const struct core_msg *msg);
void attach_truncated(struct core *core, const struct core_event *event);
void attach_accept_history(struct core *core, const struct core_event *event);
void attach_tick(struct core *core);
/* another replica asks, whose link to the primary is lost (R75) */
void attach_compare(struct core *core, const struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg);

#endif
