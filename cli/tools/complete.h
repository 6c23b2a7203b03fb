/* What may stand at the end of a command line: read from the registry, as help and parsing are.
 * Threads: the main thread. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "cli/frame/command.h"

enum complete_kind {
    COMPLETE_WORDS, /* one of `list` */
    COMPLETE_FILES, /* a path */
};

struct completion {
    enum complete_kind kind;
    size_t count;
    char **list; /* ascending, each once; owned */
};

/* `words` stand before the one at hand, which begins with `prefix` ("": nothing was typed yet).
 * `own` are commands that the registry does not have (the shell's); ends with NULL. The list holds
 * what begins with the prefix. */
void complete_line(const struct command_defaults *defaults, const char *const *own, size_t count,
                   const char *const *words, const char *prefix, struct completion *out);
void completion_free(struct completion *completion);

/* The topology file that commands find without options (written to `room`). NULL: none, or they ask
 * at addresses. */
const char *usual_topology_path(const struct command_defaults *defaults, char room[RUN_PATH_BYTES]);

/* Ids of the topology's nodes; none when there is no topology. For operands and options of kind
 * "NODE". */
void complete_nodes(const struct command_defaults *defaults, struct completion *out);
/* Those that are up. */
void complete_clusters(struct completion *out);

/* What the n-th operand of `args` ("NODE NODE", "[FILE]", "KEY...") is called: "NODE". "": there is
 * no such operand. */
#define OPERAND_BYTES 64
char *operand_kind(const char *args, size_t n, char out[OPERAND_BYTES]);

#endif
