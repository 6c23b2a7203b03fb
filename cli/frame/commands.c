/* The registry: every command that commands.def names. */
#include "cli/frame/command.h"

#define COMMAND(name) extern const struct command command_##name;
#include "cli/frame/commands.def"
#undef COMMAND

const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "cli/frame/commands.def"
#undef COMMAND
    NULL,
};
