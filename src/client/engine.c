/* The client contract of docs/consistency.md: an operation, over as many attempts as its deadline
 * allows. An attempt is sent without waiting; the thread of NNG that brings its reply takes the
 * answer out of it and judges it. What ends there is the host's at once; all else is the host's to
 * go on with, on a thread that may wait. */
#include "client/internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/logging.h"

static void ask(struct operation *operation);
static void send(struct operation *operation, struct rpc_client *rpc);

/* ---- The beginning --------------------------------------------------------------------------- */

/* Without a number it names who asks, to learn which of the writes under this id were lost (R44,
 * R70). */
static void name_client(struct operation *operation)
{
    Candor__V1__RequestId *id = &operation->request_id;
    candor__v1__request_id__init(id);
    operation->has_request_id =
        client_any_id(operation->client, operation->client_id, &operation->one_of_many);
    id->client_id.data = operation->client_id;
    id->client_id.len = sizeof operation->client_id;
}

/* R46: one number for the operation, however often it is sent. False: there is no memory. */
static bool draw_request_id(struct operation *operation)
{
    Candor__V1__RequestId *id = &operation->request_id;
    candor__v1__request_id__init(id);
    operation->identity = client_draw_number(operation->client, &id->number);
    if (operation->identity == NULL)
        return false;
    operation->has_request_id = true;
    id->client_id.data = operation->identity->id;
    id->client_id.len = sizeof operation->identity->id;
    return true;
}

static void take_first_target(struct operation *operation)
{
    struct candor_client *client = operation->client;
    const struct call *call = &operation->call;
    bool at_primary = call->write || call->at_primary || call->level == CANDOR_READ_LINEARIZABLE;
    pthread_mutex_lock(&client->lock);
    size_t target =
        at_primary && client->primary != CONNECTIONS_MAX ? client->primary : client->nearest;
    if (call->routed)
        target = scout_choose(client, call);
    operation->target = call->single ? call->only : target;
    client_take(client, operation->target);
    pthread_mutex_unlock(&client->lock);
    operation->has_target = true;
}

