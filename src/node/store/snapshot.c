/* Checkpoints: cut when the log has grown by the size of the state (docs/architecture.md) or when a
 * replica needs one, and kept open for replicas that download one (R14). */
#include "node/store/snapshot.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/types.h"
#include "core/core.h"
#include "disk/disk.h"
#include "log/log.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/side_thread.h"
#include "node/shared/view.h"
#include "node/store/writer_state.h"
#include "state/state.h"
#include "topology/topology.h"

/* The log is kept for a download for so long after its last question. */
#define SERVED_HOLD_NS (30 * NS_PER_S)
/* A checkpoint that failed, for want of room or descriptors, is tried again so much later. */
#define FAILURE_PAUSE_S 1

/* ---- What is served (under snapshots.lock) --------------------------------------------------- */

static void stop_serving(struct snapshots *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->name[0] = '\0';
}

/* Of the present epoch, and followed by the log, as far as that can be read. */
static bool is_usable(struct node *node, struct candor_pos pos, struct candor_epoch epoch)
{
    return epoch_equal(pos.epoch, epoch) && pos.seq + 1 >= log_first(node->log) &&
           pos.seq >= atomic_load(&node->snapshots->rotten_seq);
}

static enum candor_code not_as_written(const struct state_checkpoint *checkpoint,
                                       struct candor_error *err)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s: it is not what was written there", checkpoint->path);
}

/* The pace, if there is one, is asked after each chunk: it may pause, and false ends it
 * (CANCELLED). */
static enum candor_code digest_file(int fd, const struct state_checkpoint *checkpoint,
                                    uint64_t *digest, const struct pace *pace,
                                    struct candor_error *err)
{
    XXH3_state_t *hash = memory_given(XXH3_createState());
    uint8_t *chunk = memory_alloc(LIMIT_SNAPSHOT_CHUNK_BYTES);
    XXH3_64bits_reset(hash);
    enum candor_code code = CANDOR_OK;
    for (uint64_t at = 0; at < checkpoint->bytes;) {
        size_t got = 0;
        int failed = disk_read(fd, chunk, LIMIT_SNAPSHOT_CHUNK_BYTES, at, &got);
        if (failed != 0 || got == 0) {
            code = failed != 0 ? disk_failed(err, failed, "read", checkpoint->path)
                               : not_as_written(checkpoint, err);
            break;
        }
        XXH3_64bits_update(hash, chunk, got);
        at += got;
        if (pace != NULL && !pace->between(pace->closure)) {
            code = candor_error_set(err, CANDOR_CANCELLED, CANDOR_REASON_NONE, "ended");
            break;
        }
    }
    *digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    free(chunk);
    return code;
}

enum candor_code snapshot_verify(struct node *node, const struct pace *pace,
                                 struct candor_error *err)
{
    struct state_checkpoint before;
    struct state_checkpoint after;
    uint64_t digest = 0;
    enum candor_code code = state_checkpoint_find(node->state_dir, &before, err);
    if (code != CANDOR_OK)
        return code;
    int fd;
    /* gone meanwhile, or a shortage: another time */
    if (disk_open(before.path, O_RDONLY, &fd, NULL) != CANDOR_OK)
        return CANDOR_OK;
    code = digest_file(fd, &before, &digest, pace, err);
    close(fd);
    if (code == CANDOR_OK && digest != before.digest)
        code = not_as_written(&before, err);
    bool same = state_checkpoint_find(node->state_dir, &after, NULL) == CANDOR_OK &&
                pos_equal(before.pos, after.pos) && before.digest == after.digest;
    return code == CANDOR_DATA_LOSS && same ? code : CANDOR_OK;
}

void snapshots_renew(struct node *node)
{
    pthread_mutex_lock(&node->snapshots->side.lock);
    node->snapshots->renew = true;
    pthread_cond_signal(&node->snapshots->side.changed);
    pthread_mutex_unlock(&node->snapshots->side.lock);
}

bool snapshots_instead_of_log(struct node *node, uint64_t seq)
{
    uint64_t known = atomic_load(&node->snapshots->rotten_seq);
    while (known < seq)
        if (atomic_compare_exchange_weak(&node->snapshots->rotten_seq, &known, seq))
            return true;
    return false;
}

/* Opens a checkpoint to be served. Without the lock: the digest takes time. False: it cannot be, or
 * has rotted. */
