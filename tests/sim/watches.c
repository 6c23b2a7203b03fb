/* Watches (R41): each goes with its cursor from node to node, and must be told every record of the
 * log, each once, in order, none before it is committed unless it asked for that. */
#include "sim.h"

/* They draw from numbers of their own, so that what else a seed draws does not depend on them. */
static uint64_t draw(struct world *world, uint64_t low, uint64_t high)
{
    return low + rng_below(&world->watch_rng, high - low + 1);
}

static void look(struct world *world, struct event *event);

/* What was planned before is given up. */
static void look_later(struct world *world, struct watch *watch, uint64_t delay_ns)
{
    if (world->healing)
        return;
    struct event *event = schedule(world, world->now_ns + delay_ns, look);
    event->from = (uint32_t)(watch - world->watches);
    event->number = ++watch->turn;
}

/* ---- What is told ---------------------------------------------------------------------------- */

static void check_told(struct world *world, const struct node *node, const struct watch *watch,
                       uint64_t seq)
{
    char told[POS_TEXT_BYTES];
    char seen[POS_TEXT_BYTES];
    pos_text(disk_pos(&node->disk, seq), told);
    pos_text(watch->seen, seen);
    if (seq != watch->seen.seq + 1)
        violate(world, "R41", "node %s tells a watch %s behind %s: it skips records", node->id.text,
                told, seen);
    if (watch->seen.seq > 0 && !disk_holds(&node->disk, seq - 1, watch->seen))
        violate(world, "R41", "node %s tells a watch %s, and its log does not hold %s before it",
                node->id.text, told, seen);
    bool committed = !epoch_none(record_what(&node->disk, seq)->committed_in);
    /* Where disks forgot what was committed (durability: os), it is committed anew. */
    if (!watch->uncommitted && !committed && !world->lost_tail)
        violate(world, "R41", "node %s tells a watch %s, which is not committed", node->id.text,
                told);
}

static void tell(struct world *world, struct node *node, struct watch *watch)
{
    const struct disk *disk = &node->disk;
    uint64_t upto = 0;
    enum core_watch_step step =
        core_decide_watch(&node->view, disk->last, watch->seen.seq, watch->uncommitted, &upto);
    bool anew = !watch->begun || step == CORE_WATCH_COMPACTED;
    if (step == CORE_WATCH_COMPACTED && watch->begun && watch->seen.seq + 1 >= disk->first)
        violate(world, "R41", "node %s says COMPACTED, and has all that is to be told",
                node->id.text);
    TRACE(world, node, "watch %d seen=%" PRIu64 " upto=%" PRIu64 "%s",
          (int)(watch - world->watches), watch->seen.seq, upto, anew ? " anew" : "");
    watch->begun = true;
    if (anew) /* with the present state */
        watch->seen = upto > 0 ? disk_pos(disk, upto) : (struct candor_pos){0};
    /* What the log still holds. */
    for (uint64_t seq = max_u64(watch->seen.seq + 1, disk->first); seq <= upto; seq++) {
        check_told(world, node, watch, seq);
        watch->seen = disk_pos(disk, seq);
        trace_hash(world, seq);
    }
}

/* ---- Where its cursor may go on -------------------------------------------------------------- */

static void wait_for_seen(struct world *world, struct node *node, struct watch *watch,
                          struct candor_token token)
{
    struct ticket *ticket = ticket_new(world, node, TICKET_WATCH);
    ticket->client = (uint32_t)(watch - world->watches);
    ticket->operation = watch->turn;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .ticket = ticket->id};
    wait.wait.kind = CORE_WAIT_SESSION;
    wait.wait.token = token;
    wait.wait.deadline_ns = local_ns(world, node) + draw(world, 1, 10) * world->plan.beat_ns;
    node_step(world, node, &wait);
}

void watch_finished(struct world *world, struct node *node, const struct ticket *ticket,
                    const struct core_action_finish *finish)
{
    struct watch *watch = &world->watches[ticket->client];
    if (watch->turn != ticket->operation || world->healing)
        return;
    if (finish->reason == CANDOR_REASON_SESSION_LOST) {
        TRACE(world, node, "watch %u rolled back to %" PRIu64, ticket->client, finish->pos.seq);
        if (!watch->uncommitted && !world->forced && !world->lost_tail)
            violate(world, "R41", "node %s takes back what a watch was told as committed",
                    node->id.text);
        watch->seen = finish->pos;
    } else if (finish->code == CANDOR_OK) {
        watch->waited = true;
        watch->waited_rewinds = node->view.rewinds;
        look_later(world, watch, 1000);
    }
}

static void ask(struct world *world, struct node *node, struct watch *watch)
{
    struct core_read read = {.level = CANDOR_READ_SESSION};
    struct core_freshness fresh;
    if (watch->begun) {
        read.token = registry_token(world, watch->seen);
        read.token.cluster_id = watch->cluster_id;
    }
    struct candor_token token = read.token;
    if (watch->waited && watch->waited_rewinds == node->disk.rewinds)
        read.token.pos.seq = 0;
    watch->waited = false;
    core_view_freshness(&node->view, node->disk.last, local_ns(world, node), &fresh);
    struct core_read_decision decision = core_decide_read(&node->view, &fresh, &read);
    if (decision.decision == CORE_WAIT) {
        wait_for_seen(world, node, watch, token);
    } else if (decision.decision == CORE_SERVE) {
        tell(world, node, watch);
        watch->cluster_id = node->view.cluster_id;
    } else if (decision.reason == CANDOR_REASON_FOREIGN_CLUSTER) {
        watch->begun = false;
    }
}

static void look(struct world *world, struct event *event)
{
    struct watch *watch = &world->watches[event->from];
    if (watch->turn != event->number || world->healing)
        return;
    if (!watch->waited && draw(world, 1, 4) == 1)
        watch->node = (uint32_t)draw(world, 0, world->node_count - 1);
    struct node *node = &world->nodes[watch->node];
    look_later(world, watch, draw(world, 1, 12) * world->plan.beat_ns / 4);
    /* As kvd does: the data and the view are of one branch. */
    if (node->up && node->view.rewinds == node->disk.rewinds)
        ask(world, node, watch);
}

void watches_start(struct world *world)
{
    rng_seed(&world->watch_rng, world->seed ^ UINT64_C(0x7761746368));
    for (uint32_t i = 0; i < SIM_WATCHES; i++) {
        world->watches[i].uncommitted = i % 2 == 1;
        look_later(world, &world->watches[i], draw(world, 1, 10) * world->plan.beat_ns);
    }
}
