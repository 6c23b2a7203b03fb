/* Who counts: admission of disks (R4), and voters added and removed by operators (R29). */
#ifndef CORE_VOTERS_H
#define CORE_VOTERS_H

#include "core/state.h"

void voters_set(struct core *core, const struct core_event *event);
void voters_tick(struct core *core);
/* of MEMBERS: nothing was changed */
void voters_not_stored(struct core *core, const struct core_event *event);
void voters_deposed(struct core *core);

#endif
