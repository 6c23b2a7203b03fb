/* A node whose data directory is damaged beyond what checkpoint and log can make good, and whose
 * cluster goes on without it: it puts the directory aside and comes back with a blank one, which
 * takes everything from the others (R4, R67). */
#ifndef CLI_KVD_REJOIN_H
#define CLI_KVD_REJOIN_H

#include <stdbool.h>

#include <candor/status.h>

#include "topology/topology.h"

/* Asks the others for a while, until a majority of the voters without this node is FRESH under one
 * primary; then renames `data` to `data`.damaged. True: it did, and the process is to start again.
 * False: nothing was changed; the log says why not. */
bool kvd_rejoin_prepare(const struct topology *topology, const struct topology_node *self,
                        const char *data, const struct candor_error *damage);

#endif
