/* The client contract of docs/consistency.md: one call, over as many attempts as its deadline
 * allows. */
#include "client/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

/* What to do after an attempt. */
enum next {
    NEXT_RETURN, /* it is answered, or cannot be */
    NEXT_FOLLOW, /* a redirect: ask result->endpoint at once */
    NEXT_RETRY,  /* ask elsewhere, after a pause */
    NEXT_AGAIN,  /* ask the same node at once */
};

struct progress {
    uint64_t begun_ns;
    uint64_t deadline_ns;
    size_t target;     /* connection to ask */
    uint32_t failures; /* since the call began: the pause grows with them */
    size_t hop_count;  /* redirects in a row */
    char hops[LIMIT_HOPS + 1][LIMIT_NODE_ID_BYTES]; /* who gave them, oldest first (R45) */
    char *hop_list[LIMIT_HOPS + 1];
    struct identity *identity; /* of a write */
    bool has_request_id;
    bool one_of_many; /* of a session read: the client writes under other ids, too */
    uint8_t client_id[CANDOR_CLIENT_ID_BYTES]; /* likewise */
    Candor__V1__RequestId request_id;
    bool uncertain; /* an attempt may have been executed without our hearing of it */
    bool refused;   /* a node has answered, but not what was asked for */
    struct candor_result refusal;
};

/* False: there is no memory. */
static bool pack(struct call *call)
{
    if (call->message == NULL)
        return true;
    size_t length = protobuf_c_message_get_packed_size(call->message);
    call->packed = malloc(length + 1);
    if (call->packed == NULL)
        return false;
    protobuf_c_message_pack(call->message, call->packed);
    call->body = slice_of(call->packed, length);
    return true;
}

static void unpack(struct call *call)
{
    free(call->packed);
    call->packed = NULL;
    call->body = (struct slice){0};
}

/* Taken: the caller gives it back. */
static size_t first_target(struct candor_client *client, const struct call *call)
{
    bool at_primary = call->write || call->at_primary ||
                      (call->read != NULL && call->read->level == CANDOR_READ_LINEARIZABLE);
    pthread_mutex_lock(&client->lock);
    size_t target =
        at_primary && client->primary != CONNECTIONS_MAX ? client->primary : client->nearest;
    if (call->single)
        target = call->only;
    client_take(client, target);
    pthread_mutex_unlock(&client->lock);
    return target;
}

/* Without a number it names who asks: a session read learns which of the writes under this id were
 * lost (R44). */
static void name_client(struct candor_client *client, struct progress *progress)
{
    Candor__V1__RequestId *id = &progress->request_id;
    candor__v1__request_id__init(id);
    progress->has_request_id = client_any_id(client, progress->client_id, &progress->one_of_many);
    id->client_id.data = progress->client_id;
    id->client_id.len = sizeof progress->client_id;
}

/* R46: one number for the call, however often it is sent. False: there is no memory. */
static bool draw_request_id(struct candor_client *client, struct progress *progress)
{
    Candor__V1__RequestId *id = &progress->request_id;
    candor__v1__request_id__init(id);
    progress->identity = client_draw_number(client, &id->number);
    if (progress->identity == NULL)
        return false;
    progress->has_request_id = true;
    id->client_id.data = progress->identity->id;
    id->client_id.len = sizeof progress->identity->id;
    return true;
}

static void tell_request_id(struct candor_client *client, struct progress *progress,
                            struct candor_result *result)
{
    memcpy(result->request.client_id, progress->identity->id, sizeof result->request.client_id);
    result->request.number = progress->request_id.number;
    client_end_number(client, progress->identity, progress->request_id.number,
                      result->error.reason);
}

static uint32_t left_ms(const struct progress *progress)
{
    uint64_t left = saturating_sub(progress->deadline_ns, clock_boot_ns()) / NS_PER_MS;
    return (uint32_t)min_u64(left, LIMIT_RPC_DEADLINE_MS_MAX);
}

/* What one node does not answer is asked elsewhere while there is time. */
static uint32_t attempt_ms(const struct candor_client *client, const struct call *call,
                           const struct progress *progress)
{
    uint32_t left = left_ms(progress);
    bool alone = call->single || (client->endpoint_count == 1 && progress->hop_count == 0);
    return alone ? left : (left + 1) / 2;
}

/* Of the attempt before; a call's counts stay, and what it learnt of the session's losses. */
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

/* R46: what no attempt of this call may have done was done by another process with this client's
 * ids, for a write with the very same content; this one's was not executed. */
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

