/* Birth and end of a core. */
#include <stdlib.h>

#include "core/core.h"

#include "core/become.h"
#include "core/chain.h"
#include "core/digests.h"
#include "core/lives.h"
#include "core/relay.h"
#include "core/risk.h"
#include "core/stand.h"
#include "core/waiting.h"
#include "core/who.h"
#include "core/writes.h"

static void add_peers(struct core *core, uint64_t now_ns)
{
    for (uint32_t i = 0; i < core->config.configured.count; i++) {
        struct candor_node_id id = core->config.configured.list[i].id;
        if (!node_id_equal(id, core->config.self))
            core->peers[core->peer_count++] = (struct peer){.id = id, .reset_ns = now_ns};
    }
}

struct core *core_new(const struct core_config *config, const struct core_boot *boot,
                      uint64_t now_ns)
{
    ASSERT(config->configured.count > 0 && config->configured.count <= LIMIT_NODES);
    ASSERT(members_find(&config->configured, config->self) != NULL);
    ASSERT(boot->store_id != 0 && boot->boot != 0);
    ASSERT_U64(boot->commit, <=, boot->last);
    struct core *core = memory_zeroed(1, sizeof *core);
    core->config = *config;
    core->writer.owed.each = sizeof(enum core_action_type);
    writes_init(core);
    reads_init(core);
    rng_seed(&core->rng, config->seed);
    core->born_ns = core->now_ns = now_ns;
    relay_begins(core);
    core->notice.earned_ns = now_ns;
    core->cluster_id = boot->cluster_id;
    core->store_id = boot->store_id;
    core->boot = boot->boot;
    core->log.last = core->log.durable = boot->last;
    core->log.first = boot->log_first;
    core->log.commit = boot->commit;
    core->log.rewinds = boot->rewinds;
    epoch_history_init(&core->log.history);
    epoch_history_copy(&core->log.history, boot->history);
    ASSERT(epoch_compare(boot->epoch, epoch_history_at(&core->log.history, boot->last)) >= 0);
    core->epoch = core->hard.stored_epoch = boot->epoch;
    core->fork.forked = boot->forked;
    digests_restart(core, boot->last, boot->digest);
    chain_note(core, boot->last, boot->chain);
    core->log_time.ms = boot->log_ms;
    core->log_time.at_ns = now_ns;
    core->log_time.epoch = epoch_history_at(&core->log.history, boot->last);
    core->log.members = *boot->members;
    seq_bits_copy(&core->log.local, boot->local);
    risk_committed(core);
    core->next_nonce = rng_next(&core->rng) | 1; /* another life's answers do not match */
    add_peers(core, now_ns);
    lives_born(core, boot);

    core->stand.founding = who_is_blank(core) &&
                           node_id_equal(config->self, config->initial_primary) &&
                           who_is_voter(core);
    /* R5: a primary that restarts does not go on in its epoch; in manual mode it stands for a new
     * one. */
    core->stand.resuming = who_leads_by_hand(core) && who_is_admitted(core);
    core->hearing.status_due_ns = now_ns;
    stand_plan(core);
#ifdef CORE_MUTABLE
    if (mutated(core, RESUME_EPOCH) && core->stand.resuming &&
        epoch_equal(epoch_history_at(&core->log.history, core->log.last), core->epoch))
        become_continue(core);
#endif
    return core;
}

void core_free(struct core *core)
{
    if (core == NULL)
        return;
    epoch_history_free(&core->log.history);
    seq_bits_free(&core->log.local);
    buffer_free(&core->taking.append);
    buffer_free(&core->taking.tail);
    writes_free(core);
    reads_free(core);
    serials_free(&core->waiters);
    ring_free(&core->writer.owed);
    for (uint32_t i = 0; i < core->out.capacity; i++)
        free(core->out.messages[i]);
    free(core->out.messages);
    free(core);
}
