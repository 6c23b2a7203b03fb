/* How many rollback archives there are. */
#include "node/store/archives.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/logging.h"
#include "node/shared/node_state.h"
#include "state/archive.h"

void archives_count(struct node *node)
{
    struct archive_summary *list = NULL;
    size_t count = 0;
    struct candor_error err = {0};
    if (archive_list(node->archive_dir, &list, &count, &err) == CANDOR_OK)
        atomic_store(&node->archives, count);
    if (count >= LIMIT_ARCHIVES)
        log_warn("many_archives", "count=%zu way_out=\"kvctl rollback drop\"", count);
    free(list);
}
