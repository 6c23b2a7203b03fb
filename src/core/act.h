/* What a step gives the shell to do: actions, and the messages in them. */
#ifndef CORE_ACT_H
#define CORE_ACT_H

#include "core/state.h"

/* The type alone is set, and the caller fills in what belongs to it: a step makes many, and most of
 * an action is room for a text that few have. */
struct core_action *act_new(struct core *core, enum core_action_type type);
/* header filled; lives to the next step */
struct core_msg *act_message(struct core *core, enum core_msg_type type);
void act_publish(struct core *core, struct core_msg *msg);
/* returns the nonce */
uint64_t act_call(struct core *core, struct candor_node_id peer, struct core_msg *msg);
void act_answer(struct core *core, uint64_t ticket, struct core_msg *msg);
void act_finish(struct core *core, uint64_t ticket, enum candor_code code,
                enum candor_reason reason, struct candor_pos pos, enum candor_ack ack);
/* returns it, for what else belongs to it */
__attribute__((format(printf, 6, 7))) struct core_action_finish *
act_finish_text(struct core *core, uint64_t ticket, enum candor_code code,
                enum candor_reason reason, struct candor_pos pos, const char *format, ...);
__attribute__((format(printf, 3, 4))) void act_log(struct core *core, enum log_level level,
                                                   const char *format, ...);

#endif
