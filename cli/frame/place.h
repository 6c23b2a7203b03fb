/* Which cluster a command means. The first of these that names one counts: the command line, the
 * shell's options, $CANDOR_CONTEXT, $CANDOR_ENDPOINTS, $CANDOR_TOPOLOGY, the context in use, the
 * last `kvctl up`. */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "cli/frame/command.h"
#include "cli/frame/contexts.h"

struct place {
    char topology[RUN_PATH_BYTES]; /* "": none */
    char *endpoints;               /* a list; NULL: none. Owned. Neither: nothing names a cluster */
    char source[128];              /* "$CANDOR_ENDPOINTS", for errors */
};

/* By the command line's --context (NULL: none is given), or by what is behind it. False: `why` says
 * what is wrong with the context. place_free() in either case. */
bool place_find(const struct command_defaults *defaults, const char *context, struct place *out,
                struct contexts_problem *why);
void place_free(struct place *place);

#endif
