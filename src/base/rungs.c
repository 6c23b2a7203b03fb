/* Ladders of read levels: what makes one. */
#include "base/rungs.h"

/* Whether one that was met has met `other`, too: never of SESSION and BOUNDED, which say different
 * things. */
static bool promises(const struct candor_rung *rung, const struct candor_rung *other)
{
    if (rung->level == CANDOR_READ_LINEARIZABLE)
        return true;
    if (other->level == CANDOR_READ_EVENTUAL)
        return rung->level != CANDOR_READ_EVENTUAL || !rung->allow_syncing || other->allow_syncing;
    if (rung->level != other->level)
        return false;
    return rung->level != CANDOR_READ_BOUNDED || rung->max_staleness_ms <= other->max_staleness_ms;
}

static const char *problem_of_one(const struct candor_rung *rung)
{
    bool waits = rung->level == CANDOR_READ_SESSION || rung->level == CANDOR_READ_LINEARIZABLE;
    if (rung->level == CANDOR_READ_DEFAULT)
        return "level: each rung names one";
    if ((unsigned)rung->level > CANDOR_READ_LINEARIZABLE)
        return "level: unknown value";
    if (rung->level == CANDOR_READ_BOUNDED && rung->max_staleness_ms == 0)
        return "max_staleness_ms: BOUNDED needs it";
    if (rung->level != CANDOR_READ_BOUNDED && rung->max_staleness_ms != 0)
        return "max_staleness_ms: goes with BOUNDED";
    if (!waits && rung->within_ms != 0)
        return "within_ms: goes with SESSION and LINEARIZABLE, which wait";
    if (rung->level != CANDOR_READ_EVENTUAL && rung->allow_syncing)
        return "allow_syncing: goes with EVENTUAL";
    return NULL;
}

const char *rungs_problem(const struct candor_rung *rungs, size_t count, size_t *at)
{
    for (*at = 0; *at < count; (*at)++) {
        const char *why = problem_of_one(&rungs[*at]);
        if (why != NULL)
            return why;
        for (size_t above = 0; above < *at; above++)
            if (promises(&rungs[*at], &rungs[above]))
                return "promises no less than one above it: a ladder goes down";
    }
    return NULL;
}
