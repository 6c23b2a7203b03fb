/* Records at a replica: taken when they follow what is here, fetched when there is a gap (R13). */
#ifndef CORE_RECORDS_H
#define CORE_RECORDS_H

#include "core/state.h"

void records_fetch(struct core *core);
void records_take(struct core *core, const struct core_msg *msg);
void records_fetched(struct core *core, const struct core_msg *msg);
void records_appended(struct core *core, const struct core_event *event);

#endif
