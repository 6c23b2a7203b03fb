/* Recovery of a data directory (docs/architecture.md): lock, identity, log, state, and the two made to agree. */
#include "node/internal.h"
#include "node/store/lives.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk/disk.h"

#define DATA_DIR_MODE 0700 /* what clients store is for the node's user alone */

/* ---- Directory and lock -------------------------------------------------------------------------------------- */

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

/* ---- Log and state ------------------------------------------------------------------------------------------------ */

static enum log_durability durability_of(const struct topology_node *self)
{
    switch (self->durability) {
    case TOPOLOGY_INTERVAL:
        return LOG_DURABLE_INTERVAL;
    case TOPOLOGY_OS:
        return LOG_DURABLE_OS;
    case TOPOLOGY_ALWAYS:
        break;
    }
    return LOG_DURABLE_ALWAYS;
}

/* An install leaves a checkpoint of its state, so that it may be ahead of a log that is not reset yet.
 * RESOURCE_EXHAUSTED: it could not be looked at. */
static enum candor_code is_installed(const struct node *node, struct pos applied, bool *installed,
                                     struct candor_error *err)
{
    struct state_checkpoint checkpoint;
    enum candor_code code = state_checkpoint_find(node->state_dir, &checkpoint, err);
    *installed = code == CANDOR_OK && pos_equal(checkpoint.pos, applied);
    return code == CANDOR_RESOURCE_EXHAUSTED ? code : CANDOR_OK;
}

/* R65: up to where the log must reach. A state that is there outlived no machine: whatever it applied was written to
 * the log before. */
static enum candor_code known_durable(struct node *node, bool rebooted, uint64_t *seq,
                                      struct candor_error *err)
{
    const struct hard_state *hard = &node->writer.hard;
    bool kept = !rebooted || node->self->durability == TOPOLOGY_ALWAYS;
    *seq = max_u64(hard->end_seq, kept ? hard->known_commit : 0);
    if (node->state == NULL)
        return CANDOR_OK;
    struct state_position position;
    bool installed;
    state_position(node->state, &position);
    enum candor_code code = is_installed(node, position.applied, &installed, err);
    if (code == CANDOR_OK && !installed)
        *seq = max_u64(*seq, position.applied.seq);
    return code;
}

static enum candor_code open_log(struct node *node, uint64_t durable_seq, struct candor_error *err)
{
    struct log_options options = {
        .durable_seq = durable_seq,
        .dir = node->log_dir,
        .segment_bytes = node->options.segment_bytes,
        .durability = durability_of(node->self),
    };
    struct log_recovery recovery = {0};
    enum candor_code code = log_open(&options, &node->log, &recovery, err);
    if (code == CANDOR_OK && recovery.torn_bytes > 0)
        log_warn("torn_tail_cut", "segment=%s offset=%" PRIu64 " bytes=%" PRIu64 " last=%" PRIu64,
                 recovery.torn_segment, recovery.torn_offset, recovery.torn_bytes,
                 log_last(node->log));
    return code;
}

static enum candor_code open_state(struct node *node, struct candor_error *err)
{
    struct state_options options = {
        .dir = node->state_dir,
        .map_bytes = node->topology->state_bytes,
    };
    return state_open(&options, &node->state, err);
}

/* Whether the newest checkpoint and the log together make the state: only then may the state be thrown away. */
static enum candor_code can_rebuild(const struct node *node, bool *can, struct candor_error *err)
{
    struct state_checkpoint checkpoint = {0};
    struct candor_error why = {0};
    enum candor_code code = state_checkpoint_find(node->state_dir, &checkpoint, &why);
    bool known =
        code == CANDOR_OK || code == CANDOR_NOT_FOUND; /* without one: from the beginning */
    *can = known && log_last(node->log) > 0 && log_first(node->log) <= checkpoint.pos.seq + 1 &&
           log_last(node->log) >= checkpoint.pos.seq;
    return known || code == CANDOR_DATA_LOSS
               ? CANDOR_OK
               : candor_error_set(err, code, why.reason, "%s", why.message);
}

