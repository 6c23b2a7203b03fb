/* Leading an epoch: what replicas say, and what is due. */
#ifndef CORE_PRIMARY_H
#define CORE_PRIMARY_H

#include "core/state.h"

void primary_appended(struct core *core, const struct core_event *event);
/* a digest of the own state: a replica may have come to that position first (R68) */
void primary_digest_noted(struct core *core);
/* a published group could not be stored */
void primary_withdrawn(struct core *core, struct candor_epoch epoch);
void primary_status(struct core *core, struct peer *peer, const struct core_msg *msg);
void primary_relayed_status(struct core *core, const struct peer *relay,
                            const struct core_msg *msg);
void primary_attach(struct core *core, struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg);
void primary_tick(struct core *core);
uint64_t primary_wake_ns(const struct core *core);

#endif
