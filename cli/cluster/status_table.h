/* A look at all nodes, as a table: of `status`, `watch-status` and `top`. */
#ifndef CLI_STATUS_TABLE_H
#define CLI_STATUS_TABLE_H

#include "cli/cluster/status_look.h"

/* For the help of commands that print it. */
#define STATUS_COLUMNS                                                                             \
    "HEARD: how long ago the node heard its primary. MAX AGE: its data are no older, which is "    \
    "proven (a dash: nothing proves an age). APPLIED, PRIMARY and COMMIT are positions: what the " \
    "node has, what the primary has announced, what no election can take back. LAG: how many "     \
    "records it is behind."

/* Which columns, and in which order the rows come. All zero: those of `status`, as the topology has
 * the nodes. */
struct status_view {
    bool live;   /* the columns of `top`; those that do not fit the terminal are left out */
    size_t sort; /* by the n-th column of status_sort_name(); 0: the topology's order */
    bool reverse;
};

/* "node", "lag" ...; NULL beyond the last one. */
const char *status_sort_name(size_t n);
#define STATUS_SORT_NAMES "node|role|state|lag|age|heard|rate|applied|commit|risk|keys|epoch"

void status_print(const struct status_look *look, const struct status_view *view, FILE *to);

#endif