/* Opens the state; a damaged one is made anew, as after the loss of the machine. The log alone is the truth. */
static enum candor_code open_sound_state(struct node *node, struct candor_error *err)
{
    bool can;
    struct candor_error why = {0};
    enum candor_code code = node->state != NULL ? CANDOR_OK : open_state(node, &why);
    if (code == CANDOR_DATA_LOSS && can_rebuild(node, &can, &why) == CANDOR_OK && can) {
        log_warn("state_rebuild", "why=\"%s\"", why.message);
        code = state_rebuild(node->state_dir, &why);
        if (code == CANDOR_OK)
            code = open_state(node, &why);
    }
    return code == CANDOR_OK ? code : candor_error_set(err, code, why.reason, "%s", why.message);
}

static enum candor_code contradiction(struct candor_error *err, const char *what, uint64_t a,
                                      uint64_t b)
{
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s (%" PRIu64 ", %" PRIu64
                            "); way out: move the data directory away and start again, so that "
                            "the node takes everything from the primary",
                            what, a, b);
}

static enum candor_code epoch_of_record(struct node *node, uint64_t seq, struct epoch *out,
                                        struct candor_error *err)
{
    struct buffer bytes = {0};
    struct batch batch;
    enum candor_code code = log_read(node->log, seq, seq, LIMIT_FETCH_BYTES, &bytes, err);
    struct slice rest = buffer_slice(&bytes);
    if (code == CANDOR_OK)
        code = batch_decode(&rest, &batch, err);
    if (code == CANDOR_OK)
        *out = batch.epoch;
    buffer_free(&bytes);
    return code;
}

/* Whether the log holds the records that the state applied, as far as both reach (R55). A log that begins behind the state:
 * epochs never go back, so what stands there in an older epoch cannot continue it. */
static enum candor_code log_continues(struct node *node, const struct state_position *position,
                                      bool *continues, struct candor_error *err)
{
    uint64_t first = log_first(node->log);
    uint64_t last = log_last(node->log);
    struct pos applied = position->applied;
    struct chain chain = {0};
    struct epoch epoch = {0};
    enum candor_code code = CANDOR_OK;
    *continues = applied.seq <= last;
    if (!*continues)
        return code;
    if (applied.seq + 1 >= first) {
        code = log_chain_at(node->log, applied.seq, &chain, err);
        *continues = chain_equal(chain, position->chain);
    } else if (first <= last) {
        code = epoch_of_record(node, first, &epoch, err);
        *continues = epoch_compare(epoch, applied.epoch) >= 0;
    }
    return code;
}

/* Makes the log one that the state's position can be continued from. A crash while a snapshot was installed leaves the
 * log of what was there before: longer, or shorter, or beginning behind it. It may go, for the checkpoint of the
 * install is durable; nothing else explains such a log (R66). */
static enum candor_code join_log(struct node *node, struct candor_error *err)
{
    struct state_position position;
    state_position(node->state, &position);
    struct pos applied = position.applied;
    uint64_t first = log_first(node->log);
    uint64_t last = log_last(node->log);
    bool continues = false;
    bool installed = false;
    enum candor_code code = log_continues(node, &position, &continues, err);
    /* A rollback that was cut short: a later loss of the machine must not begin from what it took back. */
    if (code == CANDOR_OK)
        code = state_checkpoint_drop_above(node->state, applied.seq, err);
    if (code == CANDOR_OK)
        code = is_installed(node, applied, &installed, err);
    bool gap = applied.seq + 1 < first;
    if (code != CANDOR_OK || (continues && !gap))
        return code;
    bool older = !continues || first > last;
    if (!installed || !older)
        return gap ? contradiction(err, "the log begins beyond what the state holds", applied.seq,
                                   first)
                   : contradiction(err, "the log does not continue what the state holds",
                                   applied.seq, last);
    char text[POS_TEXT_BYTES];
    log_warn("log_reset",
             "state=%s log_last=%" PRIu64 " why=\"a snapshot was installed, the log is older\"",
             pos_text(applied, text), last);
    return log_reset(node->log, applied.seq + 1, position.chain, err);
}

static void log_replay(const struct node *node, uint64_t seq, uint64_t *logged_ns, bool done)
{
    uint64_t now_ns = clock_boot_ns();
    if (!done && now_ns - *logged_ns < NS_PER_S)
        return;
    *logged_ns = now_ns;
    log_info(done ? "replayed" : "replaying", "applied=%" PRIu64 " last=%" PRIu64, seq,
             log_last(node->log));
}

