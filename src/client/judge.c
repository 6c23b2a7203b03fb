/* What the end of an attempt means: whether its operation has its answer, follows a redirect, is
 * repeated; what is told when it is not. */
#include "client/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

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
static bool renew_session(struct operation *operation)
{
    struct candor_client *client = operation->client;
    struct candor_result *result = operation->result;
    struct call *call = &operation->call;
    if (!call->write || result->error.reason != CANDOR_REASON_SESSION_LOST ||
        result->session_lost || result->token.cluster_id == 0)
        return false;
    client_lose_token(client, &call->asked, &result->token);
    candor_client_token(client, &call->asked);
    result->session_lost = true;
    if (operation_pack_token(call, &call->asked))
        return true;
    operation_out_of_memory(&result->error);
    return false;
}

enum next judge_attempt(struct operation *operation)
{
    struct candor_result *result = operation->result;
    const struct candor_error *error = &result->error;
    const struct call *call = &operation->call;
    if (renew_session(operation))
        return NEXT_AGAIN;
    /* a read has no outcome but its answer */
    if (!call->write && error->reason == CANDOR_REASON_OUTCOME_UNKNOWN)
        result->error.reason = CANDOR_REASON_NONE;
    if (!worth_a_retry(error) || call->single)
        return NEXT_RETURN;
    /* its id keeps it from being executed twice (R46) */
    if (call->write && !surely_refused(error, operation->answered))
        operation->uncertain = true;
    if (error->code == CANDOR_FAILED_PRECONDITION && operation->client->no_redirect)
        return NEXT_RETURN;
    if (error->code == CANDOR_FAILED_PRECONDITION && result->endpoint[0] != '\0')
        return NEXT_FOLLOW;
    return NEXT_RETRY;
}

bool judge_hops(struct operation *operation)
{
    struct candor_result *result = operation->result;
    if (operation->hop_count < LIMIT_HOPS)
        return true;
    char trail[(size_t)LIMIT_HOPS * (LIMIT_NODE_ID_BYTES + 4) + 1] = "";
    for (size_t i = 0; i < operation->hop_count; i++) {
        size_t used = strlen(trail);
        snprintf(trail + used, sizeof trail - used, "%s%s", i == 0 ? "" : " -> ",
                 operation->hops[i]);
    }
    candor_error_set(&result->error, CANDOR_UNAVAILABLE, CANDOR_REASON_MAX_HOPS,
                     "redirected more than %d times: %s -> %s", LIMIT_HOPS, trail, result->primary);
    return false;
}

/* ---- Pauses ---------------------------------------------------------------------------------- */

/* Full jitter: clients that failed together do not come back together. */
static uint64_t draw_pause_ns(const struct operation *operation)
{
    struct candor_client *client = operation->client;
    uint32_t rounds = operation->failures / (uint32_t)client->endpoint_count;
    uint64_t most_ms = min_u64((uint64_t)BACKOFF_FIRST_MS << min_u64(rounds, 16), BACKOFF_MOST_MS);
    pthread_mutex_lock(&client->lock);
    uint64_t drawn = rng_below(&client->rng, most_ms * NS_PER_MS);
    pthread_mutex_unlock(&client->lock);
    return operation->result->retry_after_ms * NS_PER_MS + drawn;
}

/* No endpoint is an address of a node, as far as can be seen: waiting does not change it. `why` is
 * of the last one. */
static bool hopeless(struct candor_client *client, char *why, size_t size)
{
    bool hope = false;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->connection_count && !hope; i++) {
        struct rpc_client *rpc = client->connections[i].rpc;
        if (i >= client->endpoint_count && !client->seen[i].known)
            continue;
        hope = rpc == NULL || !rpc_client_hopeless(rpc, why, size); /* NULL: not asked yet */
    }
    pthread_mutex_unlock(&client->lock);
    return !hope;
}

