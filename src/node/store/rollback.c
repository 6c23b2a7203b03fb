/* Taking back what lost (R12, R40) and taking over a snapshot (R14).
 *
 * Order, so that a crash between any two steps can be started again from:
 *   known commit lowered where it must be -> archive durable -> state undone -> checkpoint above it
 *   dropped -> log cut. A start after a crash in between replays the log onto the state, and the
 *   core rolls back again; the archive of the same records has the same name. */
#include "node/store/rollback.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/types.h"
#include "core/core.h"
#include "log/hard_state.h"
#include "log/log.h"
#include "node/shared/event.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/store/archives.h"
#include "node/store/hard.h"
#include "node/store/shortage.h"
#include "node/store/snapshot.h"
#include "node/store/work.h"
#include "node/store/writer_state.h"
#include "record/batch.h"
#include "state/archive.h"
#include "state/state.h"

/* What the node says it knows as committed must be in its log whenever it starts. False: shutting
 * down. */
static bool lower_known_commit(struct node *node, uint64_t seq)
{
    struct hard_state *hard = &node->writer->hard;
    node->writer->commit = min_u64(node->writer->commit, seq);
    if (hard->known_commit <= seq)
        return true;
    hard->known_commit = seq;
    return hard_save(node);
}

/* ---- Archive --------------------------------------------------------------------------------- */

static enum candor_code add_records(struct node *node, struct archive_writer *archive,
                                    uint64_t from_seq, struct candor_error *err)
{
    struct buffer batches = {0};
    uint64_t last = log_last(node->log);
    enum candor_code code = CANDOR_OK;
    while (code == CANDOR_OK && from_seq <= last) {
        buffer_clear(&batches);
        code = log_read(node->log, from_seq, last, LIMIT_FETCH_BYTES, &batches, err);
        if (code == CANDOR_OK)
            code = archive_add(archive, node->state, buffer_slice(&batches), err);
        struct slice rest = buffer_slice(&batches);
        struct batch batch;
        while (code == CANDOR_OK && rest.length > 0) {
            code = batch_decode(&rest, &batch, err);
            if (code == CANDOR_OK)
                from_seq = batch_last_seq(&batch) + 1;
        }
    }
    buffer_free(&batches);
    return code;
}

static enum candor_code archive_above(struct node *node, uint64_t seq,
                                      struct candor_epoch superseded_by,
                                      struct archive_summary *summary, struct candor_error *err)
{
    struct archive_writer *archive;
    enum candor_code code = archive_begin(node->archive_dir, superseded_by, &archive, err);
    if (code != CANDOR_OK)
        return code;
    code = add_records(node, archive, max_u64(seq + 1, log_first(node->log)), err);
    if (code != CANDOR_OK) {
        archive_abort(archive);
        return code;
    }
    return archive_finish(archive, summary, err);
}

/* Saves the log's records above `seq` (R40); those that came with a snapshot are their primary's to
 * save. Given up to a forced promotion, writes that asked for more than LOCAL may have been
 * acknowledged, though this node had not heard of it (R28). False: shutting down. */
static bool keep_discarded(struct node *node, uint64_t seq, struct candor_epoch superseded_by)
{
    if (log_last(node->log) < max_u64(seq + 1, log_first(node->log)))
        return true;
    struct archive_summary summary;
    struct candor_error err = {0};
    enum candor_code code;
    while ((code = archive_above(node, seq, superseded_by, &summary, &err)) != CANDOR_OK) {
        if (code != CANDOR_RESOURCE_EXHAUSTED)
            node_fatal(node, &err);
        if (!shortage_wait(node, &err))
            return false;
    }
    char from[POS_TEXT_BYTES];
    char to[POS_TEXT_BYTES];
    uint64_t beyond_local = summary.writes - summary.local;
    bool forced = superseded_by.generation > summary.to.epoch.generation;
    logging_write(forced && beyond_local > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
                  "rollback_archived",
                  "id=%s records=%" PRIu64 " beyond_local=%" PRIu64
                  " from=%s to=%s look=\"kvctl rollback show\"",
                  summary.id, summary.records, beyond_local, pos_text(summary.from, from),
                  pos_text(summary.to, to));
    archives_count(node);
    return true;
}

/* ---- Truncate -------------------------------------------------------------------------------- */

/* False: shutting down. */
static bool undo(struct node *node, uint64_t to_seq)
{
    struct candor_error err = {0};
    for (bool done = false; !done;) {
        enum candor_code code =
            state_undo(node->state, to_seq, LIMIT_UNDO_RECORDS_PER_TXN, &done, &err);
        if (code == CANDOR_RESOURCE_EXHAUSTED && !shortage_wait(node, &err))
            return false;
        if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
            node_fatal(node, &err);
    }
    return true;
}

