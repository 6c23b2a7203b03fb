/* Contexts, and the text of their file, read line by line. */
#ifndef CLI_CONTEXTS_READ_H
#define CLI_CONTEXTS_READ_H

#include <stdbool.h>
#include <stddef.h>

#define CONTEXT_NAME_BYTES 64   /* with the terminator */
#define CONTEXTS_MAX 256        /* in the file */
#define CONTEXT_PATH_BYTES 1024 /* of a path in it */
#define CONTEXT_LIST_BYTES 4608 /* addresses of all nodes of a cluster */

struct named_context {
    char name[CONTEXT_NAME_BYTES];
    char topology[CONTEXT_PATH_BYTES];    /* absolute; "": addresses are asked */
    char endpoints[CONTEXT_LIST_BYTES];   /* apart by commas; "": there is a topology */
    char secret_file[CONTEXT_PATH_BYTES]; /* absolute; "": none */
};

struct contexts {
    char path[CONTEXT_PATH_BYTES];
    char use[CONTEXT_NAME_BYTES]; /* "": none */
    size_t count;
    struct named_context *list; /* by name */
};

struct contexts_problem {
    char what[1400]; /* "/home/me/.config/candor/contexts:3: ..." */
    char hint[256];
};

/* NULL: there is none of this name. */
struct named_context *contexts_find(const struct contexts *contexts, const char *name);
/* A new one, in its place; its name is not there yet. NULL: there are too many. */
struct named_context *contexts_add(struct contexts *contexts, const char *name);

/* Letters, digits, '.', '_' and '-', a letter or digit in front. */
bool context_name_check(const char *name, struct contexts_problem *why);

/* Adds what `text` (terminated, of `length` bytes) says to `out`, whose path stands in the message.
 * False: `why` names the line. */
bool contexts_read(char *text, size_t length, struct contexts *out, struct contexts_problem *why);

#endif
