/* What this node says of itself to others. */
#include "node/shared/self.h"

#include "base/limits.h"
#include "core/core.h"
#include "node/shared/node_state.h"
#include "topology/topology.h"

/* A batch of records is at most a group commit, or one record of the largest value alone. */
uint64_t node_message_bytes(const struct node *node)
{
    return node->topology->limit_message_bytes + 2 * (uint64_t)LIMIT_GROUP_COMMIT_BYTES;
}

void node_header(const struct node *node, const struct core_view *view, struct core_header *out)
{
    *out = (struct core_header){
        .cluster_id = view->cluster_id,
        .config_hash = node->config_hash,
        .node = view->self,
        .store_id = view->store_id,
        .boot = view->boot,
        .epoch = view->shown_epoch,
    };
}
