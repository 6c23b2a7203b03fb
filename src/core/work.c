/* The writer's work: it answers in the order in which it was given. */
#include <stdlib.h>

#include "core/work.h"

#include "core/act.h"

bool work_is_append(enum core_action_type type)
{
    return type == CORE_ACTION_APPEND || type == CORE_ACTION_WRITE || type == CORE_ACTION_EXPIRE ||
           type == CORE_ACTION_EPOCH_START || type == CORE_ACTION_MEMBERS;
}

struct core_action *work_give(struct core *core, enum core_action_type type)
{
    if (core->writer.owed.count == 0)
        core->writer.since_ns = core->now_ns;
    *(enum core_action_type *)ring_push(&core->writer.owed) = type;
    core->writer.appends += work_is_append(type);
    return act_new(core, type);
}

/* The writer answers in order: what it answers is the oldest of what it was given. */
enum core_action_type work_answered(struct core *core)
{
    enum core_action_type type;
    ring_pop(&core->writer.owed, &type);
    core->writer.appends -= work_is_append(type);
    core->writer.append_broken = core->writer.append_broken && core->writer.appends > 0;
    core->writer.since_ns = core->now_ns;
    return type;
}

void work_save_hard_state(struct core *core)
{
    core->hard.version++;
    work_give(core, CORE_ACTION_SAVE)->save = (struct core_action_save){
        .cluster_id = core->cluster_id,
        .epoch = core->epoch,
        .commit = core->log.commit,
        .forked = core->fork.forked,
    };
}