/* Sends once and waits. Returns whether a node answered at all. */
static bool attempt(struct candor_client *client, const struct call *call,
                    struct progress *progress, struct rpc_client *rpc, struct candor_result *result)
{
    struct rpc_exchange exchange = {
        .deadline_ms = (uint32_t)max_u64(1, attempt_ms(client, call, progress)),
        .request_id = progress->has_request_id ? &progress->request_id : NULL,
        .hops = progress->hop_list,
        .hop_count = progress->hop_count};
    uint8_t *response = NULL;
    size_t response_bytes = 0;
    Candor__V1__RpcReply *reply = NULL;
    clear_attempt(result);
    result->attempts++;

    uint64_t sent_ns = clock_boot_ns();
    rpc_client_call_wait(rpc, call->method, call->body, &exchange, &response, &response_bytes,
                         &reply, &result->error);
    uint64_t received_ns = clock_boot_ns();

    if (reply != NULL)
        convert_envelope(reply, result);
    if (result->lost_archive[0] != '\0' && progress->one_of_many)
        result->more_lost_writes = true;
    bool has_body = result->error.code == CANDOR_OK || response != NULL;
    if (has_body && !call->take(call, slice_of(response, response_bytes), result))
        not_taken(call, result);
    if (result->error.code == CANDOR_OK && result->replayed && !progress->uncertain)
        not_ours(result);
    if (call->write)
        see_own_write(result);
    promise_check(client, call, sent_ns, received_ns, result);
    if (result->error.code == CANDOR_OK)
        client_see_token(client, &call->asked, &result->token);
    /* The node's bound held when it answered, which was after the request was sent. */
    if (result->freshness.has_staleness_bound)
        result->freshness.staleness_bound_ms += ns_to_ms_up(clock_boot_ns() - sent_ns);

    bool answered = reply != NULL;
    if (reply != NULL)
        candor__v1__rpc_reply__free_unpacked(reply, NULL);
    free(response);
    return answered;
}

/* Whether a write that failed so was not executed and never will be. */
static bool surely_refused(const struct candor_error *error, bool answered)
{
    if (!answered) /* never sent: rpc.h */
        return error->reason == CANDOR_REASON_NONE || error->reason == CANDOR_REASON_OVERLOADED;
    switch (error->reason) {
    case CANDOR_REASON_NOT_PRIMARY:
    case CANDOR_REASON_NO_PRIMARY:
    case CANDOR_REASON_NO_MAJORITY:
    case CANDOR_REASON_SESSION_BEHIND:
    case CANDOR_REASON_SYNCING:
    case CANDOR_REASON_EXPIRED:
    case CANDOR_REASON_FORKED:
    case CANDOR_REASON_DOUBTFUL:
    case CANDOR_REASON_OVERLOADED:
        return true;
    default:
        return false;
    }
}

/* The codes after which another attempt may succeed. */
static bool worth_a_retry(const struct candor_error *error)
{
    switch (error->code) {
    case CANDOR_UNKNOWN: /* the primary was deposed, or went (R21): its successor knows */
        return error->reason == CANDOR_REASON_OUTCOME_UNKNOWN;
    case CANDOR_UNAVAILABLE:
    case CANDOR_DEADLINE_EXCEEDED:
        return true;
    case CANDOR_RESOURCE_EXHAUSTED:
        return error->reason == CANDOR_REASON_OVERLOADED;
    case CANDOR_FAILED_PRECONDITION:
        return error->reason != CANDOR_REASON_NONE && error->reason != CANDOR_REASON_SESSION_LOST;
    default:
        return false;
    }
}

/* A write that was refused because its session had lost what it saw: the loss is told with the
 * answer, and the write goes again from where the session can go on. False: this was told before,
 * or the node names no such place. */
static bool renew_session(struct candor_client *client, struct call *call,
                          struct candor_result *result)
{
    if (!call->write || result->error.reason != CANDOR_REASON_SESSION_LOST ||
        result->session_lost || result->token.cluster_id == 0)
        return false;
    client_lose_token(client, &call->asked, &result->token);
    candor_client_token(client, &call->asked);
    convert_token(&call->asked, &call->token);
    unpack(call);
    result->session_lost = true;
    if (!pack(call))
        operation_out_of_memory(&result->error);
    return call->body.bytes != NULL;
}

static enum next judge(struct candor_client *client, struct call *call, struct progress *progress,
                       bool answered, struct candor_result *result)
{
    const struct candor_error *error = &result->error;
    if (renew_session(client, call, result))
        return NEXT_AGAIN;
    /* a read has no outcome but its answer */
    if (!call->write && error->reason == CANDOR_REASON_OUTCOME_UNKNOWN)
        result->error.reason = CANDOR_REASON_NONE;
    if (!worth_a_retry(error) || call->single)
        return NEXT_RETURN;
    /* its id keeps it from being executed twice (R46) */
    if (call->write && !surely_refused(error, answered))
        progress->uncertain = true;
    if (error->code == CANDOR_FAILED_PRECONDITION && client->no_redirect)
        return NEXT_RETURN;
    if (error->code == CANDOR_FAILED_PRECONDITION && result->endpoint[0] != '\0')
        return NEXT_FOLLOW;
    return NEXT_RETRY;
}

