/* The writer thread: a FIFO of storage work. Every answer is about what is durable (R1). */
#include "node/store/writer.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/queue.h"
#include "base/types.h"
#include "base/watchdog.h"
#include "core/core.h"
#include "eval/eval.h"
#include "log/log.h"
#include "node/shared/event.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/store/group.h"
#include "node/store/hard.h"
#include "node/store/rollback.h"
#include "node/store/sequence.h"
#include "node/store/shortage.h"
#include "node/store/snapshot.h"
#include "node/store/work.h"
#include "node/store/writer_state.h"
#include "state/state.h"
#include "topology/topology.h"

enum { WORKS_AT_ONCE = 512, TRIM_STEPS = 64 };

void writer_give_all(struct node *node, struct outbox *works)
{
    if (works->count == 0)
        return;
    bool taken = queue_push_all(node->writer->queue, works->items, works->count);
    ASSERT(taken); /* the writer's queue is closed after the node thread has ended */
    works->count = 0;
}

/* ---- Commit and trim ------------------------------------------------------------------------- */

/* Gives back the oldest part of a log that is beyond its retention (R20): not above known commit,
 * nor what the newest checkpoint, or a replica that downloads one, needs to go on. */
static void trim(struct node *node)
{
    uint64_t most_bytes = node->topology->retention_log_bytes;
    if (log_bytes(node->log) <= most_bytes)
        return;
    uint64_t first = log_first(node->log);
    uint64_t upto = min_u64(node->writer->commit, snapshots_trim_limit(node));
    if (upto < first)
        return;
    /* In steps, so as not to give back more than needed: a replica may be on its way back. */
    uint64_t width = (upto - first) / TRIM_STEPS + 1;
    struct candor_error err = {0};
    for (uint64_t at = first; at <= upto && log_bytes(node->log) > most_bytes; at += width)
        if (log_trim(node->log, at, &err) != CANDOR_OK)
            node_fatal(node, &err);
    if (log_first(node->log) == first)
        return;
    struct node_event *event = event_new(CORE_EVENT_TRIMMED);
    event->core.trimmed.log_first = log_first(node->log);
    work_answer(node, event);
}

static void commit(struct node *node)
{
    struct candor_error err = {0};
    enum candor_code code = state_commit(node->state, node->writer->commit, &err);
    /* the undo goes with the next commit */
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        shortage_note(node, &err);
    else if (code != CANDOR_OK)
        node_fatal(node, &err);
    trim(node);
}

/* Takes the COMMITs out of the list; the newest counts. The records that they are about are stored
 * already, so they may go before the rest. */
static size_t take_commits(struct node *node, struct work **works, size_t count, bool *any)
{
    size_t kept = 0;
    *any = false;
    for (size_t i = 0; i < count; i++) {
        if (works[i]->type != CORE_ACTION_COMMIT) {
            works[kept++] = works[i];
            continue;
        }
        node->writer->commit = max_u64(node->writer->commit, works[i]->seq);
        *any = true;
        work_free(node, works[i]);
    }
    return kept;
}

/* ---- The loop -------------------------------------------------------------------------------- */

static void drained(struct node *node)
{
    struct node_event *event = event_new(CORE_EVENT_NONE);
    event->drained = true;
    work_answer(node, event);
}

/* Waits while a checkpoint takes its place, which large files may make long. */
static void roll_back(struct node *node, struct work *work)
{
    watchdog_expect_wait(node->writer->watched, &node->writer->checkpoint_holder);
    if (work->type == CORE_ACTION_TRUNCATE)
        rollback_truncate(node, work);
    else
        rollback_install(node, work);
    watchdog_expect_wait(node->writer->watched, NULL);
}

static size_t do_some(struct node *node, struct work **works, size_t count)
{
    struct work *work = works[0];
    if (work->drain) {
        drained(node);
        return 1;
    }
    switch (work->type) {
    case CORE_ACTION_WRITE:
    case CORE_ACTION_EXPIRE:
        return sequence_writes(node, works, count);
    case CORE_ACTION_APPEND:
        return group_appends(node, works, count);
    case CORE_ACTION_SAVE:
        hard_take(node, work);
        return 1;
    case CORE_ACTION_KEEP_LIVES:
        hard_keep_lives(node, work);
        return 1;
    case CORE_ACTION_RENEW:
        hard_renew(node, work);
        return 1;
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        group_meta(node, work);
        return 1;
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
        roll_back(node, work);
        return 1;
    default:
        ASSERT(!"work of no known type");
        return 1;
    }
}

void writer_do(struct node *node, struct work **works, size_t count)
{
    bool committed;
    bool appended = false;
    count = take_commits(node, works, count, &committed);
    for (size_t i = 0; i < count;) {
        appended = appended || works[i]->type == CORE_ACTION_WRITE ||
                   works[i]->type == CORE_ACTION_EXPIRE || works[i]->type == CORE_ACTION_APPEND;
        size_t done = do_some(node, works + i, count - i);
        ASSERT(done > 0 && done <= count - i);
        for (size_t j = 0; j < done; j++)
            work_free(node, works[i + j]);
        work_push_answers(node);
        watchdog_step(node->writer->watched);
        i += done;
    }
    /* An apply has dropped the undo of what is committed, too. */
    if (committed && !appended)
        commit(node);
    else if (committed)
        trim(node);
    work_push_answers(node);
}

static void sync_when_due(struct node *node)
{
    struct writer *writer = node->writer;
    if (!writer->dirty || clock_boot_ns() < writer->sync_due_ns)
        return;
    struct candor_error err = {0};
    if (log_sync(node->log, &err) != CANDOR_OK)
        node_fatal(node, &err);
    writer->dirty = false;
}

static void *writer_thread(void *closure)
{
    struct node *node = closure;
    struct writer *writer = node->writer;
    void *popped[WORKS_AT_ONCE];
    struct work *works[WORKS_AT_ONCE];
    writer->watched = watchdog_enter("writer", WATCH_DISK);
    for (;;) {
        watchdog_step(writer->watched);
        uint64_t until_ns = clock_boot_ns() + LIMIT_WATCHDOG_WAKE_MS * NS_PER_MS;
        if (writer->dirty)
            until_ns = min_u64(until_ns, writer->sync_due_ns);
        size_t count = queue_pop(writer->queue, popped, WORKS_AT_ONCE, until_ns);
        if (count == 0 && queue_closed(writer->queue))
            break;
        for (size_t i = 0; i < count; i++)
            works[i] = popped[i];
        writer_do(node, works, count);
        sync_when_due(node);
    }
    watchdog_leave(writer->watched);
    return NULL;
}

struct writer *writer_new(void)
{
    struct writer *writer = memory_zeroed(1, sizeof *writer);
    writer->queue = queue_new(LIMIT_NODE_EVENTS);
    pthread_mutex_init(&writer->checkpoint_lock, NULL);
    return writer;
}

void writer_free(struct writer *writer)
{
    queue_free(writer->queue);
    pthread_mutex_destroy(&writer->checkpoint_lock);
    buffer_free(&writer->group);
    eval_free(&writer->eval);
    free(writer->answers.items);
    free(writer);
}

enum candor_code writer_start(struct node *node, struct candor_error *err)
{
    if (pthread_create(&node->writer->thread, NULL, writer_thread, node) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the writer thread");
    pthread_setname_np(node->writer->thread, "writer");
    node->writer->running = true;
    return CANDOR_OK;
}

void writer_stop(struct node *node)
{
    queue_close(node->writer->queue);
    if (node->writer->running)
        pthread_join(node->writer->thread, NULL);
}
