/* What every reply says beyond its answer. Any thread that has the call; failing a call finishes
 * it. */
#ifndef NODE_REPLY_H
#define NODE_REPLY_H

#include "core/core.h"
#include "node/shared/ticket.h"
#include "rpc/rpc.h"
#include "wire/wire.h"

struct reply_room {
    struct candor_token token;
    struct core_freshness fresh;
    struct wire_freshness freshness;
    Candor__V1__RetryHint retry;
};
/* Fills the reply's freshness; `room` lives until the reply is packed. token->seq 0: no token. */
void reply_freshness(struct rpc_call *call, const struct core_view *view, uint64_t applied,
                     const struct candor_pos *token, struct reply_room *room);
/* Fails the call with freshness, and with a hint where a retry elsewhere or later helps. An empty
 * text is made up. */
void reply_fail(struct node *node, struct rpc_call *call, const struct core_view *view,
                enum candor_code code, enum candor_reason reason, const char *text);
/* As reply_fail, with the view of now. */
void reply_fail_now(struct node *node, struct rpc_call *call, enum candor_code code,
                    enum candor_reason reason, const char *text);
void reply_fail_busy(struct node *node, struct rpc_call *call); /* stopping or overloaded */
void reply_outcome_failed(struct ticket *ticket, const struct outcome *outcome);
/* What a refusal is told as (R45): a redirect to nobody is UNAVAILABLE. True: `hint` says where to
 * go, or when to come back; it points into `view` and `node`. */
bool reply_direct(const struct node *node, const struct core_view *view, struct candor_error *error,
                  Candor__V1__RetryHint *hint);
/* The server's own errors carry freshness, too. */
void reply_server_freshness(void *closure, struct rpc_call *call);
/* Whether this node may tell what became of positions, as its state is: FORKED, DOUBTFUL and
 * EXPIRED ones say nothing; one that is catching up says what it has. False: the call was
 * failed. */
bool reply_may_tell(struct node *node, struct rpc_call *call, const struct core_view *view,
                    uint64_t applied);
/* R45: false when the call was redirected too often, and failed. */
bool reply_check_hops(struct node *node, struct rpc_call *call);
/* True when nobody waits for the answer any more: the call is failed, and the time better spent on
 * others. */
bool reply_came_too_late(struct node *node, struct rpc_call *call);
/* When to give up, so that the caller still hears why. */
uint64_t reply_deadline_ns(const struct rpc_call *call);

#endif
