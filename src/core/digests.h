/* The digests of this node's own states, by their positions (R58). */
#ifndef CORE_DIGESTS_H
#define CORE_DIGESTS_H

#include "core/state.h"

void digests_note(struct core *core, uint64_t seq, struct state_digest digest);
void digests_restart(struct core *core, uint64_t seq, struct state_digest digest);
struct digest_at digests_at(const struct core *core, uint64_t seq);
/* at `durable`; seq 0: not known */
struct digest_at digests_own(const struct core *core);
/* the data are the primary's now, and are compared again */
void digests_healed(struct core *core);

#endif
