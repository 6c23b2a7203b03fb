/* Whether and when this node stands for election (R22, R24). */
#ifndef CORE_STAND_H
#define CORE_STAND_H

#include "core/state.h"

bool stand_under_way(const struct core *core);
bool stand_by_timer(const struct core *core);
uint64_t stand_timer_ns(struct core *core);
/* after anything that changes whether and when to stand: the flush plans anew, once */
void stand_plan(struct core *core);
void stand_settle(struct core *core);
/* not by a plan, but then; UINT64_MAX: not at all */
void stand_at(struct core *core, uint64_t due_ns);
bool stand_is_of_generation(const struct core *core);
bool stand_may(const struct core *core);
uint64_t stand_begins_ns(const struct core *core);
/* EPOCH_START */
void stand_not_stored(struct core *core, const struct core_event *event);
void stand_opened(struct core *core);

#endif
