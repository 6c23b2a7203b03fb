/* A data directory, opened and closed: its paths and lock, what recovery (recover.h) finds there
 * handed to the core, the mark of a clean stop. */
#include "node/store/open.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/types.h"
#include "core/core.h"
#include "disk/disk.h"
#include "log/hard_state.h"
#include "log/log.h"
#include "node/shared/node_state.h"
#include "node/store/archives.h"
#include "node/store/identity.h"
#include "node/store/lives.h"
#include "node/store/recover.h"
#include "node/store/snapshot.h"
#include "node/store/writer_state.h"
#include "record/batch.h"
#include "state/state.h"
#include "topology/topology.h"

#define DATA_DIR_MODE 0700 /* what clients store is for the node's user alone */

/* ---- Directory and lock ---------------------------------------------------------------------- */

static enum candor_code lock_directory(struct node *node, struct candor_error *err)
{
    int dir_fd = -1;
    enum candor_code code = disk_open(node->data, O_RDONLY | O_DIRECTORY, &dir_fd, err);
    if (code != CANDOR_OK)
        return code;
    code = disk_lock(dir_fd, node->data, &node->lock_fd, err);
    close(dir_fd);
    return code;
}

static enum candor_code set_paths(struct node *node, struct candor_error *err)
{
    const char *data = node->options.data != NULL ? node->options.data : node->self->data;
    size_t length = strlen(data);
    if (length == 0 || length >= sizeof node->data)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "the data directory's path is empty or longer than %d bytes",
                                LIMIT_PATH_BYTES - 1);
    memcpy(node->data, data, length + 1);
    snprintf(node->log_dir, sizeof node->log_dir, "%s/log", data);
    snprintf(node->state_dir, sizeof node->state_dir, "%s/state", data);
    snprintf(node->archive_dir, sizeof node->archive_dir, "%s/archive", data);
    enum candor_code code = disk_make_dirs(node->data, DATA_DIR_MODE, err);
    if (code == CANDOR_OK)
        code = lock_directory(node, err);
    if (code == CANDOR_OK)
        code = disk_make_dir(node->state_dir, DATA_DIR_MODE, err);
    if (code == CANDOR_OK)
        code = disk_make_dir(node->archive_dir, DATA_DIR_MODE, err);
    return code;
}

/* ---- All of it ------------------------------------------------------------------------------- */

/* Which records above the commit say LOCAL (R42). */
static enum candor_code find_local(struct node *node, uint64_t commit, struct seq_bits *out,
                                   struct candor_error *err)
{
    struct buffer batches = {0};
    enum candor_code code = CANDOR_OK;
    uint64_t last = log_last(node->log);
    uint64_t from = max_u64(commit + 1, log_first(node->log));
    seq_bits_raise_floor(out, commit);
    while (code == CANDOR_OK && from <= last) {
        buffer_clear(&batches);
        code = log_read(node->log, from, last, LIMIT_FETCH_BYTES, &batches, err);
        struct slice rest = buffer_slice(&batches);
        struct batch batch;
        struct record record;
        while (code == CANDOR_OK && rest.length > 0) {
            code = batch_decode(&rest, &batch, err);
            size_t cursor = 0;
            while (code == CANDOR_OK && batch_next(&batch, &cursor, &record))
                if (record.type == RECORD_WRITE && record.ack == CANDOR_ACK_LOCAL)
                    seq_bits_add(out, record.seq);
            if (code == CANDOR_OK)
                from = batch_last_seq(&batch) + 1;
        }
    }
    buffer_free(&batches);
    return code;
}

