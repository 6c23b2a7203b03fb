/* Voting for others (R23), and standing because the primary asks (R26). */
#ifndef CORE_VOTE_H
#define CORE_VOTE_H

#include "core/state.h"

void vote_request(struct core *core, struct peer *peer, uint64_t ticket,
                  const struct core_msg *msg);
void vote_saved(struct core *core);
void vote_transfer_request(struct core *core, struct peer *peer, uint64_t ticket,
                           const struct core_msg *msg);

#endif
