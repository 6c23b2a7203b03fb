/* reign */
#ifndef CORE_REIGN_H
#define CORE_REIGN_H

#include "core/state.h"

/* a heartbeat of the present epoch; before it is noted as heard */
void reign_heard(struct core *core);
/* the own EPOCH_START is stored */
void reign_opened(struct core *core);
/* the own reign ends now */
void reign_closed(struct core *core);

#endif