/* Applies what the log holds beyond the state. */
static enum candor_code replay(struct node *node, struct candor_error *err)
{
    struct state_position position;
    state_position(node->state, &position);
    uint64_t seq = position.applied.seq;
    uint64_t last = log_last(node->log);
    uint64_t logged_ns = clock_boot_ns();
    bool any = seq < last;
    struct buffer batches = {0};
    enum candor_code code = CANDOR_OK;
    while (code == CANDOR_OK && seq < last) {
        buffer_clear(&batches);
        code = log_read(node->log, seq + 1, last, LIMIT_REPLAY_CHUNK_BYTES, &batches, err);
        if (code == CANDOR_OK)
            code = state_apply(node->state, buffer_slice(&batches), node->writer.hard.known_commit,
                               err);
        if (code != CANDOR_OK)
            break;
        state_position(node->state, &position);
        ASSERT_U64(position.applied.seq, >, seq);
        seq = position.applied.seq;
        log_replay(node, seq, &logged_ns, false);
    }
    buffer_free(&batches);
    if (code == CANDOR_OK && any)
        log_replay(node, seq, &logged_ns, true);
    return code;
}

/* What the node promised to hold must be there. Only a weaker durability may lose it, with the machine. */
static enum candor_code check_known_commit(struct node *node, bool rebooted,
                                           struct candor_error *err)
{
    struct hard_state *hard = &node->writer.hard;
    uint64_t last = log_last(node->log);
    if (hard->known_commit <= last)
        return CANDOR_OK;
    if (node->self->durability == TOPOLOGY_ALWAYS || !rebooted)
        return contradiction(err, "records that were committed are missing from the log's end",
                             hard->known_commit, last);
    log_warn("tail_lost",
             "last=%" PRIu64 " known_commit=%" PRIu64 " why=\"durability is not always\"", last,
             hard->known_commit);
    hard->known_commit = last;
    return CANDOR_OK;
}

/* ---- All of it ------------------------------------------------------------------------------------------------------ */

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
                if (record.type == RECORD_WRITE && record.ack == ACK_LOCAL)
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
    struct writer *writer = &node->writer;
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
        .last = log_last(node->log),
        .log_first = log_first(node->log),
        .commit = writer->commit,
        .rewinds = position.rewinds,
        .digest = position.digest,
        .chain = position.chain,
        .history = history,
        .members = members,
    };
    return CANDOR_OK;
}

static enum candor_code recover_disk(struct node *node, bool *fresh, struct candor_error *err)
{
    bool rebooted;
    enum candor_code code = set_paths(node, err);
    if (code == CANDOR_OK)
        code = identity_load(node, fresh, &rebooted, err);
    /* The state first: it knows what the log must hold. One that is damaged is looked at again below. */
    struct candor_error unused = {0};
    if (code == CANDOR_OK && !*fresh && !rebooted)
        (void)open_state(node, &unused);
    uint64_t durable_seq = 0;
    if (code == CANDOR_OK)
        code = known_durable(node, rebooted, &durable_seq, err);
    if (code == CANDOR_OK)
        code = open_log(node, durable_seq, err);
    if (code == CANDOR_OK && *fresh && log_last(node->log) > 0)
        code = contradiction(err, "there is a log, but no hard_state beside it",
                             log_first(node->log), log_last(node->log));
    if (code == CANDOR_OK && rebooted) {
        log_warn("state_rebuild", "why=\"the machine went down while this node ran\"");
        code = state_rebuild(node->state_dir, err);
    }
    if (code == CANDOR_OK)
        code = open_sound_state(node, err);
    if (code == CANDOR_OK)
        code = join_log(node, err);
    if (code == CANDOR_OK)
        code = check_known_commit(node, rebooted, err);
    if (code == CANDOR_OK)
        code = replay(node, err);
    return code;
}

/* What the others have come to, as this node heard it (R62). A damaged file is no damage of what it promised itself. */
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
    enum candor_code code = recover_disk(node, &fresh, err);
    /* Only now: until the state is sound again, the next start must see that the machine went down. */
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
    struct hard_state *hard = &node->writer.hard;
    struct candor_error err = {0};
    struct state_position position;
    state_position(node->state, &position);
    /* Everything of the log and the state is on the disk before the mark says so. */
    if (log_sync(node->log, &err) != CANDOR_OK || state_sync(node->state, &err) != CANDOR_OK) {
        log_error("not_clean", "what=\"%s\"", err.message);
        return;
    }
    hard->known_commit =
        min_u64(max_u64(hard->known_commit, node->writer.commit), position.applied.seq);
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
