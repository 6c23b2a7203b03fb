/* Named contexts: which cluster is meant, by a name, in $XDG_CONFIG_HOME/candor/contexts (default
 * ~/.config). Lines: `use = NAME`, and below a line `[NAME]` those of one context. It is written
 * whole, by one rename, and read with suspicion: who may write it says where keys and values go.
 * The path to a secret has a place in it, a secret has none. */
#ifndef CLI_CONTEXTS_H
#define CLI_CONTEXTS_H

#include "cli/frame/contexts_read.h"

/* Without a file, or a home to have one: none. False: it may not be used, `why` says so.
 * contexts_free() in either case. */
bool contexts_load(struct contexts *out, struct contexts_problem *why);
void contexts_free(struct contexts *contexts);
/* Loads the file and keeps others from changing it until contexts_close(); makes its folder. */
bool contexts_open(struct contexts *out, int *lock_fd, struct contexts_problem *why);
/* Replaces the file. */
bool contexts_store(const struct contexts *contexts, struct contexts_problem *why);
void contexts_close(struct contexts *contexts, int lock_fd);
void contexts_remove(struct contexts *contexts, const struct named_context *context);

#endif