static enum next ask(struct candor_client *client, struct call *call, struct progress *progress,
                     struct candor_result *result)
{
    if (fork_stranded(&result->error)) /* also in the middle of a call, when its callback forks */
        return NEXT_RETURN;
    struct rpc_client *rpc = client_rpc(client, progress->target, &result->error);
    if (rpc == NULL)
        return NEXT_RETURN;
    bool answered = attempt(client, call, progress, rpc, result);
    return judge(client, call, progress, answered, result);
}

/* R45: the call ends after LIMIT_HOPS redirects, with the trail. */
static bool follow(struct candor_client *client, struct progress *progress,
                   struct candor_result *result)
{
    if (progress->hop_count == LIMIT_HOPS) {
        char trail[(size_t)LIMIT_HOPS * (LIMIT_NODE_ID_BYTES + 4) + 1] = "";
        for (size_t i = 0; i < progress->hop_count; i++) {
            size_t used = strlen(trail);
            snprintf(trail + used, sizeof trail - used, "%s%s", i == 0 ? "" : " -> ",
                     progress->hops[i]);
        }
        candor_error_set(&result->error, CANDOR_UNAVAILABLE, CANDOR_REASON_MAX_HOPS,
                         "redirected more than %d times: %s -> %s", LIMIT_HOPS, trail,
                         result->primary);
        return false;
    }
    size_t target;
    struct candor_error error = {0};
    if (!client_connect(client, result->endpoint, &target, &error)) {
        candor_error_set(&result->error, error.code, error.reason, "redirected to %s: %s",
                         result->endpoint, error.message);
        return false;
    }
    char *hop = progress->hops[progress->hop_count];
    convert_text(result->has_freshness ? result->freshness.node : "?", hop, LIMIT_NODE_ID_BYTES);
    progress->hop_list[progress->hop_count++] = hop;
    client_release(client, progress->target);
    progress->target = target;
    result->redirects++;
    return true;
}

/* Full jitter: clients that failed together do not come back together. */
static uint64_t pause_ns(struct candor_client *client, const struct progress *progress,
                         uint32_t retry_after_ms)
{
    uint32_t rounds = progress->failures / (uint32_t)client->endpoint_count;
    uint64_t most_ms = min_u64((uint64_t)BACKOFF_FIRST_MS << min_u64(rounds, 16), BACKOFF_MOST_MS);
    pthread_mutex_lock(&client->lock);
    uint64_t drawn = rng_below(&client->rng, most_ms * NS_PER_MS);
    pthread_mutex_unlock(&client->lock);
    return retry_after_ms * NS_PER_MS + drawn;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

/* No endpoint is an address of a node, as far as can be seen: waiting does not change it. `why` is
 * of the last one. */
static bool hopeless(struct candor_client *client, char *why, size_t size)
{
    bool hope = false;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->endpoint_count && !hope; i++) {
        struct rpc_client *rpc = client->connections[i].rpc;
        hope = rpc == NULL || !rpc_client_hopeless(rpc, why, size); /* NULL: not asked yet */
    }
    pthread_mutex_unlock(&client->lock);
    return !hope;
}

/* Goes to the next endpoint after a pause. False: the deadline comes first, or there is nobody to
 * ask; that may have been found only after the attempt had failed for want of an answer. */
static bool back_off(struct candor_client *client, struct progress *progress,
                     struct candor_result *result)
{
    char why[CANDOR_ERROR_MESSAGE_BYTES];
    if (hopeless(client, why, sizeof why)) {
        if (!result->has_freshness && result->error.code == CANDOR_UNAVAILABLE)
            candor_error_set(&result->error, result->error.code, result->error.reason, "%s", why);
        return false;
    }
    uint64_t pause = pause_ns(client, progress, result->retry_after_ms);
    progress->failures++;
    progress->hop_count = 0;
    uint64_t left = saturating_sub(progress->deadline_ns, clock_boot_ns());
    if (pause >= left)
        return false;
    sleep_ns(pause);

    bool overloaded = result->error.code == CANDOR_RESOURCE_EXHAUSTED;
    pthread_mutex_lock(&client->lock);
    if (!overloaded) {
        if (client->primary == progress->target)
            client->primary = CONNECTIONS_MAX;
        bool endpoint = progress->target < client->endpoint_count;
        client_move(client, &progress->target,
                    endpoint ? (progress->target + 1) % client->endpoint_count : 0);
    }
    pthread_mutex_unlock(&client->lock);
    return true;
}

