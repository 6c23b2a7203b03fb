/* What the nodes of one topology do not agree on: whose cluster they hold, and whom they know. */
#ifndef CLI_DRIFT_H
#define CLI_DRIFT_H

#include "base/limits.h"
#include "cli/frame/node_call.h"

struct drift {
    /* unknown[i][j]: node i answers, and its own topology file does not name node j */
    bool unknown[LIMIT_NODES][LIMIT_NODES];
};

/* Asks again where a node is not FRESH: where all are, they know each other. */
void drift_find(const struct node_row *rows, size_t count, uint32_t deadline_ms, struct drift *out);
void drift_print(const struct drift *drift, const struct node_row *rows, size_t count, FILE *to);
/* Ids of those who do not know node `which`. */
json_t *drift_json(const struct drift *drift, const struct node_row *rows, size_t count,
                   size_t which);

#endif
