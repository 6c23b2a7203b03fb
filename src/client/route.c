/* Which node a read begins with. Three questions, one after the other: who may be asked at all; who
 * of these is likely to meet what is asked for; whom of these the route prefers. */
#include "client/route.h"

#include "base/clock.h"
#include "base/limits.h"

/* ---- What was seen --------------------------------------------------------------------------- */

/* Half of what was measured before is forgotten each time: a way that has become long is seen at
 * the first measure, one that has become short again after a few. The first counts whole, and so
 * does one after a long time. */
static void note_rtt(struct route_seen *seen, uint64_t now_ns, uint64_t rtt_ns)
{
    uint64_t age_ns = saturating_sub(now_ns, seen->measured_ns);
    bool before = seen->rtt_ns != 0 && age_ns < LIMIT_CLIENT_SIGHT_MS * NS_PER_MS;
    seen->rtt_ns = max_u64(1, before ? seen->rtt_ns / 2 + rtt_ns / 2 : rtt_ns);
    seen->measured_ns = now_ns;
}

void route_note_answer(struct route_seen *seen, uint64_t now_ns, uint64_t rtt_ns,
                       const struct candor_freshness *freshness, const struct candor_token *token)
{
    if (rtt_ns != 0)
        note_rtt(seen, now_ns, rtt_ns);
    seen->answered_ns = now_ns;
    text_copy(seen->node.text, sizeof seen->node.text, freshness->node);
    seen->role = freshness->role;
    seen->state = freshness->state;
    seen->epoch = freshness->epoch;
    seen->has_bound = freshness->has_staleness_bound;
    seen->bound_ms = freshness->staleness_bound_ms;
    if (token->cluster_id != 0)
        seen->pos = token->pos;
}

void route_note_failure(struct route_seen *seen, uint64_t now_ns)
{
    seen->failed_ns = now_ns;
}

/* ---- Who may be asked ------------------------------------------------------------------------ */

/* It did not answer the last time, and that was not long ago. */
static bool is_avoided(const struct route_seen *seen, uint64_t now_ns)
{
    return seen->failed_ns > seen->answered_ns &&
           saturating_sub(now_ns, seen->failed_ns) < LIMIT_CLIENT_AVOID_MS * NS_PER_MS;
}

/* ---- Who is likely to meet a rung ------------------------------------------------------------ */

/* What it can prove by now, as far as that is known: no less than it said, and where that was long
 * ago, as if it had heard nothing since. */
static uint64_t expected_bound_ms(const struct route_seen *seen, uint64_t now_ns)
{
    uint64_t age_ms = saturating_sub(now_ns, seen->answered_ns) / NS_PER_MS;
    return seen->bound_ms + (age_ms > LIMIT_CLIENT_SIGHT_MS ? age_ms : 0);
}

static bool holds(const struct route_seen *seen, const struct candor_token *token)
{
    return token->cluster_id == 0 || pos_compare(seen->pos, token->pos) >= 0;
}

static bool is_primary(const struct route_seen *seen)
{
    return seen->role == CANDOR_ROLE_PRIMARY && seen->state == CANDOR_STATE_FRESH;
}

/* Two may say that they lead: the one of the newest epoch does. */
static bool leads(const struct route_seen *seen, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (seen[i].known && is_primary(&seen[i]) &&
            epoch_compare(seen[i].epoch, seen[index].epoch) > 0)
            return false;
    return is_primary(&seen[index]);
}

/* 0: not likely. A replica that is FRESH confirms by the primary: the longer way. */
static uint32_t likelihood(const struct route_seen *seen, size_t count, size_t index,
                           const struct candor_rung *rung, const struct route_want *want)
{
    const struct route_seen *one = &seen[index];
    bool serves = one->state == CANDOR_STATE_FRESH || one->state == CANDOR_STATE_STALE;
    if (one->answered_ns == 0)
        return 0;
    switch (rung->level) {
    case CANDOR_READ_LINEARIZABLE:
        return leads(seen, count, index) ? 2 : one->state == CANDOR_STATE_FRESH;
    case CANDOR_READ_SESSION:
        return serves && holds(one, &want->token) ? 2 : leads(seen, count, index);
    case CANDOR_READ_BOUNDED:
        return serves && one->has_bound &&
               expected_bound_ms(one, want->now_ns) <= rung->max_staleness_ms;
    default:
        return serves || (rung->allow_syncing && one->state == CANDOR_STATE_SYNCING);
    }
}

