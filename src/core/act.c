/* What a step gives the shell to do: actions, and the messages in them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/act.h"

#include "core/who.h"

struct core_action *act_new(struct core *core, enum core_action_type type)
{
    struct core_actions *actions = core->actions;
    memory_grow(actions->list, actions->capacity, actions->count + 1);
    struct core_action *action = &actions->list[actions->count++];
    action->type = type;
    return action;
}

void core_actions_free(struct core_actions *actions)
{
    free(actions->list);
    *actions = (struct core_actions){0};
}

struct core_msg *act_message(struct core *core, enum core_msg_type type)
{
    uint32_t made = core->out.capacity;
    memory_grow(core->out.messages, core->out.capacity, core->out.count + 1);
    for (; made < core->out.capacity; made++)
        core->out.messages[made] = memory_alloc(sizeof(struct core_msg));
    struct core_msg *msg = core->out.messages[core->out.count++];
    memset(msg, 0, sizeof *msg);
    msg->type = type;
    msg->header = (struct core_header){
        .cluster_id = core->cluster_id,
        .config_hash = core->config.config_hash,
        .node = core->config.self,
        .store_id = core->store_id,
        .boot = core->boot,
        .epoch = who_shown_epoch(core),
    };
    return msg;
}

void act_publish(struct core *core, struct core_msg *msg)
{
    act_new(core, CORE_ACTION_PUBLISH)->publish.msg = msg;
}

uint64_t act_call(struct core *core, struct candor_node_id peer, struct core_msg *msg)
{
    uint64_t nonce = core->next_nonce++;
    act_new(core, CORE_ACTION_CALL)->call =
        (struct core_action_call){.peer = peer, .nonce = nonce, .msg = msg};
    return nonce;
}

void act_answer(struct core *core, uint64_t ticket, struct core_msg *msg)
{
    act_new(core, CORE_ACTION_ANSWER)->answer =
        (struct core_action_answer){.ticket = ticket, .msg = msg};
}

/* Field by field: a struct assigned whole would write the whole text. */
static struct core_action_finish *new_finish(struct core *core, uint64_t ticket,
                                             enum candor_code code, enum candor_reason reason,
                                             struct candor_pos pos)
{
    ASSERT(ticket != 0);
    struct core_action_finish *finish = &act_new(core, CORE_ACTION_FINISH)->finish;
    finish->ticket = ticket;
    finish->code = code;
    finish->reason = reason;
    finish->pos = pos;
    finish->ack = CANDOR_ACK_NONE;
    finish->text[0] = '\0';
    return finish;
}

void act_finish(struct core *core, uint64_t ticket, enum candor_code code,
                enum candor_reason reason, struct candor_pos pos, enum candor_ack ack)
{
    new_finish(core, ticket, code, reason, pos)->ack = ack;
}

struct core_action_finish *act_finish_text(struct core *core, uint64_t ticket,
                                           enum candor_code code, enum candor_reason reason,
                                           struct candor_pos pos, const char *format, ...)
{
    struct core_action_finish *finish = new_finish(core, ticket, code, reason, pos);
    va_list args;
    va_start(args, format);
    vsnprintf(finish->text, sizeof finish->text, format, args);
    va_end(args);
    return finish;
}

void act_log(struct core *core, enum log_level level, const char *format, ...)
{
    struct core_action *action = act_new(core, CORE_ACTION_LOG);
    action->log.level = level;
    va_list args;
    va_start(args, format);
    vsnprintf(action->log.text, sizeof action->log.text, format, args);
    va_end(args);
}
