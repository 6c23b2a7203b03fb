/* The log's own time (R69). */
#ifndef CORE_LOG_TIME_H
#define CORE_LOG_TIME_H

#include "core/state.h"

/* Now, as far as this node knows. */
uint64_t log_time_ms(const struct core *core);
/* The primary's heartbeat told it. */
void log_time_heard(struct core *core, uint64_t log_ms);

#endif
