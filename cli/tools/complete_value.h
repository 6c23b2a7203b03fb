/* What the value of an option, or an operand, may be: by the kind that the table gives it. */
#ifndef CLI_COMPLETE_VALUE_H
#define CLI_COMPLETE_VALUE_H

#include "cli/frame/command.h"
#include "cli/tools/complete_list.h"

/* Adds what begins with `prefix` to `out`, or says that it is a path. `where`: which cluster is
 * meant. Quiet: what cannot be read or asked in time offers nothing. */
void complete_value(const struct command_defaults *where, const char *kind, const char *prefix,
                    struct completion *out);

/* The topology file that commands find without options (written to `room`). NULL: none, or they ask
 * at addresses. */
const char *usual_topology_path(const struct command_defaults *defaults, char room[RUN_PATH_BYTES]);

#endif
