/* Explain, of a write: the core is asked as by any write, and says whether it would be taken; who
 * would have to acknowledge it is what the primary knows of the voters. */
#include <stdio.h>

#include "base/clock.h"
#include "core/core.h"
#include "node/serve/contract.h"
#include "node/serve/explain_write.h"
#include "node/serve/kv_write.h"
#include "node/shared/node_state.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"

/* The voters, and the response that points to them. */
struct told {
    Candor__V1__ExplainResponse response;
    Candor__V1__ExplainVoter voters[LIMIT_NODES];
    Candor__V1__ExplainVoter *list[LIMIT_NODES];
    struct candor_error error;
    Candor__V1__RetryHint hint;
};

/* ---- Refusals -------------------------------------------------------------------------------- */

void explain_refusal(const struct node *node, const struct core_view *view,
                     struct candor_error *error, Candor__V1__RetryHint *hint,
                     Candor__V1__ExplainResponse *out)
{
    if (reply_direct(node, view, error, hint))
        out->retry = hint;
    out->code = (Candor__V1__Code)error->code;
    out->reason = (Candor__V1__Reason)error->reason;
    out->message = error->message;
    bool redirect = out->retry != NULL && hint->endpoint[0] != '\0';
    out->verdict = redirect ? CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_REDIRECTS
                            : CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_REFUSES;
}

/* ---- Who would have to acknowledge it -------------------------------------------------------- */

static Candor__V1__ExplainVoter *add_voter(struct told *told, struct candor_node_id *node)
{
    Candor__V1__ExplainVoter *voter = &told->voters[told->response.n_voters];
    candor__v1__explain_voter__init(voter);
    voter->node = node->text;
    told->list[told->response.n_voters++] = voter;
    return voter;
}

static void add_self(struct told *told, struct core_view *view, enum candor_state state)
{
    Candor__V1__ExplainVoter *self = add_voter(told, &view->self);
    self->match_seq = view->durable;
    self->heard_case = CANDOR__V1__EXPLAIN_VOTER__HEARD_HEARD_AGE_MS;
    self->state = (Candor__V1__NodeState)state;
    self->answers = true;
}

static void add_peer(struct told *told, const struct core_view *view, struct core_peer_view *peer,
                     uint64_t now_ns)
{
    Candor__V1__ExplainVoter *voter = add_voter(told, &peer->node);
    uint64_t age_ns = saturating_sub(now_ns, peer->heard_ns);
    voter->match_seq = peer->match;
    voter->state = (Candor__V1__NodeState)peer->state;
    if (!peer->heard)
        return;
    voter->heard_case = CANDOR__V1__EXPLAIN_VOTER__HEARD_HEARD_AGE_MS;
    voter->heard_age_ms = ns_to_ms_up(age_ns);
    voter->answers = age_ns <= view->stale_after_ns && peer->differs_seq == 0;
}

static void fill_voters(struct told *told, struct core_view *view, enum candor_ack ack)
{
    Candor__V1__ExplainResponse *out = &told->response;
    uint64_t now_ns = clock_boot_ns();
    struct core_freshness fresh;
    core_view_freshness(view, view->applied, now_ns, &fresh);
    add_self(told, view, fresh.state);
    for (uint32_t i = 0; i < view->peer_count; i++)
        if (view->peers[i].voter)
            add_peer(told, view, &view->peers[i], now_ns);
    out->voters = told->list;
    uint32_t count = (uint32_t)out->n_voters;
    out->needed = ack == CANDOR_ACK_ALL ? count : ack == CANDOR_ACK_MAJORITY ? count / 2 + 1 : 1;
    for (uint32_t i = 0; i < count; i++)
        out->answering += told->voters[i].answers;
    out->last_seq = view->durable;
    out->at_risk = view->at_risk;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* It would be taken; whoever is silent keeps it waiting. */
static void fill_taken(struct told *told, struct core_view *view, enum candor_ack ack)
{
    Candor__V1__ExplainResponse *out = &told->response;
    fill_voters(told, view, ack);
    out->verdict = CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_ANSWERS;
    if (view->no_room)
        out->message = wire_string("the disk was full when something was last stored: it may be "
                                   "refused");
    if (out->answering >= out->needed)
        return;
    out->verdict = CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_WAITS;
    out->code = CANDOR__V1__CODE__CODE_DEADLINE_EXCEEDED;
    out->reason = CANDOR__V1__REASON__REASON_OUTCOME_UNKNOWN;
    out->message = wire_string("too few voters are heard: it is stored, and not acknowledged");
}

/* On the node thread. */
static void finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct node *node = ticket->node;
    enum candor_ack ack = ticket->event.core.write.ack;
    struct core_view view;
    struct reply_room room;
    struct told told = {.error = {.code = outcome->code, .reason = outcome->reason}};
    view_read(&node->view, &view);
    candor__v1__explain_response__init(&told.response);
    snprintf(told.error.message, sizeof told.error.message, "%s", outcome->text);
    if (outcome->reason == CANDOR_REASON_SHUTTING_DOWN) {
        reply_outcome_failed(ticket, outcome);
        return;
    }
    if (outcome->code == CANDOR_OK)
        fill_taken(&told, &view, ack);
    else
        explain_refusal(node, &view, &told.error, &told.hint, &told.response);
    told.response.contract = wire_string(contract_of_write(ack, outcome->reason));
    told.response.worst_case = wire_string(contract_worst_write(ack));
    told.response.stale_after_ms = view.stale_after_ns / NS_PER_MS;
    told.response.reject_after_ms = view.reject_after_ns / NS_PER_MS;
    reply_freshness(ticket->call, &view, view.applied, &(struct candor_pos){0}, &room);
    ticket->reply(&told.response.base, ticket->call);
}

void explain_write(struct node *node, struct rpc_call *call,
                   const Candor__V1__ExplainRequest *request, ProtobufCClosure reply)
{
    enum candor_ack ack;
    struct candor_token token;
    if (!reply_check_hops(node, call) ||
        !kv_write_options(node, call, request->write, &ack, &token))
        return;
    struct ticket *ticket = ticket_new(node, call, reply, sizeof *ticket);
    if (ticket == NULL) {
        reply_fail_busy(node, call);
        return;
    }
    ticket->finished = finished;
    ticket->event.core.type = CORE_EVENT_WRITE;
    ticket->event.core.write.ack = ack;
    ticket->event.core.write.records = 1;
    ticket->event.core.write.token = token;
    ticket->event.core.write.dry_run = true;
    if (!ticket_push(ticket))
        reply_fail_busy(node, call);
}
