/* The registry: every command, by group, in the order of `kvctl --help`. */
#include "cli/command.h"

const struct command *const commands[] = {
    NULL,
};