static bool serve(struct node *node, const struct state_checkpoint *checkpoint)
{
    struct snapshots *s = node->snapshots;
    struct candor_error err = {0};
    uint64_t digest = 0;
    int fd = -1;
    enum candor_code code = disk_open(checkpoint->path, O_RDONLY, &fd, &err);
    if (code == CANDOR_OK)
        code = digest_file(fd, checkpoint, &digest, NULL, &err);
    if (code == CANDOR_OK && digest != checkpoint->digest)
        code = not_as_written(checkpoint, &err);
    if (code != CANDOR_OK) {
        log_warn("snapshot_not_served", "what=\"%s\"", err.message);
        if (fd >= 0)
            close(fd);
        return false;
    }
    char pos[POS_TEXT_BYTES];
    pthread_mutex_lock(&s->side.lock);
    stop_serving(s);
    s->fd = fd;
    s->pos = checkpoint->pos;
    s->bytes = checkpoint->bytes;
    s->digest = digest;
    s->asked_ns = clock_boot_ns();
    snprintf(s->name, sizeof s->name, "%s-%016" PRIx64, pos_text(checkpoint->pos, pos), digest);
    pthread_mutex_unlock(&s->side.lock);
    log_info("snapshot_served", "pos=%s bytes=%" PRIu64, pos, checkpoint->bytes);
    return true;
}

/* ---- Cutting --------------------------------------------------------------------------------- */

/* The writer may take the state back meanwhile; it never waits for the copy, but for the rename at
 * its end. */
static enum candor_code make_and_adopt(struct node *node, struct state_checkpoint *checkpoint,
                                       struct candor_error *err)
{
    enum candor_code code = state_checkpoint_make(node->state, err);
    if (code != CANDOR_OK)
        return code;
    pthread_mutex_lock(&node->writer->checkpoint_lock);
    atomic_store(&node->writer->checkpoint_holder, gettid());
    code = state_checkpoint_adopt(node->state, checkpoint, err);
    if (code == CANDOR_OK)
        atomic_store(&node->snapshots->newest_seq, checkpoint->pos.seq);
    atomic_store(&node->writer->checkpoint_holder, 0);
    pthread_mutex_unlock(&node->writer->checkpoint_lock);
    return code;
}

bool snapshot_cut(struct node *node, struct state_checkpoint *checkpoint)
{
    struct snapshots *s = node->snapshots;
    struct candor_error err = {0};
    /* What comes during the cut counts for the next one. */
    uint64_t grown_bytes = atomic_exchange(&s->grown_bytes, 0);
    uint64_t began_ns = clock_boot_ns();
    enum candor_code code = make_and_adopt(node, checkpoint, &err);
    if (code == CANDOR_DATA_LOSS)
        node_fatal(node, &err);
    if (code != CANDOR_OK) {
        atomic_fetch_add(&s->grown_bytes, grown_bytes);
        log_warn("checkpoint_failed", "what=\"%s\"", err.message);
        return false;
    }
    char pos[POS_TEXT_BYTES];
    log_info("checkpoint", "pos=%s bytes=%" PRIu64 " took_ms=%" PRIu64,
             pos_text(checkpoint->pos, pos), checkpoint->bytes,
             (clock_boot_ns() - began_ns) / NS_PER_MS);
    return true;
}

/* For a replica: the newest checkpoint where it will do, else a new one. */
static bool cut_to_serve(struct node *node, uint64_t least_seq)
{
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    bool found = state_checkpoint_find(node->state_dir, &checkpoint, &err) == CANDOR_OK &&
                 is_usable(node, checkpoint.pos, view.epoch) && checkpoint.pos.seq >= least_seq;
    if (found && serve(node, &checkpoint))
        return true;
    return snapshot_cut(node, &checkpoint) && serve(node, &checkpoint);
}

static uint64_t growth_limit(struct node *node)
{
    uint64_t least = min_u64(LIMIT_CHECKPOINT_GROWTH_BYTES, node->topology->retention_log_bytes);
    return max_u64(least, state_bytes(node->state));
}

static bool has_grown(struct node *node)
{
    uint64_t grown = atomic_load_explicit(&node->snapshots->grown_bytes, memory_order_relaxed);
    uint64_t least = min_u64(LIMIT_CHECKPOINT_GROWTH_BYTES, node->topology->retention_log_bytes);
    return grown >= least && grown >= growth_limit(node);
}

/* One cut, for whom it is wanted. Under the lock, which is given up meanwhile. */
static void cut_once(struct node *node)
{
    struct snapshots *s = node->snapshots;
    struct state_checkpoint checkpoint;
    bool wanted = s->wanted;
    uint64_t least_seq = s->least_seq;
    bool renew = s->renew;
    s->renew = false;
    s->cutting = true;
    pthread_mutex_unlock(&s->side.lock);
    bool done = wanted ? cut_to_serve(node, least_seq) : snapshot_cut(node, &checkpoint);
    pthread_mutex_lock(&s->side.lock);
    s->cutting = false;
    /* failed or not, the replica asks again */
    if (wanted)
        s->wanted = s->least_seq > least_seq;
    if (!s->wanted)
        s->least_seq = 0;
    s->renew = s->renew || (renew && !done);
    if (!done) /* what it lacked may take a while */
        (void)side_thread_rest_locked(&s->side, FAILURE_PAUSE_S * NS_PER_S);
}