/* ---- Whom the route prefers ------------------------------------------------------------------ */

/* Whether `a` is nearer than `b`; of one that was not measured nobody knows. */
static bool is_nearer(const struct route_seen *a, const struct route_seen *b)
{
    return a->rtt_ns != 0 && (b->rtt_ns == 0 || a->rtt_ns < b->rtt_ns);
}

static bool is_fresher(const struct route_seen *a, const struct route_seen *b, uint64_t now_ns)
{
    if (a->has_bound != b->has_bound)
        return a->has_bound;
    uint64_t bound_a = expected_bound_ms(a, now_ns);
    uint64_t bound_b = expected_bound_ms(b, now_ns);
    return bound_a != bound_b ? bound_a < bound_b : is_nearer(a, b);
}

static bool is_at_home(const struct route_seen *seen, const struct route_want *want)
{
    return want->zone[0] != '\0' && strcmp(seen->zone, want->zone) == 0;
}

/* Whether the route prefers the one at `a` to that at `b`. */
static bool prefers(const struct route_seen *seen, size_t count, const struct route_want *want,
                    size_t a, size_t b)
{
    switch (want->route) {
    case CANDOR_ROUTE_PRIMARY:
        if (leads(seen, count, a) != leads(seen, count, b))
            return leads(seen, count, a);
        break;
    case CANDOR_ROUTE_ZONE:
        if (is_at_home(&seen[a], want) != is_at_home(&seen[b], want))
            return is_at_home(&seen[a], want);
        break;
    case CANDOR_ROUTE_FRESHEST:
        return is_fresher(&seen[a], &seen[b], want->now_ns);
    default:
        break;
    }
    return is_nearer(&seen[a], &seen[b]);
}

/* Of those that `among` has. */
static size_t pick(const struct route_seen *seen, size_t count, const struct route_want *want,
                   const uint32_t *among)
{
    size_t best = count;
    size_t candidates = 0;
    for (size_t i = 0; i < count; i++) {
        if (among[i] == 0)
            continue;
        candidates++;
        if (best == count || prefers(seen, count, want, i, best))
            best = i;
    }
    if (want->route != CANDOR_ROUTE_ANY || candidates == 0)
        return best;
    size_t drawn = want->draw % candidates;
    for (size_t i = 0; i < count; i++)
        if (among[i] != 0 && drawn-- == 0)
            return i;
    return best;
}

/* ---- The choice ------------------------------------------------------------------------------ */

/* Leaves those that are likeliest. False: none is likely. Where the user has said how to choose,
 * all that are likely at all are good. */
static bool keep_likely(const struct route_seen *seen, size_t count, const struct route_want *want,
                        const struct candor_rung *rung, const bool *may, uint32_t *likely)
{
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        likely[i] = may[i] ? likelihood(seen, count, i, rung, want) : 0;
        most = likely[i] > most ? likely[i] : most;
    }
    for (size_t i = 0; i < count && want->route == CANDOR_ROUTE_DEFAULT; i++)
        likely[i] = likely[i] == most ? likely[i] : 0;
    return most > 0;
}

/* Nothing is known to be likely: the one whose failure is the oldest. */
static size_t least_hopeless(const struct route_seen *seen, size_t count)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++)
        if (seen[i].known && (best == count || seen[i].failed_ns < seen[best].failed_ns))
            best = i;
    return best;
}

size_t route_choose(const struct route_seen *seen, size_t count, const struct route_want *want)
{
    bool may[ROUTE_ADDRESSES];
    uint32_t likely[ROUTE_ADDRESSES];
    size_t able = 0;
    for (size_t i = 0; i < count; i++) {
        may[i] = seen[i].known && !is_avoided(&seen[i], want->now_ns);
        able += may[i];
    }
    for (size_t rung = 0; rung < want->rung_count && able > 0; rung++)
        if (keep_likely(seen, count, want, &want->rungs[rung], may, likely))
            return pick(seen, count, want, likely);
    for (size_t i = 0; i < count; i++)
        likely[i] = may[i];
    return able > 0 ? pick(seen, count, want, likely) : least_hopeless(seen, count);
}
