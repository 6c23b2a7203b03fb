/* `kvctl explain`: what every node would answer to a read or a write, as each says itself. The
 * rules are the nodes'; here they are only shown. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "cli/frame/node_call.h"

struct explained {
    struct command_context *ctx;
    bool write;
    const char *level; /* as it is named in the contract: "EVENTUAL", "MAJORITY" ... */
    struct candor_bytes key;
    size_t count;
    struct node_answer answers[LIMIT_NODES];
};

/* Of the n-th node; NULL: it has not answered. */
const Candor__V1__ExplainResponse *explain_told(const struct explained *explained, size_t n);
/* Of the primary, which knows the voters; NULL: none has answered. */
const Candor__V1__ExplainResponse *explain_of_primary(const struct explained *explained);
/* "answers", "redirects", "refuses", "waits"; of others "unknown". */
const char *explain_verdict_name(Candor__V1__ExplainVerdict verdict);
/* "NOT_PRIMARY" ... */
const char *explain_reason_name(Candor__V1__Reason reason);
/* What a node says, if it can be shown in a line; else "?". */
const char *explain_text(const char *said);

void explain_print(const struct explained *explained);
void explain_draw(const struct explained *explained);
json_t *explain_json(const struct explained *explained);

#endif