static void *snapshot_thread(void *closure)
{
    struct node *node = closure;
    struct snapshots *s = node->snapshots;
    pthread_mutex_lock(&s->side.lock);
    while (!s->side.stop) {
        if (s->wanted || s->renew || has_grown(node))
            cut_once(node);
        else
            pthread_cond_wait(&s->side.changed, &s->side.lock);
    }
    pthread_mutex_unlock(&s->side.lock);
    return NULL;
}

void snapshots_note_growth(struct node *node, size_t bytes)
{
    struct snapshots *s = node->snapshots;
    atomic_fetch_add_explicit(&s->grown_bytes, bytes, memory_order_relaxed);
    if (!has_grown(node))
        return;
    pthread_mutex_lock(&s->side.lock);
    if (!s->cutting)
        pthread_cond_signal(&s->side.changed);
    pthread_mutex_unlock(&s->side.lock);
}

void snapshots_note_rewind(struct node *node)
{
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    bool found = state_checkpoint_find(node->state_dir, &checkpoint, &err) == CANDOR_OK;
    atomic_store(&node->snapshots->newest_seq, found ? checkpoint.pos.seq : 0);
    atomic_store(&node->snapshots->rotten_seq, 0); /* what is left of that is met again */
    pthread_mutex_lock(&node->snapshots->side.lock);
    stop_serving(node->snapshots);
    node->snapshots->renew = !found && log_first(node->log) > 1;
    pthread_cond_signal(&node->snapshots->side.changed);
    pthread_mutex_unlock(&node->snapshots->side.lock);
}

uint64_t snapshots_trim_limit(struct node *node)
{
    struct snapshots *s = node->snapshots;
    uint64_t limit = atomic_load(&s->newest_seq);
    pthread_mutex_lock(&s->side.lock);
    if (s->fd >= 0 && clock_boot_ns() - s->asked_ns < SERVED_HOLD_NS)
        limit = min_u64(limit, s->pos.seq);
    pthread_mutex_unlock(&s->side.lock);
    return limit;
}

/* ---- For those who serve it ------------------------------------------------------------------ */

struct snapshot_source snapshots_source(struct node *node, const char *name, uint64_t least_seq,
                                        struct candor_epoch epoch)
{
    struct snapshots *s = node->snapshots;
    struct snapshot_source source = {.fd = -1};
    pthread_mutex_lock(&s->side.lock);
    bool usable = s->fd >= 0 && is_usable(node, s->pos, epoch);
    bool suits = name[0] != '\0' ? strcmp(name, s->name) == 0 : s->pos.seq >= least_seq;
    if (usable && suits) {
        source.fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
        source.pos = s->pos;
        source.bytes = s->bytes;
        source.digest = s->digest;
        memcpy(source.name, s->name, sizeof source.name);
        s->asked_ns = clock_boot_ns();
    }
    pthread_mutex_unlock(&s->side.lock);
    return source;
}

void snapshots_withdraw(struct node *node, const char *name)
{
    struct snapshots *s = node->snapshots;
    pthread_mutex_lock(&s->side.lock);
    if (strcmp(s->name, name) == 0)
        stop_serving(s);
    pthread_mutex_unlock(&s->side.lock);
}

void snapshots_want(struct node *node, uint64_t least_seq)
{
    struct snapshots *s = node->snapshots;
    pthread_mutex_lock(&s->side.lock);
    s->wanted = true;
    s->least_seq = max_u64(s->least_seq, least_seq);
    pthread_cond_signal(&s->side.changed);
    pthread_mutex_unlock(&s->side.lock);
}

/* ---- Birth and end --------------------------------------------------------------------------- */

/* After a restart: how much of the log the newest checkpoint does not hold, by its share of the
 * records. */
static uint64_t grown_since(struct node *node, uint64_t checkpoint_seq)
{
    uint64_t first = log_first(node->log);
    uint64_t last = log_last(node->log);
    if (last < first)
        return 0;
    uint64_t newer = saturating_sub(last, max_u64(checkpoint_seq, first - 1));
    return (uint64_t)((double)log_bytes(node->log) * (double)newer / (double)(last - first + 1));
}

void snapshots_init(struct node *node)
{
    struct snapshots *s = node->snapshots;
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    bool found = state_checkpoint_find(node->state_dir, &checkpoint, &err) == CANDOR_OK;
    uint64_t seq = found ? checkpoint.pos.seq : 0;
    atomic_store(&s->newest_seq, seq);
    atomic_store(&s->grown_bytes, grown_since(node, seq));
}

enum candor_code snapshots_start(struct node *node, struct candor_error *err)
{
    return side_thread_start(&node->snapshots->side, "snapshot", snapshot_thread, node, err);
}

void snapshots_stop(struct node *node)
{
    side_thread_stop(&node->snapshots->side);
    stop_serving(node->snapshots);
}

struct snapshots *snapshots_new(void)
{
    struct snapshots *made = memory_zeroed(1, sizeof *made);
    side_thread_init(&made->side);
    made->fd = -1;
    return made;
}

void snapshots_free(struct snapshots *snapshots)
{
    side_thread_free(&snapshots->side);
    free(snapshots);
}
