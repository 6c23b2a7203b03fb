/* Explain: what this node would answer to a read, and why. It is the very read, up to its answer:
 * only what it brings is another one. A SESSION read waits for nothing, a LINEARIZABLE one for a
 * moment, so that it is told whether leadership is confirmed. */
#include "node/serve/explain_write.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "core/core.h"
#include "node/serve/contract.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/kv_read.h"
#include "node/serve/service.h"
#include "node/shared/bytes.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "state/state.h"

/* In its call's arena. */
struct explain_call {
    struct read_call read; /* first */
    struct read_explains explains;
    uint64_t began_ns;
};

static const Candor__V1__ExplainRequest *request_of(const struct read_call *of)
{
    return (const Candor__V1__ExplainRequest *)of->request;
}

/* ---- What is told in any case ---------------------------------------------------------------- */

static Candor__V1__ExplainVerdict verdict_of(const struct core_read_decision *decision)
{
    switch (decision->decision) {
    case CORE_SERVE:
        return CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_ANSWERS;
    case CORE_REDIRECT:
        return CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_REDIRECTS;
    case CORE_REFUSE:
        return CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_REFUSES;
    case CORE_WAIT:
        return CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_WAITS;
    }
    return CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_UNKNOWN;
}

/* As of a read whose position, or whose leadership, was confirmed: it is not asked for again. */
static void fill_forecast(const struct read_call *of, const struct core_view *view,
                          uint64_t applied, Candor__V1__ExplainResponse *out)
{
    struct core_forecast forecast;
    struct core_read read = of->read;
    if (of->waited)
        read.token.pos.seq = 0;
    core_forecast_read(view, applied, clock_boot_ns(), &read, &forecast);
    out->stale_after_ms = view->stale_after_ns / NS_PER_MS;
    out->reject_after_ms = view->reject_after_ns / NS_PER_MS;
    if (!forecast.ends)
        return;
    out->holds_case = CANDOR__V1__EXPLAIN_RESPONSE__HOLDS_HOLDS_FOR_MS;
    out->holds_for_ms = forecast.holds_ms;
    out->then_state = (Candor__V1__NodeState)forecast.then_state;
    /* how a wait ends is not a matter of time alone: as now */
    out->then = forecast.then.decision == CORE_WAIT ? out->verdict : verdict_of(&forecast.then);
    out->then_reason = (Candor__V1__Reason)forecast.then.reason;
}

static Candor__V1__ExplainToken token_of(const struct read_call *of, enum candor_reason reason)
{
    if (of->read.level != CANDOR_READ_SESSION || of->read.token.pos.seq == 0)
        return CANDOR__V1__EXPLAIN_TOKEN__EXPLAIN_TOKEN_NONE;
    if (reason == CANDOR_REASON_NONE)
        return CANDOR__V1__EXPLAIN_TOKEN__EXPLAIN_TOKEN_HERE;
    if (reason == CANDOR_REASON_SESSION_BEHIND)
        return CANDOR__V1__EXPLAIN_TOKEN__EXPLAIN_TOKEN_BEHIND;
    if (reason == CANDOR_REASON_SESSION_LOST)
        return CANDOR__V1__EXPLAIN_TOKEN__EXPLAIN_TOKEN_LOST;
    return CANDOR__V1__EXPLAIN_TOKEN__EXPLAIN_TOKEN_NONE; /* nobody has looked */
}

static void fill(const struct read_call *of, const struct core_view *view, uint64_t applied,
                 enum candor_reason reason, Candor__V1__ExplainResponse *out)
{
    enum candor_read_level level = of->read.level;
    out->contract = wire_string(contract_of_read(level, reason));
    out->worst_case = wire_string(contract_worst_read(level));
    out->token = token_of(of, reason);
    if (level == CANDOR_READ_LINEARIZABLE && of->waited)
        out->waited_ms =
            (clock_boot_ns() - ((const struct explain_call *)of)->began_ns) / NS_PER_MS;
    fill_forecast(of, view, applied, out);
}

/* ---- The ends -------------------------------------------------------------------------------- */

