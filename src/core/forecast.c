/* For how long a node would answer a read as it does now, if it heard nothing more. */
#include "base/clock.h"
#include "core/view.h"

/* Longer than any setting: some 35 years. */
#define HORIZON_MS (UINT64_C(1) << 40)

struct moment {
    enum candor_state state;
    struct core_read_decision decision;
};

struct question {
    const struct core_view *view;
    uint64_t applied;
    uint64_t now_ns;
    const struct core_read *read;
};

static struct moment answer_after(const struct question *of, uint64_t ms)
{
    struct core_freshness fresh;
    core_view_freshness(of->view, of->applied, of->now_ns + ms * NS_PER_MS, &fresh);
    return (struct moment){fresh.state, core_decide_read(of->view, &fresh, of->read)};
}

static bool same(const struct moment *a, const struct moment *b)
{
    return a->state == b->state && a->decision.decision == b->decision.decision &&
           a->decision.code == b->decision.code && a->decision.reason == b->decision.reason;
}

/* Silence alone only makes data older: what it has changed does not come back by itself, so the
 * first moment is found by halving. */
static uint64_t first_change_ms(const struct question *of, const struct moment *now)
{
    uint64_t low = 0;
    uint64_t high = HORIZON_MS;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        struct moment later = answer_after(of, middle);
        if (same(&later, now))
            low = middle;
        else
            high = middle;
    }
    return high;
}

void core_forecast_read(const struct core_view *view, uint64_t applied, uint64_t now_ns,
                        const struct core_read *read, struct core_forecast *out)
{
    struct question of = {view, applied, now_ns, read};
    struct moment now = answer_after(&of, 0);
    struct moment last = answer_after(&of, HORIZON_MS);
    *out = (struct core_forecast){.state = now.state, .decision = now.decision};
    out->ends = !same(&now, &last);
    if (!out->ends)
        return;
    out->holds_ms = first_change_ms(&of, &now);
    struct moment then = answer_after(&of, out->holds_ms);
    out->then_state = then.state;
    out->then = then.decision;
}
