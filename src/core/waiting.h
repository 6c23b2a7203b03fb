/* The table of waiting reads, their lists and heaps; and who bears which ticket. No rule is kept
 * here. */
#ifndef CORE_WAITING_H
#define CORE_WAITING_H

#include "core/state.h"

void waiter_add(struct core *core, uint64_t ticket, enum waiter waiter, uint64_t number);
void waiter_remove(struct core *core, uint64_t ticket);
bool waiter_find(const struct core *core, uint64_t ticket, enum waiter *waiter, uint64_t *number);
/* NO_SLOT: it is the last */
uint32_t reads_next(const struct core *core, uint32_t slot);
/* NO_SLOT: it is empty */
uint32_t reads_first(const struct core *core, enum read_list list);
/* to its end */
void reads_move(struct core *core, uint32_t slot, enum read_list list);
void reads_move_all(struct core *core, enum read_list from, enum read_list to);
void reads_init(struct core *core);
void reads_free(struct core *core);
/* NO_SLOT: the limit is reached */
uint32_t reads_add(struct core *core, const struct pending_read *read, enum read_list list);
void reads_remove(struct core *core, uint32_t slot);

#endif
