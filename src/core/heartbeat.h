/* What the primary sends by itself: heartbeats, and with them and with records the evidence of
 * freshness (R9, R36). */
#ifndef CORE_HEARTBEAT_H
#define CORE_HEARTBEAT_H

#include "core/state.h"

/* a Status came */
void heartbeat_sample(struct core *core, struct peer *peer, uint64_t ts_ns);
/* `peer` says that it has heard the heartbeat, by whichever way */
void heartbeat_seen(const struct core *core, struct peer *peer, uint64_t hb_id);
/* a relay has passed on what it says of a Status of `peer` */
void heartbeat_sample_relayed(struct core *core, struct peer *peer, const struct core_msg *msg);
void heartbeat_publish_records(struct core *core, struct slice batches);
void heartbeat_tick(struct core *core);
uint64_t heartbeat_wake_ns(const struct core *core);

#endif
