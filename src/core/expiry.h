/* Keys whose time is over: the primary orders their deletes (R69). */
#ifndef CORE_EXPIRY_H
#define CORE_EXPIRY_H

#include "core/state.h"

void expiry_opened(struct core *core);
void expiry_tick(struct core *core);
uint64_t expiry_wake_ns(const struct core *core);
/* The writer has said when the next key ends; 0: none does. */
void expiry_next(struct core *core, const struct core_event *event);
/* It has answered an order. */
void expiry_done(struct core *core, const struct core_event *event);

#endif
