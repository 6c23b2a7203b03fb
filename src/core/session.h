/* What became of what a session has seen (R43, R44). */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/state.h"

/* Whether the log holds a session's position: READY; LOST for ever; STILL_WAITING: not known yet
 * (R43, R44). */
enum verdict session_judge(const struct core *core, struct candor_token token);
/* SESSION_LOST (R44) */
void session_finish_lost(struct core *core, uint64_t ticket, struct candor_token token);

#endif
