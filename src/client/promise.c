/* Every client is a probe (docs/consistency.md): what a node said earlier is held against what it
 * says now.
 *
 * Calls run concurrently and replies overtake each other, so a reply is only compared with what was
 * known when its request was sent. */
#include "client/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

/* What clocks may differ by before a bound that grew faster than time counts as a broken promise:
 * their rates (the drift of R36 is far below 1%, or the client was told how large it is) and the
 * roundings to milliseconds and ticks. */
#define RATE_SLACK_PPM 10000
#define SLACK_NS (20 * NS_PER_MS)

__attribute__((format(printf, 2, 3))) static void broken(struct candor_result *result,
                                                         const char *format, ...)
{
    /* the first one tells enough */
    if (result->violation[0] != '\0')
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(result->violation, sizeof result->violation, format, list);
    va_end(list);
}

static void check_session(const struct call *call, struct candor_result *result)
{
    const struct candor_token *asked = &call->asked;
    if (call->write || asked->cluster_id == 0 || result->error.code != CANDOR_OK)
        return;
    char wanted[POS_TEXT_BYTES];
    char got[POS_TEXT_BYTES];
    if (result->token.cluster_id != asked->cluster_id)
        broken(result, "node %s answered a session read without a position of its cluster",
               result->freshness.node);
    else if (candor_pos_compare(&result->token.pos, &asked->pos) < 0)
        broken(result, "node %s answered a session read at %s, before the session's %s",
               result->freshness.node, pos_text(result->token.pos, got),
               pos_text(asked->pos, wanted));
}

static void check_bounded(const struct call *call, uint64_t took_ns, struct candor_result *result)
{
    if (call->level != CANDOR_READ_BOUNDED || result->error.code != CANDOR_OK)
        return;
    const struct candor_freshness *freshness = &result->freshness;
    /* The node decided before it packed the reply: the bound may have grown in between, by less
     * than the call took. */
    uint64_t slack_ms = ns_to_ms_up(took_ns + SLACK_NS);
    if (!freshness->has_staleness_bound)
        broken(result, "node %s answered a bounded read without a bound", freshness->node);
    else if (saturating_sub(freshness->staleness_bound_ms, slack_ms) > call->max_staleness_ms)
        broken(result,
               "node %s answered a read bounded by %" PRIu64 " ms with data up to %" PRIu64
               " ms old",
               freshness->node, call->max_staleness_ms, freshness->staleness_bound_ms);
}

static void check_flag(struct candor_result *result)
{
    const struct candor_freshness *freshness = &result->freshness;
    bool fresh = freshness->state == CANDOR_STATE_FRESH;
    if (freshness->stale == fresh)
        broken(result, "node %s says it is %s and stale = %s", freshness->node,
               candor_state_name(freshness->state), freshness->stale ? "true" : "false");
}

/* Nor does a write of the session come before what it has seen (I8: monotonic writes, writes follow
 * reads). One that wrote nothing, as a comparison that failed, answers with the position of what it
 * read: that may be the very one. */
static void check_write(const struct call *call, struct candor_result *result)
{
    const struct candor_token *session = &call->asked;
    if (!call->write || result->error.code != CANDOR_OK || session->cluster_id == 0 ||
        result->token.cluster_id != session->cluster_id)
        return;
    char seen[POS_TEXT_BYTES];
    char got[POS_TEXT_BYTES];
    int order = candor_pos_compare(&result->last, &session->pos);
    if (order < 0 || (order == 0 && result->wrote))
        broken(result, "node %s %s at %s, although the session has seen %s", result->freshness.node,
               result->wrote ? "took a write" : "answered a write that had no effect",
               pos_text(result->last, got), pos_text(session->pos, seen));
}

static struct promise *promise_of(struct candor_client *client, const char *node)
{
    for (size_t i = 0; i < client->promise_count; i++) {
        if (strcmp(client->promises[i].node.text, node) == 0)
            return &client->promises[i];
    }
    /* more ids than a cluster has: nothing to hold them to */
    if (client->promise_count == LIMIT_NODES)
        return NULL;
    struct promise *promise = &client->promises[client->promise_count++];
    memset(promise, 0, sizeof *promise);
    text_copy(promise->node.text, sizeof promise->node.text, node);
    return promise;
}

