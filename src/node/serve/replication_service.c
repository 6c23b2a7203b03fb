/* What other nodes ask (replication.proto). Votes and attaches are the core's; records are read
 * from the log by the lenders (R13), and so is the chain that an attach is compared with. */
#include "base/buffer.h"
#include "base/limits.h"
#include "candor/v1/replication.pb-c.h"
#include "core/core.h"
#include "log/log.h"
#include "node/serve/call_job.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/serve/snapshot_service.h"
#include "node/shared/node_state.h"
#include "node/shared/self.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "node/store/scrub.h"
#include "rpc/rpc.h"
#include "wire/wire.h"

/* ---- For the core ---------------------------------------------------------------------------- */

struct peer_ticket {
    struct ticket ticket;
    struct core_msg msg;
};

static void answered(struct ticket *ticket, const struct core_msg *msg)
{
    struct peer_ticket *peer = (struct peer_ticket *)ticket;
    wire_msg_free(&peer->msg);
    struct core_view view;
    struct reply_room reply_room;
    struct wire_room room;
    view_read_without_peers(&ticket->node->view, &view);
    reply_freshness(ticket->call, &view, view.applied, &(struct candor_pos){0}, &reply_room);
    ticket->reply(wire_message(msg, &room), ticket->call);
    wire_room_free(&room);
}

static void finished(struct ticket *ticket, const struct outcome *outcome)
{
    wire_msg_free(&((struct peer_ticket *)ticket)->msg);
    reply_outcome_failed(ticket, outcome);
}

/* Up to the sender's newest record the logs can be compared, where this one holds it (R56). */
static void look_up_chain(struct node *node, struct core_msg *msg)
{
    struct candor_error err = {0};
    struct chain_at *here = &msg->attach.here;
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    msg->attach.here_rewinds = view.rewinds;
    enum candor_code code = log_chain_at(node->log, msg->attach.last, &here->chain, &err);
    if (code == CANDOR_DATA_LOSS)
        scrub_met_rot(node, msg->attach.last, &err);
    here->seq = code == CANDOR_OK ? msg->attach.last : 0;
}

static void push_request(struct node *node, const ProtobufCMessage *request, ProtobufCClosure reply,
                         struct rpc_call *call)
{
    struct peer_ticket *peer = ticket_new(node, call, reply, sizeof *peer);
    if (peer == NULL) {
        reply_fail_busy(node, call);
        return;
    }
    struct candor_error err = {0};
    if (wire_read(request, &peer->msg, &err) != CANDOR_OK) {
        reply_fail_now(node, call, err.code, err.reason, err.message);
        return;
    }
    if (peer->msg.type == CORE_MSG_ATTACH)
        look_up_chain(node, &peer->msg);
    peer->ticket.finished = finished;
    peer->ticket.answered = answered;
    peer->ticket.event.core.type = CORE_EVENT_REQUEST;
    peer->ticket.event.core.msg = &peer->msg;
    if (!ticket_push(&peer->ticket)) {
        wire_msg_free(&peer->msg);
        reply_fail_busy(node, call);
    }
}

static void ask_core(Candor__V1__Replication_Service *service, const ProtobufCMessage *request,
                     ProtobufCClosure reply, void *closure_data)
{
    push_request(node_of(service), request, reply, closure_data);
}

static void pre_vote(Candor__V1__Replication_Service *service,
                     const Candor__V1__PreVoteRequest *request,
                     Candor__V1__VoteResponse_Closure closure, void *closure_data)
{
    ask_core(service, &request->base, (ProtobufCClosure)closure, closure_data);
}

static void vote(Candor__V1__Replication_Service *service, const Candor__V1__VoteRequest *request,
                 Candor__V1__VoteResponse_Closure closure, void *closure_data)
{
    ask_core(service, &request->base, (ProtobufCClosure)closure, closure_data);
}

static void transfer_leadership(Candor__V1__Replication_Service *service,
                                const Candor__V1__TransferLeadershipRequest *request,
                                Candor__V1__VoteResponse_Closure closure, void *closure_data)
{
    ask_core(service, &request->base, (ProtobufCClosure)closure, closure_data);
}

static void read_index(Candor__V1__Replication_Service *service,
                       const Candor__V1__ReadIndexRequest *request,
                       Candor__V1__ReadIndexResponse_Closure closure, void *closure_data)
{
    ask_core(service, &request->base, (ProtobufCClosure)closure, closure_data);
}

