/* What the node promises, made durable: its hard state (R2), the lives of others (R62), another
 * identity. */
#include "node/store/hard.h"

#include <inttypes.h>

#include "base/assert.h"
#include "core/core.h"
#include "log/hard_state.h"
#include "node/shared/event.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/store/identity.h"
#include "node/store/lives.h"
#include "node/store/shortage.h"
#include "node/store/work.h"
#include "node/store/writer_state.h"

bool hard_save(struct node *node)
{
    struct candor_error err = {0};
    for (;;) {
        enum candor_code code = hard_state_save(node->data, &node->writer->hard, &err);
        if (code == CANDOR_OK)
            return true;
        if (code != CANDOR_RESOURCE_EXHAUSTED)
            node_fatal(node, &err);
        if (!shortage_wait(node, &err))
            return false;
    }
}

void hard_take(struct node *node, const struct work *work)
{
    struct hard_state *hard = &node->writer->hard;
    ASSERT(epoch_compare(work->epoch, hard->epoch) >= 0);
    hard->cluster_id = work->cluster_id;
    hard->epoch = work->epoch;
    hard->known_commit = work->seq;
    hard->forked = work->forked;
    if (hard_save(node))
        work_answer(node, event_new(CORE_EVENT_SAVED));
}

/* It promises nothing: without room it is kept the next time. */
void hard_keep_lives(struct node *node, const struct work *work)
{
    struct candor_error err = {0};
    enum candor_code code = lives_save(node->data, work->lives, &err);
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        shortage_note(node, &err);
    else if (code != CANDOR_OK)
        node_fatal(node, &err);
}

/* R62: from its next start on it is a disk that has promised nothing (R4). */
void hard_renew(struct node *node, const struct work *work)
{
    struct candor_error err = {0};
    identity_renew(node);
    if (!hard_save(node))
        return;
    (void)candor_error_set(&err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_OLDER_COPY,
                           "%s. It is a new disk (%016" PRIx64
                           ") from the next start on, and counts when it is readmitted",
                           (const char *)work->bytes.bytes, node->writer->hard.store_id);
    node_fatal(node, &err);
}
