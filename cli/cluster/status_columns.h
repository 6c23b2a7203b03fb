/* The columns of a look at all nodes. */
#ifndef CLI_STATUS_COLUMNS_H
#define CLI_STATUS_COLUMNS_H

#include "cli/cluster/status_look.h"

/* One row: the node, and where it stands in its look. */
struct status_line {
    const struct status_look *look;
    size_t n;
};

struct status_column {
    const char *name; /* of --sort; NULL: rows are not sorted by it */
    const char *header;
    enum table_align align;
    uint64_t (*key)(const struct status_line *line); /* ascending; NULL: as name */
    /* Of a node that answers. */
    void (*cell)(struct table *table, const struct status_line *line);
    /* Of one that does not; NULL: a dash. */
    void (*missing)(struct table *table, const struct status_line *line);
};

#define STATUS_COLUMNS_MAX 16

/* Those of `status`, and of `top`: the most important ones first, since a narrow terminal has no
 * room for the others. */
extern const struct status_column status_columns[];
extern const size_t status_column_count;
extern const struct status_column top_columns[];
extern const size_t top_column_count;

#endif
