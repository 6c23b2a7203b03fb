/* What writing commands share: --ack, sessions, and what is told of a write. */
#ifndef CLI_WRITING_H
#define CLI_WRITING_H

#include <candor/client.h>

#include "cli/frame/command.h"
#include "cli/keys/reading.h"
#include "cli/keys/session.h"

#define WRITE_OPTIONS                                                                              \
    {"ack", 'a', "local|majority|all", false,                                                      \
     "How durable it must be before it is acknowledged; default: local"},                          \
        SESSION_OPTIONS,                                                                           \
    {                                                                                              \
        "no-redirect", 0, NULL, false, "Report a redirect instead of following it"                 \
    }

#define TTL_OPTION                                                                                 \
    {                                                                                              \
        "ttl", 0, "DURATION", false,                                                               \
            "The key is there for so long, as in 30s, then it is deleted; default: for ever"       \
    }

/* A write to be made, with what it needs in `closure`. */
struct writing {
    enum candor_code (*call)(struct candor_client *client,
                             const struct candor_write_options *options,
                             struct candor_result *result, void *closure);
    /* Prints what it gave, when it returned OK. Returns the exit status. */
    int (*tell)(struct command_context *ctx, const struct candor_result *result, void *closure);
    void *closure;
    /* The key as the command line has it, for errors; NULL: it is of several. */
    const char *key;
    bool takes_ttl; /* the command has TTL_OPTION */
    /* What to do after an error, where the command knows better; it, or what it gives, may be
     * NULL. */
    const char *(*hint)(const struct candor_error *error);
};

/* What --ack says. */
struct candor_write_options write_options(const struct command_context *ctx);
/* How large a batch of many writes is at best: a part of the largest message. */
size_t write_batch_bytes(struct command_context *ctx);

/* Makes it, within the session of --session. Returns the exit status. */
int write_run(struct command_context *ctx, const struct writing *writing);

/* "seq 7, epoch 3, LOCAL", and whether it was done before; no newline. */
void print_position(const struct candor_result *result);
/* Warns of lost writes. */
void note_lost(struct command_context *ctx, const struct candor_result *result);
/* Adds "pos", "ack", "replayed", "token" and what json_set_answer() adds. */
void json_set_written(json_t *object, const struct candor_result *result);
const char *ack_text(enum candor_ack ack);

#endif