/* False, with the error: nothing can be sent. */
static bool prepare(struct operation *operation)
{
    struct candor_client *client = operation->client;
    struct candor_error *error = &operation->result->error;
    const struct call *call = &operation->call;
    if (!operation->lined && submit_within_callback()) {
        candor_error_set(error, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                         "a callback of the library may not wait: it submits (candor/async.h)");
        return false;
    }
    if (call->body.length + ENVELOPE_BYTES > client->message_bytes) {
        candor_error_set(error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                         "the request's %zu bytes are more than one message of %zu takes",
                         call->body.length, client->message_bytes);
        return false;
    }
    if (call->write && !draw_request_id(operation)) {
        operation_out_of_memory(error);
        return false;
    }
    if (ladder_has(call, CANDOR_READ_SESSION) || call->names_client)
        name_client(operation);
    return true;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void tell_request_id(struct operation *operation)
{
    struct candor_result *result = operation->result;
    struct identity *identity = operation->identity;
    memcpy(result->request.client_id, identity->id, sizeof result->request.client_id);
    result->request.number = operation->request_id.number;
    client_end_number(operation->client, identity, operation->request_id.number,
                      result->error.reason);
}

/* Gives the target's place back, and remembers where the next operation begins. */
static void leave_target(struct operation *operation)
{
    struct candor_client *client = operation->client;
    const struct candor_result *result = operation->result;
    const struct call *call = &operation->call;
    size_t target = operation->target;
    pthread_mutex_lock(&client->lock);
    client_give(client, target);
    if (result->error.code == CANDOR_OK && !call->single) {
        if (call->write || result->freshness.role == CANDOR_ROLE_PRIMARY)
            client->primary = target;
        /* A read that was redirected comes back to the near node, which may have caught up by
         * then. */
        bool stays = !call->write && !call->routed && operation->hop_count == 0;
        if (stays && target < client->endpoint_count)
            client->nearest = target;
    }
    pthread_mutex_unlock(&client->lock);
    operation->has_target = false;
}

static void count_end(const struct operation *operation)
{
    struct counts *counts = &operation->client->counts;
    if (operation->result->error.code != CANDOR_OK)
        counts_add(&counts->failed);
    counts_add(&counts->ended);
}

static void end(struct operation *operation)
{
    judge_keep_uncertainty(operation);
    count_end(operation);
    if (operation->has_target)
        leave_target(operation);
    if (operation->identity != NULL)
        tell_request_id(operation);
    free(operation->call.packed);
    free(operation->call.memory);
    free(operation->refusal);
    operation->stage = STAGE_ENDED;
    operation->host(operation);
}

/* ---- The answer ------------------------------------------------------------------------------ */

/* Without memory for the answer to a write that was executed, its details are lost:
 * candor_txn_status() tells them later. */
static void not_taken(const struct call *call, struct candor_result *result)
{
    if (result->no_memory) {
        operation_out_of_memory(&result->error);
        result->error.reason = call->write ? CANDOR_REASON_OUTCOME_UNKNOWN : CANDOR_REASON_NONE;
        return;
    }
    candor_error_set(&result->error, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                     "the answer of node %s to %s does not decode",
                     result->has_freshness ? result->freshness.node : "(unnamed)", call->method);
}

/* R46: what no attempt of this operation may have done was done by another process with this
 * client's ids, for a write with the very same content; this one's was not executed. */
static void not_ours(struct candor_result *result)
{
    candor_error_set(&result->error, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_REQUEST_ID_REUSED,
                     "node %s has executed this request for another process that uses this "
                     "client's id; this call's "
                     "write was not executed",
                     result->has_freshness ? result->freshness.node : "(unnamed)");
    result->replayed = result->wrote = false;
}

/* The write's position is what the session has now seen. */
static void see_own_write(struct candor_result *result)
{
    struct candor_token *token = &result->token;
    if (token->cluster_id == 0 || candor_pos_compare(&result->last, &token->pos) <= 0)
        return;
    if (candor_epoch_compare(&result->last.epoch, &token->pos.epoch) != 0)
        token->origin = 0;
    token->pos = result->last;
}

/* Out of the reply, whose memory goes with NNG's callback. */
static void take_answer(struct operation *operation, struct slice response)
{
    struct candor_client *client = operation->client;
    struct candor_result *result = operation->result;
    const struct call *call = &operation->call;
    const Candor__V1__RpcReply *reply = operation->exchange.reply;
    uint64_t received_ns = clock_boot_ns();

    result->error = operation->exchange.error;
    operation->uncertain |= call->write && operation->exchange.sent_again;
    operation->answered = reply != NULL;
    operation->answer_bytes = response.length;
    if (reply != NULL)
        convert_envelope(reply, result);
    if (reply != NULL && result->error.code != CANDOR_OK) /* some answer beside an error */
        response = slice_of(reply->body.data, reply->body.len);
    if (result->lost_archive[0] != '\0' && operation->one_of_many)
        result->more_lost_writes = true;
    bool has_body = result->error.code == CANDOR_OK || response.length > 0;
    if (has_body && !call->take(call, response, result))
        not_taken(call, result);
    if (result->error.code == CANDOR_OK && result->replayed && !operation->uncertain)
        not_ours(result);
    if (call->write)
        see_own_write(result);
    ladder_check(call, result);
    struct call kept = ladder_met(call, result);
    scout_note(operation, received_ns);
    promise_check(client, &kept, operation->sent_ns, received_ns, result);
    if (result->error.code == CANDOR_OK && !call->apart)
        client_see_token(client, &kept.asked, &result->token);
    /* The node's bound held when it answered, which was after the request was sent. */
    if (result->freshness.has_staleness_bound)
        result->freshness.staleness_bound_ms += ns_to_ms_up(clock_boot_ns() - operation->sent_ns);
}

static void host_at(struct operation *operation, enum stage stage, uint64_t resume_ns)
{
    operation->stage = stage;
    operation->resume_ns = resume_ns;
    operation->host(operation);
}

static void retry_after(struct operation *operation, uint64_t pause_ns)
{
    const struct candor_error *error = &operation->result->error;
    counts_add(&operation->client->counts.retries);
    log_debug("retried", "method=%s code=%s reason=%s attempts=%u pause_ms=%" PRIu64 " why=\"%s\"",
              operation->call.method, candor_code_name(error->code),
              candor_reason_name(error->reason), operation->result->attempts, pause_ns / NS_PER_MS,
              error->message);
    host_at(operation, STAGE_PAUSED, clock_boot_ns() + pause_ns);
}

static void decide(struct operation *operation)
{
    enum next next = judge_attempt(operation);
    uint64_t pause_ns;
    if (next == NEXT_AGAIN) {
        host_at(operation, STAGE_ASK, 0);
        return;
    }
    if (next == NEXT_FOLLOW || next == NEXT_RETRY)
        judge_keep_refusal(operation);
    if (next == NEXT_FOLLOW && judge_hops(operation))
        host_at(operation, STAGE_FOLLOW, 0);
    else if (next == NEXT_RETRY && judge_pause(operation, &pause_ns))
        retry_after(operation, pause_ns);
    else
        end(operation);
}

static void conclude(struct operation *operation, struct slice response)
{
    take_answer(operation, response);
    bool broken = operation->result->violation[0] != '\0';
    if (broken && operation->client->violation == NULL)
        log_warn("promise_broken", "what=\"%s\"", operation->result->violation);
    if (broken && operation->client->violation != NULL)
        host_at(operation, STAGE_TELL, 0);
    else
        decide(operation);
}

/* ---- An attempt ------------------------------------------------------------------------------ */

/* What this thread is about to send. An attempt that is refused at once ends before
 * rpc_client_call() returns; it is concluded then, so that no callback runs within another. Others
 * that wait for a message may end there, too: those are their hosts', for this may be a thread of
 * the program, with its locks. */
struct sending {
    const struct operation *operation; /* NULL: nothing is sent, only cancelled */
    bool refused;
};
static _Thread_local struct sending *sending;

static void answered(struct slice response, struct rpc_exchange *exchange)
{
    struct operation *operation = exchange->closure_data;
    if (sending != NULL && operation == sending->operation) {
        sending->refused = true;
        return;
    }
    if (sending != NULL && operation->lined && exchange->reply == NULL) {
        host_at(operation, STAGE_FAILED, 0);
        return;
    }
    struct rpc_client *rpc;
    struct operation *next = line_leave(operation, &rpc);
    if (next != NULL)
        send(next, rpc);
    conclude(operation, response);
}

static uint32_t left_ms(const struct operation *operation)
{
    uint64_t left = saturating_sub(operation->deadline_ns, clock_boot_ns()) / NS_PER_MS;
    return (uint32_t)min_u64(left, LIMIT_RPC_DEADLINE_MS_MAX);
}

/* What one node does not answer is asked elsewhere while there is time. */
static uint32_t attempt_ms(const struct operation *operation)
{
    uint32_t left = left_ms(operation);
    bool alone = operation->call.single || (operation->client->endpoint_count == 1 &&
                                            operation->hop_count == 0 && !operation->call.routed);
    if (alone)
        return left;
    uint32_t patience = operation->call.patience_ms;
    return (uint32_t)min_u64((left + 1) / 2, patience != 0 ? patience : UINT32_MAX);
}

/* Of the attempt before; an operation's counts stay, and what it learnt of the session's losses. */
static void clear_attempt(struct candor_result *result)
{
    struct candor_result before = *result;
    /* kept */
    if (before.session_lost)
        result->lost_writes = NULL;
    candor_result_free(result);
    memset(result, 0, sizeof *result);
    result->attempts = before.attempts;
    result->redirects = before.redirects;
    if (!before.session_lost)
        return;
    result->session_lost = true;
    memcpy(result->lost_archive, before.lost_archive, sizeof result->lost_archive);
    result->lost_write_count = before.lost_write_count;
    result->lost_writes = before.lost_writes;
    result->more_lost_writes = before.more_lost_writes;
}

/* An attempt begins. */
static void clear(struct operation *operation)
{
    if (operation->result->attempts > 0)
        clear_attempt(operation->result);
}

/* After this the operation is another thread's, and may be gone. Returns whose turn it is then, as
 * line_leave(). */
static struct operation *send_one(struct operation *operation, struct rpc_client **rpc)
{
    const struct call *call = &operation->call;
    operation->exchange = (struct rpc_exchange){
        .deadline_ms = (uint32_t)max_u64(1, attempt_ms(operation)),
        .request_id = operation->has_request_id ? &operation->request_id : NULL,
        .hops = operation->hop_list,
        .hop_count = operation->hop_count,
        .class = operation->client->no_coalesce ? RPC_ALONE : call->class,
        .closure_data = operation};
    clear(operation);
    operation->result->attempts++;
    counts_add(&operation->client->counts.attempts);
    operation->stage = STAGE_ASKED;
    operation->sent_ns = clock_boot_ns();
    struct sending this = {.operation = operation};
    struct sending *before = sending;
    sending = &this;
    rpc_client_call(*rpc, call->method, call->body, answered, &operation->exchange);
    sending = before; /* the operation may be gone, and its place another's */
    if (!this.refused)
        return NULL;
    struct operation *next = line_leave(operation, rpc);
    conclude(operation, (struct slice){0});
    return next;
}

void engine_cancel(struct rpc_client *rpc)
{
    struct sending nothing = {0};
    ASSERT(sending == NULL);
    sending = &nothing;
    rpc_client_cancel(rpc);
    sending = NULL;
}

static void send(struct operation *operation, struct rpc_client *rpc)
{
    while (operation != NULL)
        operation = send_one(operation, &rpc);
}

static void cancel(struct operation *operation)
{
    clear(operation);
    candor_error_set(&operation->result->error, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                     "the client was closed");
    end(operation);
}

static void ask(struct operation *operation)
{
    struct candor_error *error = &operation->result->error;
    struct rpc_client *rpc;
    if (fork_stranded(error)) { /* also in the middle of a call, when its callback forks */
        end(operation);
        return;
    }
    uint64_t until_ns = clock_boot_ns() + attempt_ms(operation) * NS_PER_MS;
    switch (line_enter(operation, until_ns, &rpc)) {
    case ADMISSION_GO:
        send(operation, rpc);
        break;
    case ADMISSION_UNOPENED:
        host_at(operation, STAGE_ASK, 0);
        break;
    case ADMISSION_CLOSED:
        cancel(operation);
        break;
    case ADMISSION_WAITS:
        break;
    }
}

/* It was not sent, or no reply came. */
static void conclude_failed(struct operation *operation)
{
    struct rpc_client *rpc;
    struct operation *next = line_leave(operation, &rpc);
    if (next != NULL)
        send(next, rpc);
    conclude(operation, (struct slice){0});
}

/* Its turn did not come in time. */
static void leave_unsent(struct operation *operation)
{
    clear(operation);
    operation->exchange = (struct rpc_exchange){0};
    candor_error_set(&operation->exchange.error, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                     "%s has too many operations of this client to answer",
                     operation->client->connections[operation->target].address);
    conclude(operation, (struct slice){0});
}

void engine_begin(struct operation *operation)
{
    struct candor_client *client = operation->client;
    const struct call *call = &operation->call;
    uint64_t deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : client->deadline_ms;
    counts_add(&client->counts.calls);
    operation->begun_ns = clock_boot_ns();
    operation->deadline_ns =
        operation->begun_ns + min_u64(deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX) * NS_PER_MS;
    memset(operation->result, 0, sizeof *operation->result);
    if (!prepare(operation)) {
        end(operation);
        return;
    }
    if (call->endpoint != NULL) {
        host_at(operation, STAGE_CONNECT, 0);
        return;
    }
    take_first_target(operation);
    ask(operation);
}

/* ---- What the host goes on with -------------------------------------------------------------- */

static void ask_opened(struct operation *operation)
{
    struct candor_error *error = &operation->result->error;
    if (fork_stranded(error) ||
        client_open_rpc(operation->client, operation->target, error) == NULL)
        end(operation);
    else
        ask(operation);
}

static void connect_to(struct operation *operation)
{
    struct candor_error *error = &operation->result->error;
    operation->has_target =
        client_connect(operation->client, operation->call.endpoint, &operation->target, error);
    if (operation->has_target)
        ask_opened(operation);
    else
        end(operation);
}

static void follow(struct operation *operation)
{
    struct candor_client *client = operation->client;
    struct candor_result *result = operation->result;
    size_t target;
    struct candor_error error = {0};
    if (!client_connect(client, result->endpoint, &target, &error)) {
        candor_error_set(&result->error, error.code, error.reason, "redirected to %s: %s",
                         result->endpoint, error.message);
        end(operation);
        return;
    }
    char *hop = operation->hops[operation->hop_count];
    text_copy(hop, LIMIT_NODE_ID_BYTES, result->has_freshness ? result->freshness.node : "?");
    operation->hop_list[operation->hop_count++] = hop;
    client_release(client, operation->target);
    operation->target = target;
    result->redirects++;
    counts_add(&client->counts.redirects);
    log_debug("redirected", "method=%s by=%s to=%s", operation->call.method, hop, result->endpoint);
    ask_opened(operation);
}

/* The pause is over: the next endpoint is asked, or the same where it had too much to do. */
static void turn_elsewhere(struct operation *operation)
{
    struct candor_client *client = operation->client;
    size_t target = operation->target;
    if (operation->result->error.code != CANDOR_RESOURCE_EXHAUSTED) {
        pthread_mutex_lock(&client->lock);
        if (client->primary == target)
            client->primary = CONNECTIONS_MAX;
        bool endpoint = target < client->endpoint_count;
        size_t next = endpoint ? (target + 1) % client->endpoint_count : 0;
        if (operation->call.routed)
            next = scout_choose(client, &operation->call);
        client_move(client, &operation->target, next);
        pthread_mutex_unlock(&client->lock);
    }
    ask_opened(operation);
}

void engine_resume(struct operation *operation)
{
    struct candor_client *client = operation->client;
    if (operation->stage == STAGE_TELL) {
        client->violation(client->closure, operation->result->violation);
        decide(operation);
        return;
    }
    if (operation->stage == STAGE_FAILED) {
        conclude_failed(operation);
        return;
    }
    if (atomic_load(&client->closing)) {
        cancel(operation);
        return;
    }
    switch (operation->stage) {
    case STAGE_LINED:
        leave_unsent(operation);
        break;
    case STAGE_CONNECT:
        connect_to(operation);
        break;
    case STAGE_ASK:
        ask_opened(operation);
        break;
    case STAGE_FOLLOW:
        follow(operation);
        break;
    case STAGE_PAUSED:
        turn_elsewhere(operation);
        break;
    case STAGE_TELL:
    case STAGE_FAILED:
    case STAGE_ASKED:
    case STAGE_ENDED:
        ASSERT(false);
    }
}
