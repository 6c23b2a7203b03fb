/* AwaitCommit: waits until it is known for good what became of a write (R70). The core decides;
 * what was rolled back is looked for in the archives. */
#include <string.h>

#include "candor/v1/kv.pb-c.h"
#include "core/core.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/lost.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/node_state.h"
#include "node/shared/pool.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "wire/wire.h"

/* In its call's arena. */
struct await_call {
    struct ticket ticket; /* first */
    struct job job;
};

/* ---- Answers --------------------------------------------------------------------------------- */

/* Archives are files. */
static void run_lost(struct job *job)
{
    struct await_call *await =
        (struct await_call *)((uint8_t *)job - offsetof(struct await_call, job));
    lost_reply(&await->ticket, await->ticket.event.core.wait.token.pos);
}

/* With the level that was reached: also where it is not the one that was asked for, beside the
 * error. */
static void respond(struct ticket *ticket, const struct core_view *view,
                    const struct outcome *outcome)
{
    struct reply_room room;
    struct wire_pos pos;
    Candor__V1__RpcReply *envelope = rpc_call_reply(ticket->call);
    Candor__V1__AwaitCommitResponse response = CANDOR__V1__AWAIT_COMMIT_RESPONSE__INIT;
    response.pos = wire_pos(&outcome->pos, &pos);
    response.ack = (Candor__V1__AckLevel)outcome->ack;
    if (outcome->code != CANDOR_OK) {
        envelope->code = (Candor__V1__Code)outcome->code;
        envelope->reason = (Candor__V1__Reason)outcome->reason;
        envelope->message = rpc_call_string(ticket->call, outcome->text);
    }
    reply_freshness(ticket->call, view, view->applied, &(struct candor_pos){0}, &room);
    ticket->reply(&response.base, ticket->call);
}

/* On the node thread. */
static void finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct await_call *await = (struct await_call *)ticket;
    struct core_view view;
    await->job.run = run_lost;
    if (outcome->reason == CANDOR_REASON_ROLLED_BACK && pool_push(&ticket->node->slow, &await->job))
        return;
    if (outcome->ack == CANDOR_ACK_NONE) {
        reply_outcome_failed(ticket, outcome);
        return;
    }
    view_read_without_peers(&ticket->node->view, &view);
    if (reply_may_tell(ticket->node, ticket->call, &view, view.applied))
        respond(ticket, &view, outcome);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static enum candor_code read_position(const Candor__V1__AwaitCommitRequest *request,
                                      struct candor_token *out, struct candor_error *err)
{
    enum candor_code code = CANDOR_OK;
    *out = (struct candor_token){0};
    switch (request->of_case) {
    case CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_TOKEN:
        code = wire_read_token(request->token, out, err);
        break;
    case CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_POS:
        code = wire_read_pos(request->pos, "pos", &out->pos, err);
        break;
    case CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_SEQ:
        if (request->seq >= WIRE_NUMBER_END)
            return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                                    "seq: number too large");
        out->pos.seq = request->seq;
        break;
    default:
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "token, pos, seq: none is set");
    }
    if (code == CANDOR_OK && out->pos.seq == 0)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "token, pos, seq: positions of writes begin with 1");
    return code;
}

static enum candor_code read_level(Candor__V1__AckLevel ack, enum candor_ack *out,
                                   struct candor_error *err)
{
    *out = CANDOR_ACK_MAJORITY;
    if (ack == CANDOR__V1__ACK_LEVEL__ACK_LEVEL_ALL)
        *out = CANDOR_ACK_ALL;
    else if (ack == CANDOR__V1__ACK_LEVEL__ACK_LEVEL_LOCAL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "ack: whatever has a position is LOCAL: MAJORITY and ALL can be "
                                "waited for");
    else if (ack != CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT &&
             ack != CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "ack: unknown value %d", (int)ack);
    return CANDOR_OK;
}

/* False: the call was failed. */
static bool read_request(struct node *node, struct rpc_call *call,
                         const Candor__V1__AwaitCommitRequest *request, struct core_event *wait)
{
    struct core_view view;
    struct candor_error err = {0};
    enum candor_code code = read_position(request, &wait->wait.token, &err);
    if (code == CANDOR_OK)
        code = read_level(request->ack, &wait->wait.ack, &err);
    if (code != CANDOR_OK) {
        kv_fail(node, call, &err);
        return false;
    }
    view_read_without_peers(&node->view, &view);
    uint64_t cluster_id = wait->wait.token.cluster_id; /* R44 */
    if (cluster_id != 0 && view.cluster_id != 0 && cluster_id != view.cluster_id) {
        reply_fail(node, call, &view, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_FOREIGN_CLUSTER,
                   "token: it is of another cluster");
        return false;
    }
    return reply_may_tell(node, call, &view, view.applied);
}

void kv_await_commit(Candor__V1__KV_Service *service, const Candor__V1__AwaitCommitRequest *request,
                     Candor__V1__AwaitCommitResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct rpc_call *call = closure_data;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .wait.kind = CORE_WAIT_ACK};
    if (!reply_check_hops(node, call) || !read_request(node, call, request, &wait))
        return;
    struct await_call *await = ticket_new(node, call, (ProtobufCClosure)closure, sizeof *await);
    if (await == NULL) {
        reply_fail_busy(node, call);
        return;
    }
    wait.wait.deadline_ns = reply_deadline_ns(call);
    await->ticket.finished = finished;
    await->ticket.cancellable = true;
    await->ticket.event.core = wait;
    if (!ticket_push(&await->ticket))
        reply_fail_busy(node, call);
}