/* An adopted epoch is durable (R7): no node ever goes back to a lower one. */
static void check_epoch(struct promise *promise, uint64_t sent_ns, uint64_t received_ns,
                        struct candor_result *result)
{
    const struct candor_epoch *now = &result->freshness.epoch;
    /* none yet: a blank data directory under a known id (R4) */
    if (now->term == 0)
        return;
    int order = candor_epoch_compare(now, &promise->epoch);
    if (order > 0) {
        promise->epoch = *now;
        promise->epoch_since_ns = received_ns;
        promise->has_horizon = false; /* evidence is dropped with the epoch (R37) */
    } else if (order < 0 && sent_ns >= promise->epoch_since_ns) {
        struct candor_pos from = {.epoch = promise->epoch};
        struct candor_pos to = {.epoch = *now};
        char was[POS_TEXT_BYTES];
        char is[POS_TEXT_BYTES];
        broken(result, "node %s went back from epoch %s to %s", result->freshness.node,
               pos_text(from, was), pos_text(to, is));
    }
}

/* How much further back than `elapsed` a true bound may reach: the node's clock runs fast by the
 * drift, and the bound is stretched by it once more. */
static uint64_t slack_ns(const struct candor_client *client, uint64_t elapsed_ns)
{
    uint64_t drift = client->clock_drift_ppm;
    uint64_t ppm = RATE_SLACK_PPM + 2 * drift + drift * drift / 1000000;
    return SLACK_NS + elapsed_ns / 1000000 * ppm;
}

/* A bound of b ms at time t says: nothing acknowledged before t - b is missing. That moment never
 * moves back (R36). */
static void check_horizon(const struct candor_client *client, struct promise *promise,
                          uint64_t sent_ns, uint64_t received_ns, struct candor_result *result)
{
    const struct candor_freshness *freshness = &result->freshness;
    if (!freshness->has_staleness_bound || freshness->staleness_bound_ms > UINT64_MAX / NS_PER_MS ||
        candor_epoch_compare(&freshness->epoch, &promise->epoch) != 0)
        return;
    uint64_t bound_ns = freshness->staleness_bound_ms * NS_PER_MS;
    uint64_t earliest = saturating_sub(sent_ns, bound_ns);
    uint64_t latest = saturating_sub(received_ns, bound_ns);
    if (promise->has_horizon && sent_ns >= promise->horizon_at_ns) {
        uint64_t elapsed = saturating_sub(received_ns, promise->horizon_ns);
        if (latest + slack_ns(client, elapsed) < promise->horizon_ns)
            broken(result,
                   "node %s had all writes up to %" PRIu64
                   " ms ago; now it proves only those up to %" PRIu64 " ms ago",
                   freshness->node, ns_to_ms_up(saturating_sub(received_ns, promise->horizon_ns)),
                   freshness->staleness_bound_ms);
    }
    if (!promise->has_horizon || earliest > promise->horizon_ns) {
        promise->has_horizon = true;
        promise->horizon_ns = earliest;
        promise->horizon_at_ns = received_ns;
    }
}

void promise_check(struct candor_client *client, const struct call *call, uint64_t sent_ns,
                   uint64_t received_ns, struct candor_result *result)
{
    if (!result->has_freshness)
        return;
    check_session(call, result);
    check_bounded(call, received_ns - sent_ns, result);
    check_flag(result);
    check_write(call, result);

    pthread_mutex_lock(&client->lock);
    struct promise *promise = promise_of(client, result->freshness.node);
    if (promise != NULL) {
        check_epoch(promise, sent_ns, received_ns, result);
        check_horizon(client, promise, sent_ns, received_ns, result);
    }
    if (result->violation[0] != '\0')
        client->violations++;
    pthread_mutex_unlock(&client->lock);
}
