/* Reads that ask for several levels (R71): what they ask for, and whether the rung that the reply
 * names was met by that rung's own rule. Told by the operation's number alone: they draw
 * nothing. */
#include "sim.h"

static void add_rung(struct read *read, struct candor_rung rung)
{
    read->rungs[read->ladder.count++] = rung;
}

/* Every fourth read, each time another one of 32 ladders. */
void ladder_of(struct world *world, struct node *node, struct read *read)
{
    struct core_ladder *ladder = &read->ladder;
    uint64_t beat_ms = max_u64(1, world->plan.beat_ns / NS_PER_MS);
    uint64_t which = read->operation / 4;
    if (read->operation % 4 != read->client % 4)
        return;
    ladder->rungs = read->rungs;
    struct candor_rung bounded = {.level = CANDOR_READ_BOUNDED,
                                  .max_staleness_ms = read->ask.max_staleness_ms};
    struct candor_rung session = {.level = CANDOR_READ_SESSION,
                                  .within_ms = (uint32_t)(which % 5 * beat_ms)};
    if (which % 2 == 0)
        add_rung(read, (struct candor_rung){.level = CANDOR_READ_LINEARIZABLE,
                                            .within_ms = (uint32_t)(which % 3 * beat_ms)});
    if (which / 2 % 4 == 0)
        add_rung(read, session);
    if (which / 2 % 4 != 1)
        add_rung(read, bounded);
    if (which / 2 % 4 == 2)
        add_rung(read, session);
    bounded.max_staleness_ms *= 3;
    if (which / 8 % 2 == 0)
        add_rung(read, bounded);
    if (which / 16 % 2 == 0 || ladder->count == 0)
        add_rung(read, (struct candor_rung){.level = CANDOR_READ_EVENTUAL,
                                            .allow_syncing = read->ask.allow_syncing});
    uint64_t now_ns = local_ns(world, node);
    core_ladder_begin(ladder, now_ns, now_ns + (2 + which % 19) * world->plan.beat_ns);
    core_ladder_ask(ladder, &read->ask);
}

bool ladder_has(const struct read *read, enum candor_read_level level)
{
    for (uint32_t i = 0; i < read->ladder.count; i++)
        if (read->rungs[i].level == level)
            return true;
    return read->ask.level == level;
}

bool ladder_down(struct world *world, struct node *node, struct read *read, enum candor_code code,
                 enum candor_reason reason, const struct core_freshness *fresh)
{
    struct core_ladder *ladder = &read->ladder;
    if (ladder->count == 0 || !core_ladder_down(ladder, code, reason, fresh, local_ns(world, node),
                                                &read->misses[ladder->at]))
        return false;
    core_ladder_ask(ladder, &read->ask);
    read->waited = false;
    read->attempts = 0;
    TRACE(world, node, "read goes down to rung %u, for %s %s", ladder->at + 1,
          candor_code_name(code), candor_reason_name(reason));
    return true;
}

static void check_misses(struct world *world, const struct node *node, const struct read *read,
                         uint32_t met)
{
    for (uint32_t i = 0; i + 1 < met; i++) {
        const struct core_miss *miss = &read->misses[i];
        bool within = miss->has_bound && miss->bound_ms <= read->rungs[i].max_staleness_ms;
        if (miss->code == CANDOR_OK || (within && miss->reason == CANDOR_REASON_TOO_STALE))
            violate(world, "R71", "node %s gives no reason why rung %u was not met", node->id.text,
                    i + 1);
    }
}

void ladder_served(struct world *world, struct node *node, struct read *read)
{
    if (read->ladder.count == 0)
        return;
    uint32_t met = core_ladder_met(&read->ladder, &node->view);
    ASSERT(met >= 1 && met <= read->ladder.count);
    check_misses(world, node, read, met);
    /* What the client has is the name: from here on the read is judged as one of that level. */
    read->ladder.at = met - 1;
    core_ladder_ask(&read->ladder, &read->ask);
    if (read->ask.level == CANDOR_READ_LINEARIZABLE && !read->waited)
        violate(world, "R71", "node %s says LINEARIZABLE of a read that was not confirmed",
                node->id.text);
}
