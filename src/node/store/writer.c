/* The writer thread: a FIFO of storage work. Every answer is about what is durable (R1). */
#include "node/internal.h"
#include "node/store/lives.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>

enum { WORKS_AT_ONCE = 512, TRIM_STEPS = 64 };

struct work *work_new(enum core_action_type type)
{
    struct work *work = memory_zeroed(1, sizeof *work);
    work->type = type;
    return work;
}

static void work_free(struct node *node, struct work *work)
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

void writer_give_all(struct node *node, struct outbox *works)
{
    if (works->count == 0)
        return;
    bool taken = queue_push_all(node->writer.queue, works->items, works->count);
    ASSERT(taken); /* the writer's queue is closed after the node thread has ended */
    works->count = 0;
}

void work_answer(struct node *node, struct node_event *event)
{
    outbox_add(&node->writer.answers, event);
}

/* A ticket, and the work in it, may be gone once its answer is pushed. */
static void push_answers(struct node *node)
{
    struct outbox *answers = &node->writer.answers;
    bool taken = queue_push_all(node->events, answers->items, answers->count);
    for (size_t i = 0; !taken && i < answers->count; i++)
        event_free(node, answers->items[i]);
    answers->count = 0;
}

/* ---- Shortages ----------------------------------------------------------------------------------------- */

static const char *shortage_event(enum candor_reason reason)
{
    return reason == CANDOR_REASON_DISK_FULL    ? "disk_full"
           : reason == CANDOR_REASON_STATE_FULL ? "state_full"
                                                : "shortage";
}

void writer_note_shortage(struct node *node, const struct candor_error *err)
{
    struct writer *writer = &node->writer;
    uint64_t now_ns = clock_boot_ns();
    writer->shortages++;
    if (writer->shortage_logged_ns != 0 &&
        now_ns - writer->shortage_logged_ns < LIMIT_SHORTAGE_LOG_MS * NS_PER_MS)
        return;
    writer->shortage_logged_ns = now_ns;
    struct statvfs disk = {0};
    struct rlimit files = {0};
    (void)statvfs(node->data, &disk);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    log_error(shortage_event(err->reason),
              "what=\"%s\" times=%" PRIu64 " free_bytes=%" PRIu64 " descriptors_at_most=%" PRIu64
              " way_out=\"give the node what it lacks; nothing is damaged, it tries again\"",
              err->message, writer->shortages, (uint64_t)disk.f_bavail * disk.f_frsize,
              (uint64_t)files.rlim_cur);
    writer->shortages = 0;
}

/* For work that has no way to fail. Meanwhile the core sees the writer stall (R6). */
bool writer_wait_for_room(struct node *node, const struct candor_error *err)
{
    writer_note_shortage(node, err);
    struct timespec pause = {.tv_nsec = 200 * (long)NS_PER_MS};
    nanosleep(&pause, NULL);
    watchdog_step(node->writer.watched);
    return !atomic_load(&node->stopping);
}

/* ---- Hard state (R2) ----------------------------------------------------------------------------------- */

bool writer_save(struct node *node)
{
    struct candor_error err = {0};
    for (;;) {
        enum candor_code code = hard_state_save(node->data, &node->writer.hard, &err);
        if (code == CANDOR_OK)
            return true;
        if (code != CANDOR_RESOURCE_EXHAUSTED)
            node_fatal(node, &err);
        if (!writer_wait_for_room(node, &err))
            return false;
    }
}

static void save(struct node *node, const struct work *work)
{
    struct hard_state *hard = &node->writer.hard;
    ASSERT(epoch_compare(work->epoch, hard->epoch) >= 0);
    hard->cluster_id = work->cluster_id;
    hard->epoch = work->epoch;
    hard->known_commit = work->seq;
    if (writer_save(node))
        work_answer(node, event_new(CORE_EVENT_SAVED));
}

/* It promises nothing: without room it is kept the next time. */
static void keep_lives(struct node *node, const struct work *work)
{
    struct candor_error err = {0};
    enum candor_code code = lives_save(node->data, work->lives, &err);
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        writer_note_shortage(node, &err);
    else if (code != CANDOR_OK)
        node_fatal(node, &err);
}

