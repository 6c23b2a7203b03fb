/* What became of a write, by its position (R70). */
#ifndef CORE_AWAIT_H
#define CORE_AWAIT_H

#include "core/state.h"

/* A position that no write can have: it was told so. */
bool await_refuse(struct core *core, const struct core_event *event);
enum verdict await_judge(const struct core *core, const struct pending_read *read);
/* In which heap it waits for the next look at it; NULL: none, the next stamp brings it. */
struct heap *await_heap(struct core *core, const struct pending_read *read);
void await_finish(struct core *core, const struct pending_read *read, enum verdict verdict);

#endif
