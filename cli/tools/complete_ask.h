/* What another command of kvctl says, for completion. */
#ifndef CLI_COMPLETE_ASK_H
#define CLI_COMPLETE_ASK_H

#include "cli/frame/command.h"

/* Runs kvctl itself with the words of `command` (ends with NULL) and -o json, in a process of its
 * own and for a short time: whoever presses TAB waits for it. Its document; NULL: there is none. */
json_t *complete_ask(const struct command_defaults *where, const char *const *command);

#endif
