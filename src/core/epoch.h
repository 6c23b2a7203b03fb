/* What a header teaches: the cluster, and higher epochs (R7, R53). */
#ifndef CORE_EPOCH_H
#define CORE_EPOCH_H

#include "core/state.h"

void epoch_take_cluster(struct core *core, uint64_t cluster_id);
void epoch_founded(struct core *core);
/* R53: why nobody can have opened it, as far as this node can tell; NULL: it may be. */
const char *epoch_impossible(struct core *core, const struct candor_epoch *epoch);
bool epoch_learn(struct core *core, struct peer *peer, const struct core_header *header);

#endif
