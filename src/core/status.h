/* What a replica says of itself. */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include "core/state.h"

void status_publish(struct core *core);

#endif
