/* The log's own time (R69). */
#ifndef CORE_LOG_TIME_H
#define CORE_LOG_TIME_H

#include "core/state.h"

/* Now, as far as this node knows. */
uint64_t log_time_ms(const struct core *core);
/* It was so late once, by the primary of `epoch`: in a heartbeat, or in a record that is applied
 * now. */
void log_time_told(struct core *core, struct candor_epoch epoch, uint64_t log_ms);

#endif
