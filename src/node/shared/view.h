/* The core's view, published by the node thread and copied by any thread, without a lock: what
 * readers of the state compare their data with. */
#ifndef NODE_VIEW_H
#define NODE_VIEW_H

#include <stdatomic.h>

#include "core/core.h"

#define VIEW_WORDS ((sizeof(struct core_view) + 7) / 8)

struct published_view {
    _Atomic uint64_t sequence; /* odd: being written */
    _Atomic uint64_t words[VIEW_WORDS];
};

/* The node thread, or before it starts. */
void view_publish(struct published_view *published, const struct core_view *view);
void view_read(const struct published_view *published, struct core_view *out);
/* Without the peers, which are most of it: peer_count is 0. */
void view_read_without_peers(const struct published_view *published, struct core_view *out);

#endif
