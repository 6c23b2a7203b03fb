/* `--session FILE`: a session token kept over commands, as base64 in a file of one line. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <candor/client.h>

#include "cli/frame/command.h"

#define SESSION_OPTIONS                                                                            \
    {"session", 's', "FILE", false,                                                                \
     "Keep the session's token in FILE; it is made if missing and locked while the command runs"}, \
    {                                                                                              \
        "new-session", 0, NULL, false, "Begin the session of --session anew"                       \
    }

struct session {
    int fd; /* -1: none */
    const char *path;
};

/* Locks the file of --session, if given, and joins the client to its token. False after a
 * report. */
bool session_begin(struct command_context *ctx, struct candor_client *client,
                   struct session *session, int *status);
/* Writes the client's newest token and unlocks. When the file cannot be written, says so behind
 * what became of the command; EXIT_SESSION when that was done, else `status`. */
int session_end(struct command_context *ctx, struct candor_client *client, struct session *session,
                int status);

#endif
