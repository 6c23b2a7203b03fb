/* Log and state of a data directory, opened and made to agree (docs/architecture.md). */
#include "node/store/recover.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/types.h"
#include "disk/disk.h"
#include "log/hard_state.h"
#include "log/log.h"
#include "node/shared/node_state.h"
#include "node/store/identity.h"
#include "node/store/writer_state.h"
#include "record/batch.h"
#include "state/state.h"
#include "topology/topology.h"

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

/* An install leaves a checkpoint of its state, so that it may be ahead of a log that is not reset
 * yet. RESOURCE_EXHAUSTED: it could not be looked at. */
static enum candor_code is_installed(const struct node *node, struct candor_pos applied,
                                     bool *installed, struct candor_error *err)
{
    struct state_checkpoint checkpoint;
    enum candor_code code = state_checkpoint_find(node->state_dir, &checkpoint, err);
    *installed = code == CANDOR_OK && pos_equal(checkpoint.pos, applied);
    return code == CANDOR_RESOURCE_EXHAUSTED ? code : CANDOR_OK;
}

/* R65: up to where the log must reach. A state that is there outlived no machine: whatever it
 * applied was written to the log before. */
static enum candor_code known_durable(struct node *node, bool rebooted, uint64_t *seq,
                                      struct candor_error *err)
{
    const struct hard_state *hard = &node->writer->hard;
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

/* Whether the newest checkpoint and the log together make the state: only then may the state be
 * thrown away. */
static enum candor_code can_rebuild(const struct node *node, bool *can, struct candor_error *err)
{
    struct state_checkpoint checkpoint = {0};
    struct candor_error why = {0};
    enum candor_code code = state_checkpoint_find(node->state_dir, &checkpoint, &why);
    /* without one: from the beginning */
    bool known = code == CANDOR_OK || code == CANDOR_NOT_FOUND;
    *can = known && log_last(node->log) > 0 && log_first(node->log) <= checkpoint.pos.seq + 1 &&
           log_last(node->log) >= checkpoint.pos.seq;
    return known || code == CANDOR_DATA_LOSS
               ? CANDOR_OK
               : candor_error_set(err, code, why.reason, "%s", why.message);
}

/* R54: opens the state; a damaged one is made anew, as after the loss of the machine. The log alone
 * is the truth. */
static enum candor_code open_sound_state(struct node *node, struct candor_error *err)
{
    bool can;
    struct candor_error why = {0};
    enum candor_code code = node->state != NULL ? CANDOR_OK : open_state(node, &why);
    bool rotten = code == CANDOR_DATA_LOSS && !disk_sync_has_failed(); /* R3 */
    if (rotten && can_rebuild(node, &can, &why) == CANDOR_OK && can) {
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

static enum candor_code epoch_of_record(struct node *node, uint64_t seq, struct candor_epoch *out,
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

/* Whether the log holds the records that the state applied, as far as both reach (R55). A log that
 * begins behind the state: epochs never go back, so what stands there in an older epoch cannot
 * continue it. */
static enum candor_code log_continues(struct node *node, const struct state_position *position,
                                      bool *continues, struct candor_error *err)
{
    uint64_t first = log_first(node->log);
    uint64_t last = log_last(node->log);
    struct candor_pos applied = position->applied;
    struct chain chain = {0};
    struct candor_epoch epoch = {0};
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

/* Makes the log one that the state's position can be continued from. A crash while a snapshot was
 * installed leaves the log of what was there before: longer, or shorter, or beginning behind it. It
 * may go, for the checkpoint of the install is durable; nothing else explains such a log (R66). */
static enum candor_code join_log(struct node *node, struct candor_error *err)
{
    struct state_position position;
    state_position(node->state, &position);
    struct candor_pos applied = position.applied;
    uint64_t first = log_first(node->log);
    uint64_t last = log_last(node->log);
    bool continues = false;
    bool installed = false;
    enum candor_code code = log_continues(node, &position, &continues, err);
    /* A rollback that was cut short: a later loss of the machine must not begin from what it took
     * back. */
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
            code = state_apply(node->state, buffer_slice(&batches), node->writer->hard.known_commit,
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

/* What the node promised to hold must be there. Only a weaker durability may lose it, with the
 * machine. */
static enum candor_code check_known_commit(struct node *node, bool rebooted,
                                           struct candor_error *err)
{
    struct hard_state *hard = &node->writer->hard;
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

enum candor_code recover_log_and_state(struct node *node, bool *fresh, struct candor_error *err)
{
    bool rebooted;
    enum candor_code code = identity_load(node, fresh, &rebooted, err);
    /* The state first: it knows what the log must hold. One that is damaged is looked at again
     * below. */
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
