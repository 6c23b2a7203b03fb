/* TxnStatus: what became of a write whose answer was lost (R21). Told from this node's own data and
 * what it knows as committed; any node answers, and its freshness says how old that is. */
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "core/core.h"
#include "node/serve/call_job.h"
#include "node/serve/kv.h"
#include "node/serve/kv_check.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "state/state.h"
#include "wire/wire.h"

/* One answer being made. The data are opened before the view is read, as for a read. */
struct status {
    struct node *node;
    struct rpc_call *call;
    struct core_view view;
    struct state_view *data;
    Candor__V1__TxnState state;
    struct candor_pos pos; /* seq 0: unknown */
    uint32_t parts;
};

static Candor__V1__TxnState settled(const struct status *status, uint64_t seq,
                                    Candor__V1__TxnState when_committed)
{
    return status->view.commit >= seq ? when_committed : CANDOR__V1__TXN_STATE__TXN_STATE_PENDING;
}

static void judge_request(struct status *status, const struct request_id *id)
{
    struct state_request request;
    if (state_view_request(status->data, id, &request) != STATE_REQUEST_KNOWN)
        return;
    status->pos = request.last;
    status->parts = request.parts;
    status->state = settled(status, request.last.seq, CANDOR__V1__TXN_STATE__TXN_STATE_COMMITTED);
}

/* The first epoch of the history that is newer than `epoch`; NULL: none is. */
static const struct epoch_start *newer_epoch(const struct epoch_history *history,
                                             struct candor_epoch epoch)
{
    for (uint32_t i = 0; i < history->count; i++)
        if (epoch_compare(history->starts[i].epoch, epoch) > 0)
            return &history->starts[i];
    return NULL;
}

/* The epoch that stands at the seq decides. Limit: where two copies of a primary's disk acted in
 * one epoch, either's record may stand here (R56), and a position does not say which was meant; a
 * request's id does. */
static void judge_pos(struct status *status, const struct candor_pos *pos,
                      const struct epoch_history *history)
{
    const struct epoch_start *newer = newer_epoch(history, pos->epoch);
    bool here = pos->seq <= state_view_applied(status->data).seq &&
                epoch_equal(epoch_history_at(history, pos->seq), pos->epoch);
    if (here)
        status->state = settled(status, pos->seq, CANDOR__V1__TXN_STATE__TXN_STATE_COMMITTED);
    else if (newer != NULL && newer->first_seq <= pos->seq) /* another history from there on */
        status->state =
            settled(status, newer->first_seq, CANDOR__V1__TXN_STATE__TXN_STATE_ROLLED_BACK);
    else
        return;
    status->pos = *pos;
}

static void respond(const struct status *status, ProtobufCClosure reply)
{
    struct candor_pos applied = state_view_applied(status->data);
    struct reply_room room;
    struct wire_pos pos_room;
    Candor__V1__TxnStatusResponse response = CANDOR__V1__TXN_STATUS_RESPONSE__INIT;
    response.state = status->state;
    response.parts = status->parts;
    if (status->pos.seq != 0)
        response.pos = wire_pos(&status->pos, &pos_room);
    reply_freshness(status->call, &status->view, applied.seq, &applied, &room);
    reply(&response.base, status->call);
}

static void respond_if_sound(const struct status *status, ProtobufCClosure reply)
{
    struct candor_error err = {0};
    if (state_view_check(status->data, &err) == CANDOR_OK) {
        respond(status, reply);
        return;
    }
    reply_fail_now(status->node, status->call, err.code, err.reason, err.message);
    node_state_failed(status->node, &err);
}

/* False: the call was failed. The data and the view must be of one history. */
static bool open_data(struct status *status)
{
    for (int attempt = 0; attempt < LIMIT_READ_ATTEMPTS; attempt++) {
        status->data = state_view_begin(status->node->state);
        view_read_without_peers(&status->node->view, &status->view);
        if (status->view.rewinds == state_view_rewinds(status->data))
            return true;
        state_view_end(status->data);
    }
    reply_fail(status->node, status->call, &status->view, CANDOR_UNAVAILABLE, CANDOR_REASON_SYNCING,
               "this node is taking records back");
    return false;
}

static bool may_answer(const struct status *status)
{
    return reply_may_tell(status->node, status->call, &status->view,
                          state_view_applied(status->data).seq);
}

static void serve_request(struct status *status, const struct request_id *id,
                          ProtobufCClosure reply)
{
    if (!open_data(status))
        return;
    if (may_answer(status)) {
        judge_request(status, id);
        respond_if_sound(status, reply);
    }
    state_view_end(status->data);
}

static void serve_pos(struct status *status, const struct candor_pos *pos, ProtobufCClosure reply)
{
    struct epoch_history history;
    if (!open_data(status))
        return;
    epoch_history_init(&history);
    if (may_answer(status)) {
        state_view_history(status->data, &history);
        judge_pos(status, pos, &history);
        respond_if_sound(status, reply);
    }
    epoch_history_free(&history);
    state_view_end(status->data);
}

static void serve(const struct call_job *asked)
{
    const Candor__V1__TxnStatusRequest *request =
        (const Candor__V1__TxnStatusRequest *)asked->request;
    struct status status = {.node = asked->node, .call = asked->call};
    struct request_id id;
    struct candor_pos pos;
    struct candor_error err;
    switch (request->of_case) {
    case CANDOR__V1__TXN_STATUS_REQUEST__OF_REQUEST_ID:
        if (kv_read_request_id(status.node, status.call, request->request_id, &id))
            serve_request(&status, &id, asked->reply);
        return;
    case CANDOR__V1__TXN_STATUS_REQUEST__OF_POS:
        if (wire_read_pos(request->pos, "pos", &pos, &err) != CANDOR_OK)
            kv_fail(status.node, status.call, &err);
        else if (pos.seq == 0)
            reply_fail_now(status.node, status.call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                           "pos.seq: positions of writes begin with 1");
        else
            serve_pos(&status, &pos, asked->reply);
        return;
    default:
        candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                         "request_id, pos: none is set");
        kv_fail(status.node, status.call, &err);
    }
}

void kv_txn_status(Candor__V1__KV_Service *service, const Candor__V1__TxnStatusRequest *request,
                   Candor__V1__TxnStatusResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    if (reply_check_hops(node, closure_data))
        call_job_push(&node->readers, node, serve, &request->base, (ProtobufCClosure)closure,
                      closure_data);
}
