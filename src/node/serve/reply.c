/* What every reply says beyond its answer: freshness, where to go instead, why not. */
#include "node/serve/reply.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/types.h"
#include "core/core.h"
#include "node/serve/failovers.h"
#include "node/shared/node_state.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "topology/topology.h"
#include "wire/wire.h"

enum { OVERLOADED_RETRY_MS = 50 };
#define DEADLINE_MARGIN_NS (50 * NS_PER_MS)

uint64_t reply_deadline_ns(const struct rpc_call *call)
{
    uint64_t deadline_ns = rpc_call_deadline_ns(call);
    uint64_t left_ns = saturating_sub(deadline_ns, clock_boot_ns());
    return deadline_ns - min_u64(left_ns / 8, DEADLINE_MARGIN_NS);
}

void reply_freshness(struct rpc_call *call, const struct core_view *view, uint64_t applied,
                     const struct candor_pos *token, struct reply_room *room)
{
    core_view_freshness(view, applied, clock_boot_ns(), &room->fresh); /* R38 */
    room->token = (struct candor_token){.cluster_id = view->cluster_id, .pos = *token};
    if (epoch_equal(token->epoch, view->applied_epoch))
        room->token.origin = view->applied_origin;
    rpc_call_reply(call)->freshness = wire_freshness(&room->fresh, &room->token, &room->freshness);
}

/* ---- Failing --------------------------------------------------------------------------------- */

static const char *default_text(enum candor_reason reason)
{
    switch (reason) {
    case CANDOR_REASON_NOT_PRIMARY:
        return "this node is not the primary";
    case CANDOR_REASON_NO_PRIMARY:
        return "this node is not the primary and hears none";
    case CANDOR_REASON_TOO_STALE:
        return "nothing proves that the data are as recent as max_staleness asks";
    case CANDOR_REASON_SESSION_BEHIND:
        return "this node has not yet applied what the session has seen";
    case CANDOR_REASON_SYNCING:
        return "this node is catching up";
    case CANDOR_REASON_EXPIRED:
        return "the primary was not heard for longer than reject_after";
    case CANDOR_REASON_FORKED:
        return "this node holds committed records of a history that lost: kvctl accept-history";
    case CANDOR_REASON_DOUBTFUL:
        return "this node's data differ from those of the others at the same position";
    case CANDOR_REASON_FOREIGN_CLUSTER:
        return "options.token: it is of another cluster";
    case CANDOR_REASON_LEVEL_UNAVAILABLE:
        return "options: this version does not serve the level asked for";
    case CANDOR_REASON_SHUTTING_DOWN:
        return "this node is shutting down";
    case CANDOR_REASON_COMPACTED:
        return "this node's log no longer reaches back to where the watch has come";
    case CANDOR_REASON_OVERLOADED:
        return "too much is waiting already";
    default:
        return "";
    }
}

static bool may_redirect(enum candor_reason reason)
{
    return reason == CANDOR_REASON_NOT_PRIMARY || reason == CANDOR_REASON_NO_PRIMARY ||
           reason == CANDOR_REASON_TOO_STALE || reason == CANDOR_REASON_DOUBTFUL ||
           reason == CANDOR_REASON_SESSION_BEHIND || reason == CANDOR_REASON_SYNCING ||
           reason == CANDOR_REASON_COMPACTED;
}

static const char *endpoint_of(const struct node *node, const struct core_view *view)
{
    /* its own word */
    if (view->primary_rpc[0] != '\0')
        return view->primary_rpc;
    const struct topology_node *primary = topology_find(node->topology, view->primary);
    return primary != NULL ? primary->rpc : "";
}

static uint32_t retry_after_ms(const struct node *node, enum candor_code code,
                               enum candor_reason reason)
{
    if (reason == CANDOR_REASON_OVERLOADED)
        return OVERLOADED_RETRY_MS;
    if (code == CANDOR_UNAVAILABLE && reason != CANDOR_REASON_MAX_HOPS)
        return (uint32_t)node->topology->heartbeat_interval_ms;
    return 0;
}

/* R45: never to itself. */
bool reply_direct(const struct node *node, const struct core_view *view, struct candor_error *error,
                  Candor__V1__RetryHint *hint)
{
    bool redirect = error->code == CANDOR_FAILED_PRECONDITION && may_redirect(error->reason);
    bool other = !node_id_empty(view->primary) && !node_id_equal(view->primary, view->self);
    if (redirect && !other) {
        error->code = CANDOR_UNAVAILABLE;
        if (error->reason == CANDOR_REASON_NOT_PRIMARY)
            error->reason = CANDOR_REASON_NO_PRIMARY;
        redirect = false;
    }
    uint32_t after_ms = retry_after_ms(node, error->code, error->reason);
    if (error->message[0] == '\0')
        snprintf(error->message, sizeof error->message, "%s", default_text(error->reason));
    if (!redirect && after_ms == 0)
        return false;
    candor__v1__retry_hint__init(hint);
    hint->retry_after_ms = after_ms;
    if (redirect) {
        hint->primary = wire_string(view->primary.text);
        hint->endpoint = wire_string(endpoint_of(node, view));
    }
    return true;
}