static enum candor_code fill_boot(struct node *node, struct core_boot *boot,
                                  struct epoch_history *history, struct members *members,
                                  struct candor_error *err)
{
    struct writer *writer = node->writer;
    struct state_position position;
    enum candor_code code = state_position_and_history(node->state, &position, history, err);
    if (code != CANDOR_OK)
        return code;
    *members = position.members;
    writer->tail_epoch = position.applied.epoch;
    writer->commit = max_u64(writer->hard.known_commit, position.undo_floor);
    *boot = (struct core_boot){
        .cluster_id = position.cluster_id != 0 ? position.cluster_id : writer->hard.cluster_id,
        .store_id = writer->hard.store_id,
        .boot = writer->hard.boot,
        .epoch = writer->hard.epoch,
        .forked = writer->hard.forked,
        .last = log_last(node->log),
        .log_first = log_first(node->log),
        .commit = writer->commit,
        .rewinds = position.rewinds,
        .digest = position.digest,
        .log_ms = position.log_ms,
        .chain = position.chain,
        .history = history,
        .members = members,
    };
    return CANDOR_OK;
}

/* What the others have come to, as this node heard it (R62). A damaged file is no damage of what it
 * promised itself. */
static void recall_lives(struct node *node, struct core_lives *lives)
{
    struct candor_error err = {0};
    if (lives_load(node->data, lives, &err) != CANDOR_OK)
        log_warn("lives_forgotten",
                 "what=\"%s\" effect=\"this node cannot tell the others whether their disks "
                 "are older copies, until it has heard them again\"",
                 err.message);
}

enum candor_code node_recover(struct node *node, struct core_boot *boot, struct core_lives *lives,
                              struct epoch_history *history, struct members *members,
                              struct seq_bits *local, struct candor_error *err)
{
    bool fresh = false;
    enum candor_code code = set_paths(node, err);
    if (code == CANDOR_OK)
        code = recover_log_and_state(node, &fresh, err);
    /* Only now: until the state is sound again, the next start must see that the machine went
     * down. */
    if (code == CANDOR_OK)
        code = identity_begin_life(node, err);
    if (code != CANDOR_OK)
        return code;
    code = fill_boot(node, boot, history, members, err);
    if (code != CANDOR_OK)
        return code;
    boot->local = local;
    recall_lives(node, lives);
    boot->lives = lives;
    boot->tail_may_lack = node->self->durability != TOPOLOGY_ALWAYS;
    code = find_local(node, boot->commit, local, err);
    if (code != CANDOR_OK)
        return code;
    archives_count(node);
    snapshots_init(node);
    char text[EPOCH_TEXT_BYTES];
    log_info("recovered",
             "data=%s store=%016" PRIx64 " boot=%" PRIu64 " epoch=%s last=%" PRIu64
             " commit=%" PRIu64 " fresh=%s",
             node->data, boot->store_id, boot_count(boot->boot), epoch_text(boot->epoch, text),
             boot->last, boot->commit, fresh ? "yes" : "no");
    return CANDOR_OK;
}

/* It promises nothing: on a full disk it is what was kept before. */
static void keep_lives(const struct node *node)
{
    struct core_lives lives;
    struct candor_error err = {0};
    if (node->core == NULL)
        return;
    core_lives(node->core, &lives);
    if (lives_save(node->data, &lives, &err) != CANDOR_OK)
        log_warn("lives_not_kept", "what=\"%s\"", err.message);
}

static void mark_clean(struct node *node)
{
    struct hard_state *hard = &node->writer->hard;
    struct candor_error err = {0};
    struct state_position position;
    state_position(node->state, &position);
    /* Everything of the log and the state is on the disk before the mark says so. */
    if (log_sync(node->log, &err) != CANDOR_OK || state_sync(node->state, &err) != CANDOR_OK) {
        log_error("not_clean", "what=\"%s\"", err.message);
        return;
    }
    hard->known_commit =
        min_u64(max_u64(hard->known_commit, node->writer->commit), position.applied.seq);
    hard->clean_shutdown = true;
    hard->end_seq = log_last(node->log);
    if (hard_state_save(node->data, hard, &err) != CANDOR_OK)
        log_error("not_clean", "what=\"%s\"", err.message);
}

void node_close_disk(struct node *node, bool clean)
{
    if (clean) {
        keep_lives(node);
        mark_clean(node);
    }
    if (node->state != NULL)
        state_close(node->state);
    if (node->log != NULL)
        log_close(node->log);
    if (node->lock_fd >= 0)
        close(node->lock_fd);
    node->state = NULL;
    node->log = NULL;
    node->lock_fd = -1;
}
