/* A node whose state is damaged is started again, so that it is made anew from its checkpoint and
 * its log: by this process itself, which becomes a new kvd under the same number, so that it
 * happens with and without a supervisor. */
#ifndef CLI_KVD_RESTART_H
#define CLI_KVD_RESTART_H

#include <candor/status.h>

/* main()'s, kept. From its thread, before others start. */
void kvd_restart_prepare(char **argv);
/* Becomes a new kvd with the same command line. Returns when that cannot be. */
void kvd_restart(void);
/* struct node_options' `fatal`: returns when a new start would not help. */
void kvd_restart_on_damage(void *closure, const struct candor_error *err);

#endif
