/* Changes of role, and of the epoch: follower, primary, deposed. What belonged to the old one is
 * forgotten here. */
#ifndef CORE_BECOME_H
#define CORE_BECOME_H

#include "core/state.h"

void become_adopt(struct core *core, struct candor_epoch epoch);
void become_follower(struct core *core, const char *why);
/* the vote is won: hand EPOCH_START to the writer */
void become_opening(struct core *core);
void become_primary(struct core *core, uint64_t first_seq);
#ifdef CORE_MUTABLE
/* breaks R5 */
void become_continue(struct core *core);
#endif

#endif
