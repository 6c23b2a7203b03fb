/* The inside of `kvctl shell`: what shell*.c share. */
#ifndef CLI_SHELL_H
#define CLI_SHELL_H

#include "cli/frame/command.h"
#include "cli/frame/shell_words.h"
#include "topology/topology.h"

struct shell {
    struct command_context *ctx; /* of `kvctl shell` itself */
    struct command_defaults defaults;
    char node[64]; /* of `use`; "": any. defaults.node points here */
    bool keep_going;
    bool ended; /* exit was said */
    int status; /* of the shell: the first failure of a script, or what exit said */
};

/* Commands of the shell alone; ends with NULL. */
extern const char *const shell_commands[];

/* The topology that commands use at this moment: `up` may have changed it. False: none, or it
 * cannot be used. */
bool shell_topology(const struct shell *shell, struct topology *out);

/* Runs one command line; its status. */
int shell_run(struct shell *shell, const struct shell_words *words);

/* Lines of a terminal. */
int shell_interactive(struct shell *shell);

#endif
