/* Rules that can be left out: those of the core and those of the simulated disk. */
#include "sim.h"

struct mutation {
    const char *name;
    const char *rules;
    const char *text;
};

static const struct mutation all[SIM_MUTATION_COUNT] = {
    [CORE_MUTATION_NONE] = {"none", "", ""},
#define MUTATION(id, name, rules, text) [CORE_MUTATION_##id] = {name, rules, text},
#include "core/mutations.def"
#undef MUTATION
#define MUTATION(id, name, rules, text) [SIM_MUTATION_##id] = {name, rules, text},
#include "mutations.def"
#undef MUTATION
};

const char *mutation_name(uint32_t mutation)
{
    ASSERT_U64(mutation, <, SIM_MUTATION_COUNT);
    return all[mutation].name;
}

void mutations_list(FILE *to)
{
    for (uint32_t i = 1; i < SIM_MUTATION_COUNT; i++)
        fprintf(to, "%-24s %-10s %s\n", all[i].name, all[i].rules, all[i].text);
}

bool mutated(const struct world *world, enum sim_mutation mutation)
{
    return world->options.mutation == (uint32_t)mutation;
}
