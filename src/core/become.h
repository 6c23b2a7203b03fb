/* Changes of role, and of the epoch: candidate, primary, deposed. What belonged to the old one is
 * forgotten here. Nothing else assigns `phase`. */
#ifndef CORE_BECOME_H
#define CORE_BECOME_H

#include "core/state.h"

void become_adopt(struct core *core, struct candor_epoch epoch);
/* a step of a round: PHASE_PROBING, PHASE_PROMISING, PHASE_VOTING, in this order */
void become_candidate(struct core *core, enum phase step);
/* the round ends, if there is one; the wish to become primary stays */
void become_withdrawn(struct core *core);
/* no primary any more */
void become_follower(struct core *core, const char *why);
/* the vote is won: hand EPOCH_START to the writer */
void become_opening(struct core *core);
void become_primary(struct core *core, uint64_t first_seq);
#ifdef CORE_MUTABLE
/* breaks R5 */
void become_continue(struct core *core);
#endif

#endif