static void known_life(Candor__V1__Replication_Service *service,
                       const Candor__V1__LifeRequest *request,
                       Candor__V1__LifeResponse_Closure closure, void *closure_data)
{
    ask_core(service, &request->base, (ProtobufCClosure)closure, closure_data);
}

/* ---- Attach: reads the log before it asks the core ------------------------------------------- */

static void serve_attach(const struct call_job *job)
{
    push_request(job->node, job->request, job->reply, job->call);
}

static void attach(Candor__V1__Replication_Service *service,
                   const Candor__V1__AttachRequest *request,
                   Candor__V1__AttachResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    call_job_push(&node->lenders, node, serve_attach, &request->base, (ProtobufCClosure)closure,
                  closure_data);
}

/* ---- Fetch ----------------------------------------------------------------------------------- */

/* False: another epoch, or the log no longer holds it: attach again. */
static bool read_records(struct node *node, const struct core_view *view,
                         const struct core_msg *request, struct buffer *batches)
{
    uint64_t upto_seq;
    uint64_t from_seq = request->fetch.from_seq;
    if (request->header.config_hash != node->config_hash ||
        !core_view_may_fetch(view, &request->header, &upto_seq))
        return false;
    /* nothing new, and nothing wrong: a group commit may be on its way into the view */
    if (from_seq > upto_seq)
        return true;
    if (from_seq == 0)
        return false;
    struct candor_error err = {0};
    enum candor_code code =
        log_read(node->log, from_seq, upto_seq, LIMIT_FETCH_BYTES, batches, &err);
    if (code == CANDOR_DATA_LOSS)
        scrub_met_rot(node, from_seq, &err); /* attaching again it is told to take a snapshot */
    return code == CANDOR_OK;
}

/* A replica that serves may go back while its log is read, and take other records there. */
static bool still_holds(struct node *node, const struct core_view *before)
{
    struct core_view now;
    view_read_without_peers(&node->view, &now);
    return now.attached && now.rewinds == before->rewinds && epoch_equal(now.epoch, before->epoch);
}

static void serve_fetch(const struct call_job *job)
{
    struct node *node = job->node;
    struct core_msg asked;
    struct candor_error err = {0};
    if (wire_read(job->request, &asked, &err) != CANDOR_OK) {
        reply_fail_now(node, job->call, err.code, err.reason, err.message);
        return;
    }
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    struct buffer batches = {0};
    struct core_msg answer = {.type = CORE_MSG_FETCH_ANSWER};
    node_header(node, &view, &answer.header);
    answer.fetch_answer.ok =
        read_records(node, &view, &asked, &batches) && still_holds(node, &view);
    if (!answer.fetch_answer.ok)
        buffer_clear(&batches);
    answer.fetch_answer.commit = view.commit;
    answer.fetch_answer.batches = buffer_slice(&batches);
    struct reply_room reply_room;
    struct wire_room room;
    reply_freshness(job->call, &view, view.applied, &(struct candor_pos){0}, &reply_room);
    job->reply(wire_message(&answer, &room), job->call);
    wire_room_free(&room);
    buffer_free(&batches);
}

static void fetch(Candor__V1__Replication_Service *service, const Candor__V1__FetchRequest *request,
                  Candor__V1__FetchResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    call_job_push(&node->lenders, node, serve_fetch, &request->base, (ProtobufCClosure)closure,
                  closure_data);
}

/* ---- Snapshot -------------------------------------------------------------------------------- */

static void snapshot(Candor__V1__Replication_Service *service,
                     const Candor__V1__SnapshotRequest *request,
                     Candor__V1__SnapshotResponse_Closure closure, void *closure_data)
{
    snapshot_serve(node_of(service), request, (ProtobufCClosure)closure, closure_data);
}

struct service *replication_service_new(struct node *node)
{
    struct service *service = service_new(node);
    service->replication = (Candor__V1__Replication_Service){
        .base = CANDOR__V1__REPLICATION__BASE_INIT,
        .attach = attach,
        .fetch = fetch,
        .snapshot = snapshot,
        .pre_vote = pre_vote,
        .vote = vote,
        .read_index = read_index,
        .transfer_leadership = transfer_leadership,
        .known_life = known_life,
    };
    return service;
}