/* Where the next call begins. */
static void remember(struct candor_client *client, const struct call *call,
                     const struct progress *progress, const struct candor_result *result)
{
    if (result->error.code != CANDOR_OK || call->single)
        return;
    pthread_mutex_lock(&client->lock);
    if (call->write || result->freshness.role == CANDOR_ROLE_PRIMARY)
        client->primary = progress->target;
    /* A read that was redirected comes back to the near node, which may have caught up by then. */
    if (!call->write && progress->hop_count == 0 && progress->target < client->endpoint_count)
        client->nearest = progress->target;
    pthread_mutex_unlock(&client->lock);
}

/* Keeps what a node said of itself when it refused: it tells more than the silence of the node it
 * named. */
static void keep_refusal(struct progress *progress, const struct candor_result *result)
{
    if (!result->has_freshness)
        return;
    progress->refused = true;
    progress->refusal = *result;
    progress->refusal.memory = NULL; /* refusals have none */
}

/* The reason and age of a refusal, and why nobody else answered. */
static void explain(const struct progress *progress, struct candor_result *result)
{
    const struct candor_result *refusal = &progress->refusal;
    char silence[200];
    convert_text(result->error.message, silence, sizeof silence);
    if (result->has_freshness || !progress->refused)
        return;
    candor_error_set(&result->error, result->error.code, refusal->error.reason, "%s: %.200s; %s",
                     refusal->freshness.node, refusal->error.message, silence);
    result->has_freshness = true;
    result->freshness = refusal->freshness;
    result->token = refusal->token;
    memcpy(result->primary, refusal->primary, sizeof result->primary);
    memcpy(result->endpoint, refusal->endpoint, sizeof result->endpoint);
}

/* Says the time that passed, and why not the whole deadline was used: the node asked for a pause
 * that reaches beyond it. */
static void gave_up(const struct progress *progress, struct candor_result *result)
{
    explain(progress, result);
    char message[CANDOR_ERROR_MESSAGE_BYTES - 160];
    char pause[80] = "";
    convert_text(result->error.message, message, sizeof message);
    if (result->retry_after_ms > left_ms(progress))
        snprintf(pause, sizeof pause, ": the node asks to wait %u ms, beyond the deadline",
                 result->retry_after_ms);
    candor_error_set(&result->error, result->error.code, result->error.reason,
                     "%s (gave up after %" PRIu64 " ms and %u attempt%s%s)", message,
                     (clock_boot_ns() - progress->begun_ns) / NS_PER_MS, result->attempts,
                     result->attempts == 1 ? "" : "s", pause);
}

/* A later refusal does not say what became of an attempt before it. */
static void keep_uncertainty(const struct progress *progress, struct candor_error *error)
{
    bool refused = worth_a_retry(error) || error->code == CANDOR_RESOURCE_EXHAUSTED;
    if (progress->uncertain && refused && error->reason != CANDOR_REASON_TOO_LARGE)
        error->reason = CANDOR_REASON_OUTCOME_UNKNOWN;
}

static enum candor_code exchange(struct candor_client *client, struct call *call,
                                 struct candor_result *result)
{
    struct progress progress = {0};
    uint32_t deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : client->deadline_ms;
    deadline_ms = (uint32_t)min_u64(deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX);
    progress.begun_ns = clock_boot_ns();
    progress.deadline_ns = progress.begun_ns + deadline_ms * NS_PER_MS;
    memset(result, 0, sizeof *result);
    if (call->body.length + ENVELOPE_BYTES > client->message_bytes)
        return candor_error_set(&result->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                                "the request's %zu bytes are more than one message of %zu takes",
                                call->body.length, client->message_bytes);
    if (call->write && !draw_request_id(client, &progress))
        return operation_out_of_memory(&result->error);
    if (!call->write && call->read != NULL && call->read->level == CANDOR_READ_SESSION)
        name_client(client, &progress);

    progress.target = first_target(client, call);
    for (;;) {
        enum next next = ask(client, call, &progress, result);
        if (next == NEXT_RETURN)
            break;
        if (next == NEXT_AGAIN)
            continue;
        keep_refusal(&progress, result);
        if (next == NEXT_FOLLOW) {
            if (!follow(client, &progress, result))
                break;
            continue;
        }
        if (!back_off(client, &progress, result)) {
            gave_up(&progress, result);
            break;
        }
    }
    keep_uncertainty(&progress, &result->error);
    remember(client, call, &progress, result);
    client_release(client, progress.target);
    if (call->write)
        tell_request_id(client, &progress, result);
    return result->error.code;
}

enum candor_code client_call(struct candor_client *client, struct call *call,
                             struct candor_result *result)
{
    if (!pack(call)) {
        memset(result, 0, sizeof *result);
        return operation_out_of_memory(&result->error);
    }
    enum candor_code code = exchange(client, call, result);
    unpack(call);
    return code;
}
