/* A candidate: its rounds, from asking to winning (R22-R24, R28). */
#ifndef CORE_CAMPAIGN_H
#define CORE_CAMPAIGN_H

#include "core/state.h"

bool campaign_peer_votes(const struct core *core, const struct peer *peer);
/* a Status of the present epoch */
void campaign_heard(struct core *core, struct peer *peer);
void campaign_saved(struct core *core);
void campaign_answer(struct core *core, struct peer *peer, uint64_t nonce,
                     const struct core_msg *msg);
/* true: it was one of its calls */
bool campaign_call_failed(struct core *core, uint64_t nonce);
void campaign_peer_lost(struct core *core, struct candor_node_id peer);
void campaign_tick(struct core *core);
uint64_t campaign_wake_ns(const struct core *core);

#endif