/* The reason and age of a refusal, and why nobody else answered. */
static void explain(struct operation *operation)
{
    const struct candor_result *refusal = operation->refusal;
    struct candor_result *result = operation->result;
    char silence[200];
    text_copy(silence, sizeof silence, result->error.message);
    if (result->has_freshness || refusal == NULL)
        return;
    candor_error_set(&result->error, result->error.code, refusal->error.reason, "%s: %.200s; %s",
                     refusal->freshness.node, refusal->error.message, silence);
    result->has_freshness = true;
    result->freshness = refusal->freshness;
    result->token = refusal->token;
    memcpy(result->primary, refusal->primary, sizeof result->primary);
    memcpy(result->endpoint, refusal->endpoint, sizeof result->endpoint);
    result->first = refusal->first;
    result->last = refusal->last;
    result->ack = refusal->ack;
}

/* Says the time that passed, and why not the whole deadline was used: the node asked for a pause
 * that reaches beyond it. */
static void give_up(struct operation *operation)
{
    struct candor_result *result = operation->result;
    uint64_t now_ns = clock_boot_ns();
    explain(operation);
    char message[CANDOR_ERROR_MESSAGE_BYTES - 160];
    char pause[80] = "";
    text_copy(message, sizeof message, result->error.message);
    if (result->retry_after_ms > saturating_sub(operation->deadline_ns, now_ns) / NS_PER_MS)
        snprintf(pause, sizeof pause, ": the node asks to wait %u ms, beyond the deadline",
                 result->retry_after_ms);
    candor_error_set(&result->error, result->error.code, result->error.reason,
                     "%s (gave up after %" PRIu64 " ms and %u attempt%s%s)", message,
                     (now_ns - operation->begun_ns) / NS_PER_MS, result->attempts,
                     result->attempts == 1 ? "" : "s", pause);
}

/* False: the deadline comes first, or there is nobody to ask; that may have been found only after
 * the attempt had failed for want of an answer. */
static bool may_pause(struct operation *operation, uint64_t *pause_ns)
{
    struct candor_result *result = operation->result;
    char why[CANDOR_ERROR_MESSAGE_BYTES];
    if (hopeless(operation->client, why, sizeof why)) {
        if (!result->has_freshness && result->error.code == CANDOR_UNAVAILABLE)
            candor_error_set(&result->error, result->error.code, result->error.reason, "%s", why);
        return false;
    }
    *pause_ns = draw_pause_ns(operation);
    operation->failures++;
    operation->hop_count = 0;
    return *pause_ns < saturating_sub(operation->deadline_ns, clock_boot_ns());
}

bool judge_pause(struct operation *operation, uint64_t *pause_ns)
{
    if (may_pause(operation, pause_ns))
        return true;
    give_up(operation);
    return false;
}

/* ---- What is told at the end ----------------------------------------------------------------- */

void judge_keep_refusal(struct operation *operation)
{
    if (!operation->result->has_freshness)
        return;
    if (operation->refusal == NULL)
        operation->refusal = malloc(sizeof *operation->refusal);
    if (operation->refusal != NULL) /* else the end tells less */
        *operation->refusal = *operation->result;
}

/* It also says what became of the attempts before it: none was executed, or this is the answer; or
 * its reason tells that nobody knows. */
static bool settles(const struct candor_error *error)
{
    switch (error->code) {
    case CANDOR_OK:
    case CANDOR_OUT_OF_RANGE:
        return true;
    case CANDOR_FAILED_PRECONDITION: /* a number it is not; with a reason the node may not answer */
        return error->reason == CANDOR_REASON_NONE;
    case CANDOR_INTERNAL:
        return error->reason == CANDOR_REASON_MALFORMED;
    default:
        return error->reason == CANDOR_REASON_TOO_LARGE ||
               error->reason == CANDOR_REASON_REQUEST_ID_REUSED ||
               error->reason == CANDOR_REASON_REQUEST_TOO_OLD;
    }
}

/* No other refusal says anything of an attempt before it, nor that the session was lost: the node
 * that refused, or its epoch, may be overruled by one that has the write. */
void judge_keep_uncertainty(struct operation *operation)
{
    struct candor_result *result = operation->result;
    if (!operation->uncertain || settles(&result->error))
        return;
    result->session_lost =
        result->session_lost || result->error.reason == CANDOR_REASON_SESSION_LOST;
    result->error.reason = CANDOR_REASON_OUTCOME_UNKNOWN;
}
