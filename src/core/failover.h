/* What was seen of changes of primary, and how long nobody led. */
#ifndef CORE_FAILOVER_H
#define CORE_FAILOVER_H

#include "core/state.h"

/* a heartbeat of the present epoch; before it is noted as heard */
void failover_heard(struct core *core);
/* the own EPOCH_START is stored */
void failover_opened(struct core *core);
/* the own epoch ends now */
void failover_closed(struct core *core);

#endif
