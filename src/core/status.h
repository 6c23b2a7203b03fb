/* What a replica says of itself. */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include "core/state.h"

/* What is heard in an epoch must not be told under the name of the one before. */
bool status_may(const struct core *core);
void status_publish(struct core *core);

#endif