static enum candor_code try_cut(struct node *node, uint64_t to_seq, struct candor_error *err)
{
    enum candor_code code = state_checkpoint_drop_above(node->state, to_seq, err);
    return code == CANDOR_OK ? log_truncate(node->log, to_seq, err) : code;
}

/* False: shutting down. */
static bool cut(struct node *node, uint64_t to_seq)
{
    struct candor_error err = {0};
    enum candor_code code;
    while ((code = try_cut(node, to_seq, &err)) != CANDOR_OK) {
        if (code != CANDOR_RESOURCE_EXHAUSTED)
            node_fatal(node, &err);
        if (!shortage_wait(node, &err))
            return false;
    }
    snapshots_note_rewind(node);
    return true;
}

/* False: shutting down. */
static bool reset_log(struct node *node, uint64_t next_seq, struct chain before)
{
    struct candor_error err = {0};
    enum candor_code code;
    while ((code = log_reset(node->log, next_seq, before, &err)) != CANDOR_OK) {
        if (code != CANDOR_RESOURCE_EXHAUSTED)
            node_fatal(node, &err);
        if (!shortage_wait(node, &err))
            return false;
    }
    return true;
}

/* Where the log began with a snapshot, records of the snapshot may have lost, too. The log's own go
 * first. It is empty then: after a crash node_recover() begins it anew behind the state, however
 * far that is. */
static bool take_back(struct node *node, uint64_t to_seq)
{
    uint64_t before_log = log_first(node->log) - 1;
    uint64_t own = max_u64(to_seq, before_log);
    bool done = undo(node, own) && cut(node, own);
    if (!done || to_seq >= before_log)
        return done;
    struct state_position position;
    done = undo(node, to_seq);
    state_position(node->state, &position);
    return done && reset_log(node, to_seq + 1, position.chain) && cut(node, to_seq);
}

static void answer_truncated(struct node *node, uint64_t to_seq)
{
    struct state_position position;
    state_position(node->state, &position);
    ASSERT_U64(position.applied.seq, ==, to_seq);
    ASSERT_U64(log_last(node->log), ==, to_seq);
    node->writer->tail_epoch = position.applied.epoch;
    struct node_event *event = event_new(CORE_EVENT_TRUNCATED);
    event->core.truncated.last = to_seq;
    event->core.truncated.rewinds = position.rewinds;
    event->core.truncated.digest = position.digest;
    event->core.truncated.chain = position.chain;
    event->core.truncated.members = event_members(event, &position.members);
    work_answer(node, event);
}

void rollback_truncate(struct node *node, struct work *work)
{
    uint64_t to_seq = work->seq;
    if (!lower_known_commit(node, to_seq) || !keep_discarded(node, to_seq, work->epoch))
        return;
    pthread_mutex_lock(&node->writer->checkpoint_lock);
    bool done = take_back(node, to_seq);
    pthread_mutex_unlock(&node->writer->checkpoint_lock);
    if (done)
        answer_truncated(node, to_seq);
}

/* ---- Install --------------------------------------------------------------------------------- */

static void answer_installed(struct node *node, enum candor_code code)
{
    struct node_event *event = event_new(CORE_EVENT_INSTALLED);
    struct state_position position;
    struct candor_error err = {0};
    epoch_history_init(&event->history);
    if (state_position_and_history(node->state, &position, &event->history, &err) != CANDOR_OK)
        node_fatal(node, &err);
    event_tell_state(event, &position);
    event->core.snapshot.code = code;
    work_answer(node, event);
}

/* A crash, or an end, between the two leaves a log that does not continue the state; node_recover()
 * resets it. CANDOR_CANCELLED: shutting down. */
static enum candor_code replace_state(struct node *node, struct work *work)
{
    struct candor_error err = {0};
    struct state_incoming *incoming = work->incoming;
    work->incoming = NULL;
    enum candor_code code = state_install(node->state, incoming, &err);
    if (code == CANDOR_RESOURCE_EXHAUSTED) {
        log_warn("snapshot_not_installed", "what=\"%s\"", err.message);
        return code;
    }
    if (code != CANDOR_OK)
        node_fatal(node, &err);
    struct state_position position;
    state_position(node->state, &position);
    if (!reset_log(node, position.applied.seq + 1, position.chain))
        return CANDOR_CANCELLED;
    node->writer->tail_epoch = position.applied.epoch;
    snapshots_note_rewind(node);
    return CANDOR_OK;
}

void rollback_install(struct node *node, struct work *work)
{
    /* The snapshot holds what is committed below `seq`; above it the own branch is given up. */
    if (!lower_known_commit(node, work->seq) || !keep_discarded(node, work->seq, work->epoch))
        return;
    pthread_mutex_lock(&node->writer->checkpoint_lock);
    enum candor_code code = replace_state(node, work);
    pthread_mutex_unlock(&node->writer->checkpoint_lock);
    if (code != CANDOR_CANCELLED)
        answer_installed(node, code);
}
