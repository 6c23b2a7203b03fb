/* Operating a node (cluster.proto): each order waits for the core's decision. */
#include <stdio.h>
#include <string.h>

#include "candor/v1/cluster.pb-c.h"
#include "core/core.h"
#include "node/serve/cluster.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/node_state.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "topology/topology.h"
#include "wire/wire.h"

/* ---- From the call to the core and back ------------------------------------------------------ */

/* Lives until the reply is packed. */
struct answer {
    struct core_view view;
    struct reply_room room;
};

/* False: the call was failed. */
static bool succeeded(struct ticket *ticket, const struct outcome *outcome, struct answer *answer)
{
    if (outcome->code != CANDOR_OK) {
        reply_outcome_failed(ticket, outcome);
        return false;
    }
    view_read_without_peers(&ticket->node->view, &answer->view);
    reply_freshness(ticket->call, &answer->view, answer->view.applied, &(struct candor_pos){0},
                    &answer->room);
    return true;
}

/* NULL: the call was failed. */
static struct ticket *order(struct node *node, struct rpc_call *call, ProtobufCClosure reply,
                            void (*finished)(struct ticket *ticket, const struct outcome *outcome),
                            enum core_event_type type)
{
    struct ticket *ticket = ticket_new(node, call, reply, sizeof *ticket);
    if (ticket == NULL) {
        reply_fail_busy(node, call);
        return NULL;
    }
    ticket->finished = finished;
    ticket->event.core.type = type;
    return ticket;
}

static void submit(struct ticket *ticket)
{
    struct node *node = ticket->node;
    struct rpc_call *call = ticket->call;
    if (!ticket_push(ticket))
        reply_fail_busy(node, call);
}

/* False: the call was failed. */
static bool read_node(struct node *node, struct rpc_call *call, const char *field, const char *text,
                      struct candor_node_id *out)
{
    char message[CANDOR_ERROR_MESSAGE_BYTES];
    if (node_id_parse(text, strlen(text), out) && topology_find(node->topology, *out) != NULL)
        return true;
    snprintf(message, sizeof message, "%s: not a node of this topology", field);
    reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, message);
    return false;
}

/* ---- Promote --------------------------------------------------------------------------------- */

static void promoted(struct ticket *ticket, const struct outcome *outcome)
{
    struct answer answer;
    Candor__V1__Epoch epoch;
    if (!succeeded(ticket, outcome, &answer))
        return;
    wire_epoch(&outcome->pos.epoch, &epoch);
    Candor__V1__PromoteResponse response = CANDOR__V1__PROMOTE_RESPONSE__INIT;
    response.epoch = &epoch;
    ticket->reply(&response.base, ticket->call);
}

void cluster_promote(Candor__V1__Cluster_Service *service,
                     const Candor__V1__PromoteRequest *request,
                     Candor__V1__PromoteResponse_Closure closure, void *closure_data)
{
    struct ticket *ticket = order(node_of(service), closure_data, (ProtobufCClosure)closure,
                                  promoted, CORE_EVENT_PROMOTE);
    if (ticket == NULL)
        return;
    ticket->event.core.promote.force = request->force;
    ticket->event.core.promote.deadline_ns = reply_deadline_ns(closure_data);
    submit(ticket);
}

/* ---- AcceptHistory --------------------------------------------------------------------------- */

static void accepted(struct ticket *ticket, const struct outcome *outcome)
{
    struct answer answer;
    if (!succeeded(ticket, outcome, &answer))
        return;
    Candor__V1__AcceptHistoryResponse response = CANDOR__V1__ACCEPT_HISTORY_RESPONSE__INIT;
    ticket->reply(&response.base, ticket->call);
}

void cluster_accept_history(Candor__V1__Cluster_Service *service,
                            const Candor__V1__AcceptHistoryRequest *request,
                            Candor__V1__AcceptHistoryResponse_Closure closure, void *closure_data)
{
    (void)request;
    struct ticket *ticket = order(node_of(service), closure_data, (ProtobufCClosure)closure,
                                  accepted, CORE_EVENT_ACCEPT_HISTORY);
    if (ticket == NULL)
        return;
    ticket->event.core.accept.deadline_ns = reply_deadline_ns(closure_data);
    submit(ticket);
}

/* ---- Transfer -------------------------------------------------------------------------------- */

static void transferred(struct ticket *ticket, const struct outcome *outcome)
{
    struct answer answer;
    Candor__V1__Epoch epoch;
    if (!succeeded(ticket, outcome, &answer))
        return;
    wire_epoch(&outcome->pos.epoch, &epoch);
    Candor__V1__TransferResponse response = CANDOR__V1__TRANSFER_RESPONSE__INIT;
    response.epoch = &epoch;
    ticket->reply(&response.base, ticket->call);
}

void cluster_transfer(Candor__V1__Cluster_Service *service,
                      const Candor__V1__TransferRequest *request,
                      Candor__V1__TransferResponse_Closure closure, void *closure_data)
{
    struct candor_node_id to;
    if (!read_node(node_of(service), closure_data, "to", request->to, &to))
        return;
    struct ticket *ticket = order(node_of(service), closure_data, (ProtobufCClosure)closure,
                                  transferred, CORE_EVENT_TRANSFER);
    if (ticket == NULL)
        return;
    ticket->event.core.transfer.to = to;
    ticket->event.core.transfer.deadline_ns = reply_deadline_ns(closure_data);
    submit(ticket);
}

/* ---- SetVoter -------------------------------------------------------------------------------- */

static void voter_set(struct ticket *ticket, const struct outcome *outcome)
{
    struct answer answer;
    struct wire_pos pos;
    if (!succeeded(ticket, outcome, &answer))
        return;
    Candor__V1__SetVoterResponse response = CANDOR__V1__SET_VOTER_RESPONSE__INIT;
    response.pos = wire_pos(&outcome->pos, &pos);
    ticket->reply(&response.base, ticket->call);
}

void cluster_set_voter(Candor__V1__Cluster_Service *service,
                       const Candor__V1__SetVoterRequest *request,
                       Candor__V1__SetVoterResponse_Closure closure, void *closure_data)
{
    struct candor_node_id id;
    if (!read_node(node_of(service), closure_data, "node", request->node, &id))
        return;
    struct ticket *ticket = order(node_of(service), closure_data, (ProtobufCClosure)closure,
                                  voter_set, CORE_EVENT_SET_VOTER);
    if (ticket == NULL)
        return;
    ticket->event.core.set_voter.node = id;
    ticket->event.core.set_voter.voter = request->voter;
    ticket->event.core.set_voter.deadline_ns = reply_deadline_ns(closure_data);
    submit(ticket);
}
