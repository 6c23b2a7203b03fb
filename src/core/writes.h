/* Writes at the primary: refused, handed to the writer, published, stored, acknowledged (R1,
 * R19-R21, R51, R68). */
#ifndef CORE_WRITES_H
#define CORE_WRITES_H

#include "core/state.h"

uint32_t writes_pending(const struct core *core);
void writes_init(struct core *core);
void writes_free(struct core *core);
/* those whose level is reached, or whose time is over */
void writes_release(struct core *core);
/* R51 */
void writes_cancel(struct core *core, enum waiter waiter, uint64_t number);
void writes_take(struct core *core, const struct core_event *event);
/* by the writer: R68 */
void writes_staged(struct core *core, const struct core_event *event);
void writes_answered(struct core *core, const struct core_event *event);
/* those that wait for voters (R21) */
void writes_abandon(struct core *core);
uint64_t writes_wake_ns(const struct core *core);

#endif
