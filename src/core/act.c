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
    memset(action, 0, offsetof(struct core_action, text));
    action->text[0] = '\0';
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
    act_new(core, CORE_ACTION_PUBLISH)->msg = msg;
}

uint64_t act_call(struct core *core, struct candor_node_id peer, struct core_msg *msg)
{
    struct core_action *action = act_new(core, CORE_ACTION_CALL);
    action->peer = peer;
    action->nonce = core->next_nonce++;
    action->msg = msg;
    return action->nonce;
}

void act_answer(struct core *core, uint64_t ticket, struct core_msg *msg)
{
    struct core_action *action = act_new(core, CORE_ACTION_ANSWER);
    action->ticket = ticket;
    action->msg = msg;
}

void act_finish(struct core *core, uint64_t ticket, enum candor_code code,
                enum candor_reason reason, struct candor_pos pos, enum candor_ack ack)
{
    ASSERT(ticket != 0);
    struct core_action *action = act_new(core, CORE_ACTION_FINISH);
    action->ticket = ticket;
    action->code = code;
    action->reason = reason;
    action->pos = pos;
    action->ack = ack;
}

void act_finish_text(struct core *core, uint64_t ticket, enum candor_code code,
                     enum candor_reason reason, struct candor_pos pos, const char *format, ...)
{
    act_finish(core, ticket, code, reason, pos, CANDOR_ACK_NONE);
    char *text = core->actions->list[core->actions->count - 1].text;
    va_list args;
    va_start(args, format);
    vsnprintf(text, CORE_TEXT_BYTES, format, args);
    va_end(args);
}

void act_log(struct core *core, enum log_level level, const char *format, ...)
{
    struct core_action *action = act_new(core, CORE_ACTION_LOG);
    action->seq = (uint64_t)level;
    va_list args;
    va_start(args, format);
    vsnprintf(action->text, sizeof action->text, format, args);
    va_end(args);
}
