/* Who is who, and how this node stands: asked by all, changing nothing. */
#ifndef CORE_WHO_H
#define CORE_WHO_H

#include "core/state.h"

struct peer *who_peer(struct core *core, struct candor_node_id id);
struct candor_pos who_durable_pos(const struct core *core);
/* At a primary: how far others can have its records. Beyond durable they count for nothing here
 * (R68). */
uint64_t who_published(const struct core *core);
/* holds nothing and belongs to nothing */
bool who_is_blank(const struct core *core);
/* R27: manual mode, and the newest epoch is this node's */
bool who_leads_by_hand(const struct core *core);
/* R4 */
bool who_is_admitted(const struct core *core);
bool who_is_voter(const struct core *core);
bool who_peer_votes(const struct core *core, const struct peer *peer);
/* its present store is the admitted one (R4) */
bool who_is_member(const struct core *core, const struct peer *peer);
/* base/2 .. 3/2 base */
uint64_t who_jitter_ns(struct core *core, uint64_t base_ns);
/* who was not heard for so long has a dead connection */
uint64_t who_silence_ns(const struct core *core);
/* its own word has come within that time */
bool who_speaks(const struct core *core, const struct peer *peer);
bool who_hard_state_durable(const struct core *core);
/* what others may be told (R7) */
struct candor_epoch who_shown_epoch(const struct core *core);
/* nothing is on its way into the log */
bool who_settled(const struct core *core);

#endif
