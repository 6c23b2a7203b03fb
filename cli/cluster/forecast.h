/* What a promotion would cost, as far as the nodes that answer know (R28, R42). */
#ifndef CLI_FORECAST_H
#define CLI_FORECAST_H

#include "candor/v1/cluster.pb-c.h"
#include "cli/frame/node_call.h"

struct forecast {
    size_t count;
    struct node_row *rows;
    const struct node_row *target;  /* NULL: it does not answer */
    const struct node_row *primary; /* of the newest epoch that is known; NULL: none answers */
    /* whose log was counted: the primary's, else the newest there is; NULL: none */
    const struct node_row *witness;
    Candor__V1__AtRiskResponse *at_risk; /* what the witness counted; NULL: it could not be asked */
    uint64_t beyond;    /* most records that another node holds beyond the target's last */
    uint64_t committed; /* of them: those that are committed */
    size_t unreachable;
};

/* At most `keys` keys are asked for (0: as many as the node gives). False after a report. */
bool forecast_make(struct command_context *ctx, const char *target, uint32_t keys,
                   struct forecast *out, int *status);
void forecast_free(struct forecast *forecast);
void forecast_print(const struct forecast *forecast, const char *target, FILE *to);
json_t *forecast_json(const struct forecast *forecast, const char *target);

#endif
