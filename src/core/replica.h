/* A replica between heartbeats: what it hears, says, and asks for. */
#ifndef CORE_REPLICA_H
#define CORE_REPLICA_H

#include "core/state.h"

void replica_heartbeat(struct core *core, const struct core_msg *msg);
/* a heartbeat that `peer` has passed on */
void replica_relayed(struct core *core, const struct peer *peer, const struct core_msg *msg);
/* the hard state is stored */
void replica_saved(struct core *core);
void replica_tick(struct core *core);
uint64_t replica_wake_ns(const struct core *core);
void replica_call_failed(struct core *core, uint64_t nonce);

#endif
