/* A read that asks for several levels, one after the other (R71). */
#include "core/ladder.h"

#include "base/assert.h"
#include "base/clock.h"

static const struct candor_rung *rung_of(const struct core_ladder *ladder)
{
    ASSERT_U64(ladder->at, <, ladder->count);
    return &ladder->rungs[ladder->at];
}

/* A share of its own: what it does not use is there for those below it. */
static void try_rung(struct core_ladder *ladder, uint32_t at, uint64_t now_ns)
{
    ladder->at = at;
    ladder->began_ns = now_ns;
    uint64_t left_ns = saturating_sub(ladder->deadline_ns, now_ns);
    uint64_t share_ns = at + 1 == ladder->count ? left_ns : left_ns / 2;
    if (rung_of(ladder)->within_ms != 0)
        share_ns = min_u64(rung_of(ladder)->within_ms * NS_PER_MS, left_ns);
    ladder->until_ns = now_ns + share_ns;
}

void core_ladder_begin(struct core_ladder *ladder, uint64_t now_ns, uint64_t deadline_ns)
{
    ladder->deadline_ns = deadline_ns;
    try_rung(ladder, 0, now_ns);
}

void core_ladder_ask(const struct core_ladder *ladder, struct core_read *read)
{
    const struct candor_rung *rung = rung_of(ladder);
    read->level = rung->level;
    read->max_staleness_ms = rung->max_staleness_ms;
    read->allow_syncing = rung->allow_syncing;
}

/* The request is at fault, or its caller is gone, or the node goes: a lower level is no way out. */
static bool is_final(enum candor_code code, enum candor_reason reason)
{
    return code == CANDOR_INVALID_ARGUMENT || code == CANDOR_CANCELLED ||
           reason == CANDOR_REASON_SHUTTING_DOWN;
}

bool core_ladder_down(struct core_ladder *ladder, enum candor_code code, enum candor_reason reason,
                      const struct core_freshness *fresh, uint64_t now_ns, struct core_miss *miss)
{
    uint64_t waited_ns = saturating_sub(now_ns, ladder->began_ns);
    bool may_be_late =
        reason == CANDOR_REASON_NO_MAJORITY || reason == CANDOR_REASON_SESSION_BEHIND;
    bool late = may_be_late && now_ns >= ladder->until_ns;
    *miss = (struct core_miss){.code = late ? CANDOR_DEADLINE_EXCEEDED : code,
                               .reason = reason,
                               .waited_ms = waited_ns / NS_PER_MS};
    if (fresh != NULL && rung_of(ladder)->level == CANDOR_READ_BOUNDED) {
        miss->has_bound = fresh->has_bound;
        miss->bound_ms = fresh->bound_ms;
    }
    if (is_final(code, reason) || ladder->at + 1 == ladder->count)
        return false;
    try_rung(ladder, ladder->at + 1, now_ns);
    return true;
}

uint32_t core_ladder_met(const struct core_ladder *ladder, const struct core_view *view)
{
    return (uint32_t)saturating_sub(ladder->at, view->rungs_overstated) + 1;
}
