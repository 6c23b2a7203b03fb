/* Snapshots at a replica (R14). */
#ifndef CORE_RESYNC_H
#define CORE_RESYNC_H

#include "core/state.h"

void resync_fetch(struct core *core, uint64_t least_seq);
/* in place of sound records; false: not now */
bool resync_take(struct core *core);
void resync_ready(struct core *core, const struct core_event *event);
void resync_failed(struct core *core);
void resync_installed(struct core *core, const struct core_event *event);

#endif
