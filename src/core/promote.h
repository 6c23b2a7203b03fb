/* Promotion by an operator (R27, R28). */
#ifndef CORE_PROMOTE_H
#define CORE_PROMOTE_H

#include "core/state.h"

void promote_begin(struct core *core, const struct core_event *event);

#endif
