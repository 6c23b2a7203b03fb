/* What all requests that write have in common: options, request ids, the way through core and
 * writer, and back. */
#include "node/serve/kv_write.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/types.h"
#include "core/core.h"
#include "eval/digest.h"
#include "node/serve/kv_check.h"
#include "node/serve/lost.h"
#include "node/serve/reply.h"
#include "node/shared/node_state.h"
#include "node/shared/pool.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "node/store/write.h"
#include "rpc/rpc.h"
#include "topology/topology.h"
#include "wire/wire.h"

/* ---- Replies --------------------------------------------------------------------------------- */

/* A write that was stored when the node shuts down was not refused: nobody knows what becomes of it
 * (R21). */
static void mark_unknown(const struct write *write, struct outcome *outcome)
{
    const struct core_event *appended = &write->appended.core;
    if (outcome->reason != CANDOR_REASON_SHUTTING_DOWN || appended->type != CORE_EVENT_APPENDED)
        return;
    outcome->code = CANDOR_UNKNOWN;
    outcome->reason = CANDOR_REASON_OUTCOME_UNKNOWN;
    snprintf(outcome->text, sizeof outcome->text,
             "the primary is shutting down: the write may or may not survive");
}

static const char *refusal_text(enum candor_code code, enum candor_reason reason)
{
    if (reason == CANDOR_REASON_REQUEST_TOO_OLD)
        return "request_id.number: its client has written more than is remembered since; whether "
               "this was executed "
               "is not known any more";
    if (reason == CANDOR_REASON_TOO_LARGE)
        return "then_ops, else_ops: their gets read more than a Txn may: 32 KiB beside writes, 2 "
               "MiB without";
    if (reason == CANDOR_REASON_REQUEST_ID_REUSED)
        return "request_id: another request was executed under it, this one was not: its client "
               "was copied, and must draw a new client_id";
    if (code == CANDOR_FAILED_PRECONDITION)
        return "key: its value is not a decimal number of 64 bits";
    return "";
}

/* Says which limit, on which node, and what helps. */
static void room_text(const struct write *write, char *out, size_t bytes)
{
    const char *self = write->ticket.node->self->id.text;
    if (write->result.reason == CANDOR_REASON_STATE_FULL)
        snprintf(out, bytes,
                 "the state of node %s has reached limits.state: nothing was written; delete keys, "
                 "or raise it",
                 self);
    else
        snprintf(out, bytes,
                 "the disk of node %s is full: nothing was written; make room there, or delete "
                 "keys",
                 self);
}

static void reply_refused(struct write *write, const struct outcome *outcome)
{
    const struct write_result *result = &write->result;
    struct outcome refused = *outcome;
    refused.code = result->code;
    refused.reason = result->reason;
    snprintf(refused.text, sizeof refused.text, "%s", refusal_text(result->code, result->reason));
    if (result->reason == CANDOR_REASON_STATE_FULL || result->reason == CANDOR_REASON_DISK_FULL)
        room_text(write, refused.text, sizeof refused.text);
    reply_outcome_failed(&write->ticket, &refused);
}

static void reply_result(struct write *write, const struct outcome *outcome)
{
    const struct ticket *ticket = &write->ticket;
    const struct write_result *result = &write->result;
    struct core_view view;
    struct reply_room room;
    view_read_without_peers(&ticket->node->view, &view);
    reply_freshness(ticket->call, &view, max_u64(view.applied, result->last.seq), &result->last,
                    &room);
    write->respond(write, outcome);
}

/* Archives are files. */
static void run_lost(struct job *job)
{
    struct write *write = (struct write *)((uint8_t *)job - offsetof(struct write, job));
    lost_reply(&write->ticket, write->ticket.event.core.write.token.pos);
}

static void finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct write *write = (struct write *)ticket;
    struct write_result *result = &write->result;
    write->job.run = run_lost;
    struct buffer answers = result->answers; /* the reply frees the ticket */
    struct outcome failed = *outcome;
    atomic_fetch_sub(&ticket->node->write_bytes, write->bytes);
    if (outcome->reason == CANDOR_REASON_SESSION_LOST &&
        pool_push(&ticket->node->slow, &write->job))
        return;
    if (outcome->code != CANDOR_OK) {
        mark_unknown(write, &failed);
        reply_outcome_failed(ticket, &failed);
    } else if (result->code == CANDOR_OK || result->code == CANDOR_OUT_OF_RANGE) {
        reply_result(write, outcome);
    } else {
        reply_refused(write, outcome);
    }
    buffer_free(&answers);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static enum candor_code read_ack(const Candor__V1__WriteOptions *options, enum candor_ack *out,
                                 struct candor_error *err)
{
    *out = CANDOR_ACK_LOCAL;
    if (options == NULL)
        return CANDOR_OK;
    switch (options->ack) {
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_DEFAULT:
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_LOCAL:
        return CANDOR_OK;
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY:
        *out = CANDOR_ACK_MAJORITY;
        return CANDOR_OK;
    case CANDOR__V1__ACK_LEVEL__ACK_LEVEL_ALL:
        *out = CANDOR_ACK_ALL;
        return CANDOR_OK;
    default:
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "options.ack: unknown value %d", (int)options->ack);
    }
}

