/* The inside of the framework: what command*.c share. Commands use command.h alone. */
#ifndef CLI_CONTEXT_H
#define CLI_CONTEXT_H

#include <stdatomic.h>

#include <candor/client.h>

#include "cli/frame/command.h"
#include "cli/frame/place.h"
#include "topology/topology.h"

#define OPTIONS_MAX 256 /* options on one command line; more: a usage error */
#define SPECS_MAX 64    /* options that one command may be given */

struct parsed_option {
    const struct option_spec *spec;
    const char *value;
};

struct command_context {
    const struct command *command; /* NULL: none was found yet */
    const struct command_defaults *defaults;
    size_t option_count;
    struct parsed_option options[OPTIONS_MAX];
    bool json;
    bool quiet;
    bool help;
    bool input_taken;          /* standard input, by this command */
    uint64_t deadline_ms;      /* 0: not given */
    json_t *errors;            /* reported under -o json and not printed yet; NULL: none */
    _Atomic(char *) violation; /* likewise, the first one: any thread sets it */

    struct place place;    /* where neither --topology nor --endpoint is given */
    size_t endpoint_count; /* 0: a topology names the nodes */
    const char *endpoints[LIMIT_NODES];
    char *endpoint_text; /* of --endpoint, cut into them; NULL: not given */

    struct topology *topology; /* NULL: not loaded */
    char topology_path[RUN_PATH_BYTES];
    struct candor_client *client;
};

/* Whether argv asks for -o json or --quiet, before anything of it is checked: errors are printed
 * the way that was asked for. */
void context_look_for_output(struct command_context *ctx, int argc, char **argv);
/* Parses options out of argv; operands are moved to the front and *argc becomes their number. False
 * after a report. */
bool context_parse(struct command_context *ctx, int *argc, char **argv);
/* The option of every command that `word` names; NULL: none. `*next`: its value is the next
 * word. */
const struct option_spec *common_option(const char *word, bool *next);
/* What to say of an option that the command (NULL: whichever it is) does not have; NULL: nobody
 * knows what was meant. */
const char *option_meant(const struct command *command, const char *word, char *room,
                         size_t room_bytes);
/* The usage error of a command that does not exist; `family` is the first of two words, or NULL. */
int command_mistyped(struct command_context *ctx, const char *family, const char *word);
/* Whether the common option applies to the command. */
bool common_applies(const struct command *command, const struct option_spec *spec);
void context_free(struct command_context *ctx);

/* Help, to stdout, as text or JSON. */
void help_all(struct command_context *ctx);
void help_family(struct command_context *ctx,
                 const char *word); /* the commands that begin with `word` */
void help_command(struct command_context *ctx, const struct command *command);

#endif
