#include "sim.h"

static const char *const names[SIM_MUTATION_COUNT - CORE_MUTATION_COUNT] = {
    [SIM_MUTATION_DEDUPE_SKIPPED - CORE_MUTATION_COUNT] = "dedupe_skipped",
    [SIM_MUTATION_DEDUPE_NOT_ROLLED_BACK - CORE_MUTATION_COUNT] = "dedupe_not_rolled_back",
    [SIM_MUTATION_DEDUPE_NOT_SNAPSHOTTED - CORE_MUTATION_COUNT] = "dedupe_not_snapshotted",
    [SIM_MUTATION_CONTENT_IGNORED - CORE_MUTATION_COUNT] = "content_ignored",
    [SIM_MUTATION_UNDO_SKIPPED - CORE_MUTATION_COUNT] = "undo_skipped",
    [SIM_MUTATION_ARCHIVE_SKIPPED - CORE_MUTATION_COUNT] = "archive_skipped",
    [SIM_MUTATION_HARD_STATE_IN_SNAPSHOT - CORE_MUTATION_COUNT] = "hard_state_in_snapshot",
};

const char *mutation_name(uint32_t mutation)
{
    ASSERT_U64(mutation, <, SIM_MUTATION_COUNT);
    return mutation < CORE_MUTATION_COUNT ? core_mutation_name((enum core_mutation)mutation)
                                          : names[mutation - CORE_MUTATION_COUNT];
}

bool mutated(const struct world *world, enum sim_mutation mutation)
{
    return world->options.mutation == (uint32_t)mutation;
}
