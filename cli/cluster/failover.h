/* Changes of primary, put together from what every node saw: what `kvctl failover` shows. */
#ifndef CLI_FAILOVER_H
#define CLI_FAILOVER_H

#include <candor/types.h>

#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/frame/node_call.h"

/* What one node saw of one failover. */
struct sighting {
    const char *node;
    const Candor__V1__Failover *seen;
};

/* An archive that a node superseded by it. */
struct discarded {
    const char *node;
    const Candor__V1__RollbackArchive *archive;
};

/* One failover. */
struct incident {
    struct candor_epoch epoch;
    struct candor_epoch previous;  /* term 0: nobody knows */
    const struct sighting *opener; /* NULL: it does not answer, or was restarted since */
    size_t sighting_count;
    struct sighting sightings[LIMIT_NODES];
    size_t discarded_count;
    struct discarded discarded[LIMIT_NODES];
    uint64_t local;  /* of all archives */
    uint64_t writes; /* likewise */
};

struct failover_report {
    size_t node_count;
    struct node_answer failovers[LIMIT_NODES];
    struct node_answer archives[LIMIT_NODES];
    size_t count;
    struct incident *incidents; /* oldest first */
};

/* Asks all nodes. False after a report: no node answers, or there is none to ask. `report` is to be
 * freed in either case. */
bool failover_gather(struct command_context *ctx, struct failover_report *report, int *status);
void failover_report_free(struct failover_report *report);

/* "election", "founding" ...; "unknown" where nobody says. */
const char *failover_cause(const struct incident *incident);
/* False of a founding: a new cluster had no primary to fail. */
bool failover_had_primary(const struct incident *incident);
/* NULL has none. */
bool failover_has_gap(const struct sighting *sighting);
/* The wall clock of the new primary; of whoever saw it first where that one is silent. */
const struct sighting *failover_dated_by(const struct incident *incident);
/* The old primary is elsewhere and has not said that it follows: what it holds alone may still be
 * discarded. */
bool failover_old_primary_is_out(const struct incident *incident);

json_t *failover_json(const struct failover_report *report, const struct incident *incident);

#endif
