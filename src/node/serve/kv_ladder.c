/* Ladders of reads: from the request, and into the reply. */
#include "node/serve/kv_ladder.h"

#include "base/clock.h"
#include "base/rungs.h"
#include "node/serve/reply.h"

struct read_ladder {
    struct core_ladder core;
    Candor__V1__LadderReport report;
    /* For `core.count` of them. */
    Candor__V1__MissedRung **missed;
    Candor__V1__MissedRung *misses;
};

/* ---- From the request ------------------------------------------------------------------------ */

static enum candor_code check_form(const Candor__V1__ReadOptions *options, struct candor_error *err)
{
    bool two_forms = options->level != CANDOR__V1__READ_LEVEL__READ_LEVEL_DEFAULT ||
                     options->max_staleness_ms != 0 || options->allow_syncing;
    if (two_forms)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "options.ladder: excludes level, max_staleness_ms and "
                                "allow_syncing, which its rungs have");
    if (options->n_ladder > LIMIT_READ_RUNGS)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                                "options.ladder: %zu rungs; the limit is %d", options->n_ladder,
                                LIMIT_READ_RUNGS);
    return CANDOR_OK;
}

static enum candor_code take_rungs(const Candor__V1__ReadOptions *options,
                                   struct candor_rung *rungs, struct candor_error *err)
{
    size_t at;
    for (size_t i = 0; i < options->n_ladder; i++) {
        const Candor__V1__ReadRung *from = options->ladder[i];
        rungs[i] = (struct candor_rung){.level = (enum candor_read_level)from->level,
                                        .within_ms = from->within_ms,
                                        .max_staleness_ms = from->max_staleness_ms,
                                        .allow_syncing = from->allow_syncing};
    }
    const char *why = rungs_problem(rungs, options->n_ladder, &at);
    if (why == NULL)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                            "options.ladder[%zu]: %s", at, why);
}

static enum candor_code no_memory(struct candor_error *err)
{
    return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                            "there is no memory for the ladder");
}

enum candor_code kv_ladder_new(struct rpc_call *call, const Candor__V1__ReadOptions *options,
                               struct read_ladder **out, struct candor_error *err)
{
    *out = NULL;
    if (options == NULL || options->n_ladder == 0)
        return CANDOR_OK;
    if (check_form(options, err) != CANDOR_OK)
        return err->code;
    size_t count = options->n_ladder;
    struct read_ladder *ladder = rpc_call_alloc(call, sizeof *ladder);
    struct candor_rung *rungs = rpc_call_alloc(call, count * sizeof *rungs);
    if (ladder == NULL || rungs == NULL)
        return no_memory(err);
    ladder->missed = rpc_call_alloc(call, count * sizeof *ladder->missed);
    ladder->misses = rpc_call_alloc(call, count * sizeof *ladder->misses);
    if (ladder->missed == NULL || ladder->misses == NULL)
        return no_memory(err);
    if (take_rungs(options, rungs, err) != CANDOR_OK)
        return err->code;
    ladder->core = (struct core_ladder){.rungs = rungs, .count = (uint32_t)count};
    core_ladder_begin(&ladder->core, clock_boot_ns(), reply_deadline_ns(call));
    candor__v1__ladder_report__init(&ladder->report);
    ladder->report.missed = ladder->missed;
    rpc_call_reply(call)->ladder = &ladder->report;
    *out = ladder;
    return CANDOR_OK;
}

/* ---- On its way ------------------------------------------------------------------------------ */

void kv_ladder_ask(const struct read_ladder *ladder, struct core_read *read)
{
    core_ladder_ask(&ladder->core, read);
}

uint64_t kv_ladder_until_ns(const struct read_ladder *ladder)
{
    return ladder->core.until_ns;
}

static void report_miss(struct read_ladder *ladder, const struct core_miss *miss)
{
    size_t index = ladder->report.n_missed;
    Candor__V1__MissedRung *missed = &ladder->misses[index];
    candor__v1__missed_rung__init(missed);
    missed->code = (Candor__V1__Code)miss->code;
    missed->reason = (Candor__V1__Reason)miss->reason;
    missed->waited_ms = miss->waited_ms;
    if (miss->has_bound) {
        missed->bound_case = CANDOR__V1__MISSED_RUNG__BOUND_STALENESS_BOUND_MS;
        missed->staleness_bound_ms = miss->bound_ms;
    }
    ladder->missed[index] = missed;
    ladder->report.n_missed = index + 1;
}

bool kv_ladder_down(struct read_ladder *ladder, enum candor_code code, enum candor_reason reason,
                    const struct core_freshness *fresh)
{
    struct core_miss miss;
    if (ladder == NULL)
        return false;
    bool next = core_ladder_down(&ladder->core, code, reason, fresh, clock_boot_ns(), &miss);
    report_miss(ladder, &miss);
    return next;
}

void kv_ladder_served(struct read_ladder *ladder, const struct core_view *view)
{
    if (ladder != NULL)
        ladder->report.met = core_ladder_met(&ladder->core, view);
}
