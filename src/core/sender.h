/* Who sent a message: by its channel, never by its own word (R8, R49, R50). */
#ifndef CORE_SENDER_H
#define CORE_SENDER_H

#include "core/state.h"

struct peer *sender_known(struct core *core, struct candor_node_id dialled,
                          const struct core_header *header);
struct peer *sender_named(struct core *core, const struct core_header *header);

#endif