/* R62: from its next start on it is a disk that has promised nothing (R4). */
static void renew(struct node *node, const struct work *work)
{
    struct candor_error err = {0};
    identity_renew(node);
    if (!writer_save(node))
        return;
    (void)candor_error_set(&err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_OLDER_COPY,
                           "%s. It is a new disk (%016" PRIx64
                           ") from the next start on, and counts when it is readmitted",
                           (const char *)work->bytes.bytes, node->writer.hard.store_id);
    node_fatal(node, &err);
}

/* ---- Commit and trim ----------------------------------------------------------------------------------- */

/* Gives back the oldest part of a log that is beyond its retention (R20): not above known commit, nor what the
 * newest checkpoint, or a replica that downloads one, needs to go on. */
static void trim(struct node *node)
{
    uint64_t most_bytes = node->topology->retention_log_bytes;
    if (log_bytes(node->log) <= most_bytes)
        return;
    uint64_t first = log_first(node->log);
    uint64_t upto = min_u64(node->writer.commit, snapshots_trim_limit(node));
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
    enum candor_code code = state_commit(node->state, node->writer.commit, &err);
    if (code == CANDOR_RESOURCE_EXHAUSTED)
        writer_note_shortage(node, &err); /* the undo goes with the next commit */
    else if (code != CANDOR_OK)
        node_fatal(node, &err);
    trim(node);
}

/* Takes the COMMITs out of the list; the newest counts. The records that they are about are stored already, so
 * they may go before the rest. */
static size_t take_commits(struct node *node, struct work **works, size_t count, bool *any)
{
    size_t kept = 0;
    *any = false;
    for (size_t i = 0; i < count; i++) {
        if (works[i]->type != CORE_ACTION_COMMIT) {
            works[kept++] = works[i];
            continue;
        }
        node->writer.commit = max_u64(node->writer.commit, works[i]->seq);
        *any = true;
        work_free(node, works[i]);
    }
    return kept;
}

/* ---- The loop ------------------------------------------------------------------------------------------- */

static void drained(struct node *node)
{
    struct node_event *event = event_new(CORE_EVENT_TICK);
    event->drained = true;
    work_answer(node, event);
}

/* Waits while a checkpoint takes its place, which large files may make long. */
static void roll_back(struct node *node, struct work *work)
{
    watchdog_expect_wait(node->writer.watched, &node->writer.checkpoint_holder);
    if (work->type == CORE_ACTION_TRUNCATE)
        rollback_truncate(node, work);
    else
        rollback_install(node, work);
    watchdog_expect_wait(node->writer.watched, NULL);
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
        return group_writes(node, works, count);
    case CORE_ACTION_APPEND:
        return group_appends(node, works, count);
    case CORE_ACTION_SAVE:
        save(node, work);
        return 1;
    case CORE_ACTION_KEEP_LIVES:
        keep_lives(node, work);
        return 1;
    case CORE_ACTION_RENEW:
        renew(node, work);
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
        appended =
            appended || works[i]->type == CORE_ACTION_WRITE || works[i]->type == CORE_ACTION_APPEND;
        size_t done = do_some(node, works + i, count - i);
        ASSERT(done > 0 && done <= count - i);
        for (size_t j = 0; j < done; j++)
            work_free(node, works[i + j]);
        push_answers(node);
        watchdog_step(node->writer.watched);
        i += done;
    }
    /* An apply has dropped the undo of what is committed, too. */
    if (committed && !appended)
        commit(node);
    else if (committed)
        trim(node);
    push_answers(node);
}

static void sync_when_due(struct node *node)
{
    struct writer *writer = &node->writer;
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
    struct writer *writer = &node->writer;
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

enum candor_code writer_start(struct node *node, struct candor_error *err)
{
    if (pthread_create(&node->writer.thread, NULL, writer_thread, node) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the writer thread");
    pthread_setname_np(node->writer.thread, "writer");
    node->writer.running = true;
    return CANDOR_OK;
}