/* What the session has seen; the core judges it (I8). */
static bool read_token(struct node *node, struct rpc_call *call,
                       const Candor__V1__WriteOptions *options, struct candor_token *out)
{
    struct candor_error err = {0};
    const Candor__V1__SessionToken *token =
        options != NULL && options->token != NULL ? options->token : rpc_call_token(call);
    *out = (struct candor_token){0};
    if (token == NULL)
        return true;
    if (wire_read_token(token, out, &err) != CANDOR_OK)
        return kv_fail(node, call, &err);
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    if (out->cluster_id == 0 || out->cluster_id == view.cluster_id)
        return true;
    candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_FOREIGN_CLUSTER,
                     "options.token: it is of another cluster");
    return kv_fail(node, call, &err);
}

bool kv_write_options(struct node *node, struct rpc_call *call,
                      const Candor__V1__WriteOptions *options, enum candor_ack *ack,
                      struct candor_token *token)
{
    struct candor_error err = {0};
    if (read_ack(options, ack, &err) != CANDOR_OK)
        return kv_fail(node, call, &err);
    return read_token(node, call, options, token);
}

struct write *kv_write_new(struct node *node, struct rpc_call *call, size_t op_count,
                           const Candor__V1__WriteOptions *options, ProtobufCClosure reply)
{
    enum candor_ack ack;
    struct request_id request;
    struct candor_token token;
    if (!kv_write_options(node, call, options, &ack, &token) ||
        !kv_read_request_id(node, call, rpc_call_envelope(call)->request_id, &request))
        return NULL;
    struct write *write = ticket_new(node, call, reply, sizeof *write);
    struct eval_op *ops = rpc_call_alloc(call, op_count * sizeof *ops);
    if (write == NULL || ops == NULL) {
        reply_fail_busy(node, call);
        return NULL;
    }
    memset(ops, 0, op_count * sizeof *ops);
    write->ticket.finished = finished;
    write->ticket.event.core.write.token = token;
    write->ack = ack;
    write->request_id = request;
    write->op_count = (uint32_t)op_count;
    write->ops = ops;
    return write;
}

static size_t steps_bytes(const struct eval_steps *steps)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < steps->count; i++)
        bytes += sizeof steps->list[i] + steps->list[i].key.length + steps->list[i].value.length;
    return bytes;
}

static size_t op_bytes(const struct eval_op *op)
{
    size_t bytes = sizeof *op + op->key.length + op->value.length + op->expect.value.length;
    for (uint32_t i = 0; i < op->compare_count; i++)
        bytes += sizeof op->compares[i] + op->compares[i].key.length + op->compares[i].value.length;
    return bytes + steps_bytes(&op->then_steps) + steps_bytes(&op->else_steps);
}

/* R20: nothing waits without bound. */
static bool take_room(struct node *node, struct write *write)
{
    size_t bytes = sizeof *write;
    for (uint32_t i = 0; i < write->op_count; i++)
        bytes += op_bytes(&write->ops[i]);
    write->bytes = bytes;
    size_t before = atomic_fetch_add(&node->write_bytes, bytes);
    /* One write alone always fits. */
    if (before == 0 || before + bytes <= LIMIT_WRITER_BACKLOG_BYTES)
        return true;
    atomic_fetch_sub(&node->write_bytes, bytes);
    return false;
}

static struct slice method_of(struct rpc_call *call)
{
    const char *method = rpc_call_envelope(call)->method;
    return slice_of(method, strlen(method));
}

void kv_write_submit(struct write *write)
{
    struct ticket *ticket = &write->ticket;
    struct node *node = ticket->node;
    struct rpc_call *call = ticket->call;
    if (!take_room(node, write)) {
        reply_fail_now(node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                       "writes are waiting for the disk");
        return;
    }
    size_t bytes = write->bytes;
    if (write->request_id.number != 0)
        write->digest = eval_digest(method_of(call), write->ops, write->op_count);
    ticket->cancellable = write->ack != CANDOR_ACK_LOCAL; /* the disk answers soon */
    ticket->event.core.type = CORE_EVENT_WRITE;
    ticket->event.core.write.ack = write->ack;
    ticket->event.core.write.records = write->op_count;
    ticket->event.core.write.deadline_ns = reply_deadline_ns(call);
    if (!ticket_push(ticket)) {
        atomic_fetch_sub(&node->write_bytes, bytes);
        reply_fail_busy(node, call);
    }
}
