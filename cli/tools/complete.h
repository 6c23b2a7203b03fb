/* What may stand at the end of a command line: read from the registry, as help and parsing are.
 * Threads: the main thread. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "cli/frame/command.h"
#include "cli/tools/complete_list.h"

/* `words` stand before the one at hand, which begins with `prefix` ("": nothing was typed yet).
 * `own` are commands that the registry does not have (the shell's); ends with NULL. The list holds
 * what begins with the prefix. */
void complete_line(const struct command_defaults *defaults, const char *const *own, size_t count,
                   const char *const *words, const char *prefix, struct completion *out);

/* What the n-th operand of `args` ("NODE NODE", "[FILE]", "KEY...") is called: "NODE". "": there is
 * no such operand. */
#define OPERAND_BYTES 64
char *operand_kind(const char *args, size_t n, char out[OPERAND_BYTES]);

#endif
