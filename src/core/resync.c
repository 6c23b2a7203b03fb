/* Snapshots at a replica (R14). */
#include "core/resync.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/digests.h"
#include "core/evidence.h"
#include "core/follow.h"
#include "core/log_time.h"
#include "core/room.h"
#include "core/stand.h"
#include "core/who.h"
#include "core/work.h"

/* `least_seq`: where it must stand at least, so that no records have to be given up for it. */
void resync_fetch(struct core *core, uint64_t least_seq)
{
    core->follow.attach = ATTACH_DOWNLOADING;
    act_new(core, CORE_ACTION_FETCH_SNAPSHOT)->fetch_snapshot = (struct core_action_fetch_snapshot){
        .peer = core->epoch.owner,
        .epoch = core->epoch,
        .seq = least_seq,
    };
}

bool resync_take(struct core *core)
{
    if (core->phase != PHASE_FOLLOWER || core->follow.attach != ATTACH_DONE || !who_settled(core))
        return false;
    follow_detach(core);
    resync_fetch(core, core->log.last);
    return true;
}

/* Where the snapshot's history has forgotten this log's epochs (LIMIT_EPOCH_HISTORY), the snapshot
 * holds all that is committed here: every primary of one generation does. Of the rest nothing is
 * known, so it is archived. */
static uint64_t common_with(const struct core *core, const struct epoch_history *theirs,
                            struct candor_pos pos)
{
    struct candor_epoch own = epoch_history_at(&core->log.history, core->log.last);
    bool forgotten =
        theirs->count == LIMIT_EPOCH_HISTORY && epoch_compare(own, theirs->starts[0].epoch) < 0;
    if (forgotten && own.generation == pos.epoch.generation)
        return core->log.commit;
    return epoch_history_common(&core->log.history, core->log.last, theirs, pos.seq);
}

void resync_ready(struct core *core, const struct core_event *event)
{
    /* dropped already */
    if (core->follow.attach != ATTACH_DOWNLOADING)
        return;
    struct candor_pos pos = event->snapshot.pos;
    bool cut_here = epoch_equal(pos.epoch, core->epoch) || mutated(core, SNAPSHOT_ANY_EPOCH);
    uint64_t common = common_with(core, event->snapshot.history, pos);
    /* Two branches of one epoch look alike in their histories (R56). */
    common = min_u64(common, core->fork.shared_seq);
    /* An old one: the own log goes beyond it. Or holds just that, and is to be replaced all the
     * same (R67). */
    bool held_already = core->log.last > 0 && common == pos.seq &&
                        !(core->doubt.healing && pos.seq == core->log.last);
    if (!cut_here || held_already || pos.seq < core->follow.match || !who_settled(core)) {
        act_new(core, CORE_ACTION_DROP_SNAPSHOT);
        follow_retry(core);
        return;
    }
    if (common < core->log.commit && !core->fork.accepting && !mutated(core, TRUNCATE_COMMITTED)) {
        act_new(core, CORE_ACTION_DROP_SNAPSHOT);
        follow_fork(core, common);
        return;
    }
    core->follow.attach = ATTACH_INSTALLING;
    work_give(core, CORE_ACTION_INSTALL)->cut =
        (struct core_action_cut){.seq = common, .epoch = core->epoch};
}

void resync_failed(struct core *core)
{
    if (core->follow.attach == ATTACH_DOWNLOADING)
        follow_retry(core);
}

void resync_installed(struct core *core, const struct core_event *event)
{
    ASSERT(core->follow.attach == ATTACH_INSTALLING);
    core->follow.attach = ATTACH_NONE;
    if (event->snapshot.code != CANDOR_OK) {
        follow_retry(core);
        return;
    }
    core->log.last = core->log.durable = event->snapshot.pos.seq;
    core->log.first = core->log.last + 1;
    core->log.rewinds = event->snapshot.rewinds;
    digests_restart(core, core->log.last, event->snapshot.digest);
    chain_note(core, core->log.last, event->snapshot.chain);
    digests_healed(core);
    room_note(core, false);
    bool gave_up = core->fork.accepting;
    core->log.commit = gave_up ? event->snapshot.undo_floor
                               : max_u64(core->log.commit, event->snapshot.undo_floor);
    seq_bits_clear(&core->log.local,
                   core->log.commit); /* what the snapshot holds is not in the log */
    core->cluster_id = event->snapshot.cluster_id;
    epoch_history_copy(&core->log.history, event->snapshot.history);
    core->log.members = *event->snapshot.members;
    core->log.pending_member_count = 0;
    evidence_forget(core);
    log_time_told(core, event->snapshot.pos.epoch, event->snapshot.log_ms);
    act_log(core, LOG_LEVEL_INFO, "snapshot_installed last=%" PRIu64, core->log.last);
    stand_plan(core);
}
