/* Reads that wait: what for, and when it is over. */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include "core/state.h"

/* R51 */
void wait_cancel(struct core *core, uint32_t slot);
void wait_index_answer(struct core *core, uint64_t nonce, const struct core_msg *msg);
bool wait_call_failed(struct core *core, uint64_t nonce);
void wait_read(struct core *core, const struct core_event *event);
/* a replica's ReadIndex */
void wait_remote(struct core *core, const struct peer *peer, uint64_t ticket,
                 const struct core_msg *msg);
/* applied, commit or history changed, or time passed */
void wait_progress(struct core *core);
uint64_t wait_wake_ns(const struct core *core);

#endif
