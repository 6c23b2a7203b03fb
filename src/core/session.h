/* What became of what a session has seen (R43, R44). */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/state.h"

/* Whether the log holds a session's position: READY; LOST for ever; STILL_WAITING: not known yet
 * (R43, R44). */
enum verdict session_judge(const struct core *core, struct candor_token token);
/* Nobody can tell any more whether the token's position survived (LIMIT_EPOCH_HISTORY). */
bool session_is_forgotten(const struct core *core, const struct candor_token *token);
/* Where this log and one that ends in the token's epoch part, as far as this node knows. */
struct candor_pos session_parting(const struct core *core, const struct candor_token *token);
/* SESSION_LOST (R44) */
void session_finish_lost(struct core *core, uint64_t ticket, struct candor_token token);

#endif