static void fail_with_token(struct node *node, struct rpc_call *call, const struct core_view *view,
                            struct candor_error *error, const struct candor_pos *token)
{
    struct reply_room room;
    bool hinted = reply_direct(node, view, error, &room.retry);
    if (hinted)
        rpc_call_reply(call)->retry = &room.retry;
    if (error->code != CANDOR_CANCELLED) /* else nobody is told */
        failovers_tell(node, error->reason, hinted && room.retry.endpoint[0] != '\0');
    reply_freshness(call, view, view->applied, token, &room);
    rpc_call_fail(call, error);
}

void reply_fail(struct node *node, struct rpc_call *call, const struct core_view *view,
                enum candor_code code, enum candor_reason reason, const char *text)
{
    struct candor_error error = {.code = code, .reason = reason};
    snprintf(error.message, sizeof error.message, "%s", text);
    fail_with_token(node, call, view, &error, &(struct candor_pos){0});
}

void reply_fail_now(struct node *node, struct rpc_call *call, enum candor_code code,
                    enum candor_reason reason, const char *text)
{
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    reply_fail(node, call, &view, code, reason, text);
}

void reply_fail_busy(struct node *node, struct rpc_call *call)
{
    if (atomic_load(&node->stopping))
        reply_fail_now(node, call, CANDOR_UNAVAILABLE, CANDOR_REASON_SHUTTING_DOWN, "");
    else
        reply_fail_now(node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED, "");
}

bool reply_may_tell(struct node *node, struct rpc_call *call, const struct core_view *view,
                    uint64_t applied)
{
    struct core_freshness fresh;
    struct core_read read = {.level = CANDOR_READ_EVENTUAL, .allow_syncing = true};
    core_view_freshness(view, applied, clock_boot_ns(), &fresh);
    struct core_read_decision decision = core_decide_read(view, &fresh, &read);
    if (decision.decision == CORE_SERVE)
        return true;
    reply_fail(node, call, view, decision.code, decision.reason, "");
    return false;
}

void reply_outcome_failed(struct ticket *ticket, const struct outcome *outcome)
{
    struct core_view view;
    view_read_without_peers(&ticket->node->view, &view);
    struct candor_error error = {.code = outcome->code, .reason = outcome->reason};
    snprintf(error.message, sizeof error.message, "%s", outcome->text);
    /* R44, R70: where the histories part is what a lost session can go on from. */
    bool lost = outcome->reason == CANDOR_REASON_SESSION_LOST ||
                outcome->reason == CANDOR_REASON_ROLLED_BACK;
    fail_with_token(ticket->node, ticket->call, &view, &error,
                    lost ? &outcome->pos : &(struct candor_pos){0});
}

void reply_server_freshness(void *closure, struct rpc_call *call)
{
    struct node *node = closure;
    struct core_view view;
    /* In the call's own memory: the caller packs after this returns. */
    struct reply_room *room = rpc_call_alloc(call, sizeof *room);
    if (room == NULL)
        return;
    view_read_without_peers(&node->view, &view);
    reply_freshness(call, &view, view.applied, &(struct candor_pos){0}, room);
}

/* ---- Hops (R45) ------------------------------------------------------------------------------ */

static void describe_trail(const Candor__V1__RpcRequest *envelope, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "redirected too often: ");
    for (size_t i = 0; i < envelope->n_hops && used < bytes; i++) {
        struct candor_node_id id;
        bool sane = node_id_parse(envelope->hops[i], strlen(envelope->hops[i]), &id);
        int wrote =
            snprintf(text + used, bytes - used, "%s%s", i > 0 ? " > " : "", sane ? id.text : "?");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

bool reply_came_too_late(struct node *node, struct rpc_call *call)
{
    if (rpc_call_gone(call))
        reply_fail_now(node, call, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                       "nobody waits for the answer any more");
    else if (clock_boot_ns() >= rpc_call_deadline_ns(call))
        reply_fail_now(node, call, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                       "the deadline passed before the node came to it");
    else
        return false;
    return true;
}

bool reply_check_hops(struct node *node, struct rpc_call *call)
{
    const Candor__V1__RpcRequest *envelope = rpc_call_envelope(call);
    if (envelope->n_hops <= LIMIT_HOPS)
        return true;
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    describe_trail(envelope, text, sizeof text);
    reply_fail_now(node, call, CANDOR_UNAVAILABLE, CANDOR_REASON_MAX_HOPS, text);
    return false;
}
