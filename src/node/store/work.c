/* Storage work, and the answers to it. */
#include "node/store/work.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/queue.h"
#include "core/core.h"
#include "node/shared/event.h"
#include "node/shared/node_state.h"
#include "node/shared/outbox.h"
#include "node/store/writer_state.h"
#include "state/state.h"

struct work *work_new(enum core_action_type type)
{
    struct work *work = memory_zeroed(1, sizeof *work);
    work->type = type;
    return work;
}

void work_free(struct node *node, struct work *work)
{
    if (work->backlog_bytes > 0)
        atomic_fetch_sub(&node->backlog_bytes, work->backlog_bytes);
    buffer_free(&work->bytes);
    free(work->members);
    free(work->lives);
    if (work->incoming != NULL)
        state_incoming_discard(work->incoming);
    if (work->write == NULL) /* else it is part of the ticket */
        free(work);
}

void work_answer(struct node *node, struct node_event *event)
{
    outbox_add(&node->writer->answers, event);
}

/* A ticket, and the work in it, may be gone once its answer is pushed. */
void work_push_answers(struct node *node)
{
    struct outbox *answers = &node->writer->answers;
    if (answers->count == 0)
        return;
    bool taken = queue_push_all(node->events, answers->items, answers->count);
    for (size_t i = 0; !taken && i < answers->count; i++)
        event_free(node, answers->items[i]);
    answers->count = 0;
}
