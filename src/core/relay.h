/* What nodes pass on for each other when a single link is lost (R72, R73), and what that tells of
 * who is cut off (R74). */
#ifndef CORE_RELAY_H
#define CORE_RELAY_H

#include "core/state.h"

/* A new epoch is followed, or a node is born: until something is known of the way, it is taken to
 * be open. */
void relay_begins(struct core *core);

/* At a replica: asks another node to relay, one after another, or nobody any more. */
void relay_choose(struct core *core);
uint64_t relay_wake_ns(const struct core *core);
/* Who is asked for records and attached with: the primary, or who relays. */
struct candor_node_id relay_source(const struct core *core);
bool relay_is_used(const struct core *core);
/* Who was asked has passed on something of the primary's. */
void relay_passed(struct core *core);

/* What this node's own status says. */
enum core_hearing relay_hearing(const struct core *core);
void relay_missed(const struct core *core, struct core_missed *out);
/* ... and what another one's says */
void relay_hears(const struct core *core, struct peer *peer, const struct core_missed *missed);

/* A status came, or a heartbeat of the primary itself: what of it others have asked for is passed
 * on at once, or never. */
void relay_status(struct core *core, struct peer *peer, const struct core_msg *msg);
void relay_heartbeat(struct core *core, const struct core_msg *msg);
/* Whether somebody counts on statuses and heartbeats being passed on. */
bool relay_serves(const struct core *core);

#endif
