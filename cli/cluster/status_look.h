/* One look at all nodes: what each says of itself, asked at the same time. */
#ifndef CLI_STATUS_LOOK_H
#define CLI_STATUS_LOOK_H

#include "cli/cluster/drift.h"
#include "cli/frame/node_call.h"

#define STATUS_DEADLINE_MS 1000

struct status_look {
    size_t count;
    struct node_row rows[LIMIT_NODES];
    struct drift drift;
    uint64_t at_ns;            /* when it was done */
    double rates[LIMIT_NODES]; /* records applied in a second; less than 0: not known */
};

/* Asks; the rates are not known. Malloc'd. Any thread. */
struct status_look *status_look(const struct node_target *targets, size_t count,
                                uint32_t deadline_ms);
/* The rates since an earlier look at the same targets (NULL: none). */
void status_rate(struct status_look *look, const struct status_look *before);
/* Whether the n-th node answered. */
bool status_reached(const struct status_look *look, size_t n);
/* EXIT_DONE, or EXIT_UNAVAILABLE where no node answered. */
int status_outcome(const struct status_look *look);
/* What the columns of a table do not show: printed below them. */
void status_remarks(const struct status_look *look, FILE *to);
/* The object of `kvctl status -o json`. */
json_t *status_json(const struct status_look *look);

#endif
