/* What a header teaches: the cluster, and higher epochs (R7, R53). */
#include "core/epoch.h"

#include "core/act.h"
#include "core/become.h"
#include "core/stand.h"
#include "core/who.h"
#include "core/work.h"

/* The blank belong to whoever they hear of last, durably. */
void epoch_take_cluster(struct core *core, uint64_t cluster_id)
{
    if (!who_is_blank(core) || cluster_id == 0 || cluster_id == core->cluster_id)
        return;
    core->cluster_id = cluster_id;
    act_log(core, LOG_LEVEL_INFO, "joining cluster=%016" PRIx64, core->cluster_id);
    work_save_hard_state(core);
}

/* A heartbeat proves that the cluster is founded. */
void epoch_founded(struct core *core)
{
    if (!core->stand.founding)
        return;
    core->stand.founding = false;
    become_withdrawn(core);
    stand_plan(core);
}

const char *epoch_impossible(struct core *core, const struct candor_epoch *epoch)
{
    bool known =
        who_peer(core, epoch->owner) != NULL || node_id_equal(epoch->owner, core->config.self);
    if (mutated(core, STEP_UNBOUNDED))
        return NULL;
    if (!known)
        return "its owner is no node of this topology";
    if (epoch->term >= LIMIT_EPOCH_END || epoch->generation >= LIMIT_EPOCH_END)
        return "its counters are at their end";
    bool near = epoch->term <= core->epoch.term + LIMIT_EPOCH_STEP &&
                epoch->generation <= core->epoch.generation + LIMIT_EPOCH_STEP;
    return near || who_is_blank(core) ? NULL : "no elections can have got so far";
}

static void note_refused_epoch(struct core *core, struct peer *peer,
                               const struct candor_epoch *epoch, const char *why)
{
    char theirs[EPOCH_TEXT_BYTES];
    char ours[EPOCH_TEXT_BYTES];
    if (peer->epoch_logged)
        return;
    peer->epoch_logged = true;
    act_log(core, LOG_LEVEL_WARN,
            "epoch_refused from=%s epoch=%s known=%s why=\"%s\" way_out=\"whose epochs are "
            "wrong? remove that node's data directory, it copies the others'\"",
            peer->id.text, epoch_text(*epoch, theirs), epoch_text(core->epoch, ours), why);
}

/* False: the message names an epoch that cannot be: nothing of it counts (R53). */
bool epoch_learn(struct core *core, struct peer *peer, const struct core_header *header)
{
    if (header->cluster_id == 0 || epoch_compare(header->epoch, core->epoch) <= 0)
        return true;
    const char *why = epoch_impossible(core, &header->epoch);
    if (why != NULL) {
        note_refused_epoch(core, peer, &header->epoch, why);
        return false;
    }
    epoch_take_cluster(core, header->cluster_id);
    become_adopt(core, header->epoch);
    return true;
}