/* It would be answered: with what, but for the value. */
static bool fill_explain(struct reading *reading, struct state_view *data)
{
    const struct read_call *of = reading->of;
    Candor__V1__ExplainResponse *out = &reading->explain;
    struct state_item item;
    candor__v1__explain_response__init(out);
    out->verdict = CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_ANSWERS;
    if (state_get(data, binary_slice(request_of(of)->key), &item)) {
        kv_read_fill_item(reading, &reading->item, &item);
        reading->item.value = (ProtobufCBinaryData){0};
    } else {
        candor__v1__key_value__init(&reading->item);
        reading->item.key = request_of(of)->key;
    }
    out->item = &reading->item;
    fill(of, &reading->view, state_view_applied(data).seq, CANDOR_REASON_NONE, out);
    reading->response = &out->base;
    return true;
}

static void reply_refusal(struct read_call *of, const struct core_view *view,
                          struct candor_error *error, bool waits)
{
    struct rpc_call *call = of->ticket.call;
    struct reply_room room;
    Candor__V1__RetryHint hint;
    Candor__V1__ExplainResponse response;
    enum candor_reason reason = error->reason;
    candor__v1__explain_response__init(&response);
    explain_refusal(of->ticket.node, view, error, &hint, &response);
    if (waits)
        response.verdict = CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_WAITS;
    fill(of, view, view->applied, reason, &response);
    reply_freshness(call, view, view->applied, &(struct candor_pos){0}, &room);
    of->ticket.reply(&response.base, call);
}

static void refused(struct reading *reading, struct core_read_decision decision)
{
    struct candor_error error = {.code = decision.code, .reason = decision.reason};
    reply_refusal(reading->of, &reading->view, &error, false);
}

/* On the node thread. A call that is over, or a node that stops, explains nothing. */
static void not_waited(struct read_call *of, const struct outcome *outcome)
{
    struct core_view view;
    struct candor_error error = {.code = outcome->code, .reason = outcome->reason};
    bool waits = outcome->reason == CANDOR_REASON_SESSION_BEHIND ||
                 outcome->reason == CANDOR_REASON_NO_MAJORITY;
    if (!waits && outcome->reason != CANDOR_REASON_SESSION_LOST) {
        reply_outcome_failed(&of->ticket, outcome);
        return;
    }
    snprintf(error.message, sizeof error.message, "%s", outcome->text);
    view_read_without_peers(&of->ticket.node->view, &view);
    reply_refusal(of, &view, &error, waits);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void explain_read(Candor__V1__KV_Service *service, const Candor__V1__ExplainRequest *request,
                         ProtobufCClosure reply, struct rpc_call *call)
{
    struct explain_call *explain =
        kv_read_new_of(sizeof *explain, service, call, reply, &request->base, request->read);
    if (explain == NULL)
        return;
    explain->began_ns = clock_boot_ns();
    bool session = explain->read.read.level == CANDOR_READ_SESSION;
    explain->explains = (struct read_explains){
        .refused = refused,
        .not_waited = not_waited,
        .wait_until_ns = session ? 1 : explain->began_ns + LIMIT_EXPLAIN_WAIT_MS * NS_PER_MS};
    explain->read.explains = &explain->explains;
    kv_read_submit(&explain->read, fill_explain);
}

void kv_explain(Candor__V1__KV_Service *service, const Candor__V1__ExplainRequest *request,
                Candor__V1__ExplainResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    if (!kv_check_key(node, call, "key", request->key))
        return;
    if (request->of_case == CANDOR__V1__EXPLAIN_REQUEST__OF_READ && request->read->n_ladder > 0) {
        reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                       "read.ladder: one level is explained at a time");
        return;
    }
    if (request->of_case == CANDOR__V1__EXPLAIN_REQUEST__OF_READ)
        explain_read(service, request, (ProtobufCClosure)closure, call);
    else if (request->of_case == CANDOR__V1__EXPLAIN_REQUEST__OF_WRITE)
        explain_write(node, call, request, (ProtobufCClosure)closure);
    else
        reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                       "read, write: none is set");
}
