/* The writer's work: it answers in the order in which it was given. */
#ifndef CORE_WORK_H
#define CORE_WORK_H

#include "core/state.h"

/* The oldest work is answered: of which type it was. */
enum core_action_type work_answered(struct core *core);
bool work_is_append(enum core_action_type type);
/* to the writer; for the caller to fill in (act_new) */
struct core_action *work_give(struct core *core, enum core_action_type type);
void work_save_hard_state(struct core *core);

#endif
