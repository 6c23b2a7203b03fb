/* Reads that ask for several levels: what is sent, and what the answer says of it. */
#include "client/internal.h"

#include <stdlib.h>

static void fill_rung(const struct candor_rung *from, Candor__V1__ReadRung *to)
{
    candor__v1__read_rung__init(to);
    to->level = (Candor__V1__ReadLevel)from->level;
    to->max_staleness_ms = from->max_staleness_ms;
    to->allow_syncing = from->allow_syncing;
    to->within_ms = from->within_ms;
}

/* How long a node has that is asked for all of it. 0: no shorter than the call's own deadline. */
static uint32_t patience_ms(const struct candor_rung *rungs, size_t count)
{
    uint64_t sum = LIMIT_CLIENT_LADDER_MS;
    for (size_t i = 0; i < count; i++) {
        bool waits =
            rungs[i].level == CANDOR_READ_LINEARIZABLE || rungs[i].level == CANDOR_READ_SESSION;
        if (waits && rungs[i].within_ms == 0)
            return 0;
        sum += rungs[i].within_ms;
    }
    return (uint32_t)min_u64(sum, LIMIT_RPC_DEADLINE_MS_MAX);
}

bool ladder_ask(const struct candor_read_options *options, struct call *call,
                struct ladder_message *message, Candor__V1__ReadOptions *wire)
{
    struct candor_rung *rungs = operation_array(options->rung_count, sizeof *rungs);
    if (rungs == NULL)
        return false;
    for (size_t i = 0; i < options->rung_count; i++) {
        rungs[i] = options->ladder[i];
        fill_rung(&rungs[i], &message->rungs[i]);
        message->list[i] = &message->rungs[i];
    }
    call->memory = rungs;
    call->rungs = rungs;
    call->rung_count = options->rung_count;
    call->patience_ms = patience_ms(rungs, options->rung_count);
    call->level = rungs[0].level;
    call->max_staleness_ms = rungs[0].max_staleness_ms;
    wire->n_ladder = options->rung_count;
    wire->ladder = message->list;
    return true;
}

bool ladder_has(const struct call *call, enum candor_read_level level)
{
    for (size_t i = 0; i < call->rung_count; i++)
        if (call->rungs[i].level == level)
            return true;
    return call->level == level;
}

/* Alone where it may wait: in a message with others it would wait for theirs, too. */
enum rpc_class ladder_class(const struct call *call)
{
    bool waits =
        ladder_has(call, CANDOR_READ_LINEARIZABLE) || ladder_has(call, CANDOR_READ_SESSION);
    return waits ? RPC_ALONE : RPC_AT_ONCE;
}

/* A node of an older version answers as if there were no ladder: EVENTUAL, and says nothing of
 * it. */
void ladder_check(const struct call *call, struct candor_result *result)
{
    if (call->rungs == NULL || result->error.code != CANDOR_OK)
        return;
    if (result->no_memory)
        operation_out_of_memory(&result->error);
    else if (result->rung == 0)
        candor_error_set(&result->error, CANDOR_UNIMPLEMENTED, CANDOR_REASON_LEVEL_UNAVAILABLE,
                         "node %s does not say which rung of the ladder it has met: its version "
                         "knows no ladders",
                         result->has_freshness ? result->freshness.node : "(unnamed)");
    else if (result->rung > call->rung_count || result->missed_count + 1 != result->rung)
        candor_error_set(&result->error, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                         "node %s says that it has met rung %u of %zu, and not %u above it",
                         result->has_freshness ? result->freshness.node : "(unnamed)", result->rung,
                         call->rung_count, result->missed_count);
}

struct call ladder_met(const struct call *call, const struct candor_result *result)
{
    struct call met = *call;
    if (call->rungs == NULL)
        return met;
    bool named = result->rung >= 1 && result->rung <= call->rung_count;
    met.level = named ? call->rungs[result->rung - 1].level : CANDOR_READ_DEFAULT;
    met.max_staleness_ms = named ? call->rungs[result->rung - 1].max_staleness_ms : 0;
    if (met.level != CANDOR_READ_SESSION) /* nobody has looked for it */
        met.asked = (struct candor_token){0};
    return met;
}
