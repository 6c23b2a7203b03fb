/* The inside of `kvctl shell`: what shell*.c share. */
#ifndef CLI_SHELL_H
#define CLI_SHELL_H

#include "cli/frame/command.h"
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

/* A line that was cut into words. Owned. */
struct shell_words {
    int count;
    char **list; /* list[count] is NULL */
};
enum shell_split { SHELL_SPLIT_DONE, SHELL_SPLIT_OPEN, SHELL_SPLIT_TOO_LONG };

/* Quotes as in sh: '...', "...", \x. A word that begins with # ends the line. OPEN: a quote is not
 * closed, or the last byte is a backslash: the next line belongs to it. */
enum shell_split shell_split(const char *line, struct shell_words *out);
void shell_words_free(struct shell_words *words);

/* The topology that commands use at this moment: `up` may have changed it. False: none, or it
 * cannot be used. */
bool shell_topology(const struct shell *shell, struct topology *out);

/* Runs one command line; its status. */
int shell_run(struct shell *shell, const struct shell_words *words);

/* Lines of a terminal. */
int shell_interactive(struct shell *shell);

#endif
