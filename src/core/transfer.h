/* The primary hands its leadership to a voter (R26). */
#ifndef CORE_TRANSFER_H
#define CORE_TRANSFER_H

#include "core/state.h"

#define CORE_OWN_TRANSFER UINT64_MAX /* the ticket of a transfer that nobody asked for */

/* the ticket of a transfer that nobody asked for */
void transfer_to(struct core *core, uint64_t ticket, struct candor_node_id to,
                 uint64_t deadline_ns);
void transfer_begin(struct core *core, const struct core_event *event);
/* what a heartbeat says of it */
struct candor_node_id transfer_successor(const struct core *core);
void transfer_tick(struct core *core);
/* msg NULL: no answer */
bool transfer_answer(struct core *core, uint64_t nonce, const struct core_msg *msg);
void transfer_deposed(struct core *core, struct candor_epoch by);

#endif
