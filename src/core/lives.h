/* Whether this node's disk is the newest of its kind (R62-R64). A directory that is put back from a
 * backup, or copied, knows less than this node has promised: its vote would be a second one, and
 * what it acknowledged would be gone. Only the others can tell: they remember of each node the
 * newest life that they have heard for a while, and how far it had come. So who starts asks them,
 * and keeps still until they have answered. */
#ifndef CORE_LIVES_H
#define CORE_LIVES_H

#include "core/state.h"

void lives_heard(struct core *core, struct peer *peer, const struct core_msg *msg);
bool lives_is_over(const struct core *core, const struct peer *peer,
                   const struct core_header *header);
void lives_request(struct core *core, struct peer *peer, uint64_t ticket,
                   const struct core_msg *msg);
bool lives_call_failed(struct core *core, uint64_t nonce);
void lives_answer(struct core *core, struct peer *peer, uint64_t nonce, const struct core_msg *msg);
/* may vote, and stand */
bool lives_sure(const struct core *core);
void lives_tick(struct core *core);
uint64_t lives_wake_ns(const struct core *core);
void lives_born(struct core *core, const struct core_boot *boot);

#endif
