/* Time, the queue of what is to happen, nodes: birth, death, one step. */
#include <signal.h>
#include <stdlib.h>

#include "sim.h"

enum { CONFIG_HASH = 42 }; /* of the topology that all have */

/* ---- Chance ---------------------------------------------------------------------------------- */

/* In a script the likelier thing happens, and everything takes as long as it may. */
bool chance(struct world *world, uint32_t ppm)
{
    if (world->watcher != NULL)
        return ppm > 500000;
    return ppm > 0 && rng_below(&world->rng, 1000000) < ppm;
}

uint64_t between(struct world *world, uint64_t low, uint64_t high)
{
    if (world->watcher != NULL)
        return max_u64(low, high);
    return low >= high ? low : low + rng_below(&world->rng, high - low + 1);
}

/* ---- Memory of one run ----------------------------------------------------------------------- */

void *world_alloc(struct world *world, size_t bytes)
{
    void *at = arena_alloc(&world->arena, bytes > 0 ? bytes : 1);
    ASSERT(at != NULL);
    memset(at, 0, bytes);
    return at;
}

void *world_copy(struct world *world, const void *bytes, size_t length)
{
    void *at = arena_alloc(&world->arena, length > 0 ? length : 1);
    ASSERT(at != NULL);
    if (length > 0)
        memcpy(at, bytes, length);
    return at;
}

/* ---- The queue of what is to happen: a heap, ordered by time, then by when it was planned ---- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static struct event *sift_up(struct world *world, uint32_t i)
{
    struct event moving = world->heap[i];
    while (i > 0 && earlier(&moving, &world->heap[(i - 1) / 2])) {
        world->heap[i] = world->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    world->heap[i] = moving;
    return &world->heap[i];
}

static void sift_down(struct world *world)
{
    struct event moving = world->heap[0];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= world->heap_count)
            break;
        if (child + 1 < world->heap_count && earlier(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!earlier(&world->heap[child], &moving))
            break;
        world->heap[i] = world->heap[child];
        i = child;
    }
    world->heap[i] = moving;
}

/* The caller may fill in the rest at once, before anything else is planned. */
static struct event *push(struct world *world, struct event event)
{
    memory_grow(world->heap, world->heap_capacity, world->heap_count + 1);
    ASSERT_U64(event.at_ns, >=, world->now_ns);
    event.order = world->order++;
    world->heap[world->heap_count++] = event;
    return sift_up(world, world->heap_count - 1);
}

static struct event pop(struct world *world)
{
    struct event first = world->heap[0];
    world->heap[0] = world->heap[--world->heap_count];
    if (world->heap_count > 0)
        sift_down(world);
    return first;
}

struct event *schedule(struct world *world, uint64_t at_ns,
                       void (*run)(struct world *world, struct event *event))
{
    return push(world, (struct event){.at_ns = at_ns, .run = run});
}

struct event *schedule_at_node(struct world *world, struct node *node, uint64_t at_ns,
                               void (*run)(struct world *world, struct event *event))
{
    return push(
        world, (struct event){.at_ns = at_ns, .run = run, .life = node->life, .node = node->index});
}

static void run_event(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    if (event->life != 0) {
        if (!node->up || node->life != event->life) {
            if (event->letter != NULL)
                net_release(world, event->letter);
            return;
        }
        if (node->paused_until_ns > world->now_ns) {
            event->at_ns = node->paused_until_ns;
            push(world, *event);
            return;
        }
    }
    if (++world->events > SIM_EVENTS)
        violate(world, "I14", "%d events, and no end of them", SIM_EVENTS);
    trace_hash(world, event->at_ns);
    trace_hash(world, event->node);
    event->run(world, event);
}

/* ---- Clocks (R35) ---------------------------------------------------------------------------- */

uint64_t local_ns(const struct world *world, const struct node *node)
{
    const struct clock_rate *clock = &node->clock;
    int64_t elapsed_ns = (int64_t)(world->now_ns - clock->base_global_ns);
    return clock->base_local_ns + (uint64_t)(elapsed_ns + elapsed_ns / 1000000 * clock->ppm +
                                             elapsed_ns % 1000000 * clock->ppm / 1000000);
}

/* Never before the local time is reached. */
uint64_t global_of_local_ns(const struct node *node, uint64_t local)
{
    const struct clock_rate *clock = &node->clock;
    double elapsed_ns = (double)saturating_sub(local, clock->base_local_ns);
    double rate = 1.0 + (double)clock->ppm / 1e6;
    return clock->base_global_ns + (uint64_t)(elapsed_ns / rate) + 10;
}

/* A machine's CLOCK_BOOTTIME begins anew; the process sees any value, also one it has seen
 * before. */
static void clock_restart(struct world *world, struct node *node)
{
    uint64_t local = local_ns(world, node);
    uint64_t back_ns = chance(world, 500000) ? between(world, 0, 20 * world->plan.beat_ns)
                                             : between(world, 0, local);
    node->clock.base_local_ns = saturating_sub(local, back_ns) + 1;
    node->clock.base_global_ns = world->now_ns;
}

/* ---- Tickets --------------------------------------------------------------------------------- */

struct ticket *ticket_new(struct world *world, struct node *node, enum ticket_kind kind)
{
    if (node->ticket_count == SIM_TICKETS)
        violate(world, "I14", "node %s has %d tickets open", node->id.text, SIM_TICKETS);
    struct ticket *ticket = &node->tickets[node->ticket_count++];
    *ticket = (struct ticket){.id = ++world->next_ticket, .kind = kind};
    return ticket;
}

const struct ticket *ticket_find(const struct node *node, uint64_t id)
{
    for (uint32_t i = 0; i < node->ticket_count; i++)
        if (node->tickets[i].id == id)
            return &node->tickets[i];
    return NULL;
}

struct ticket ticket_take(struct world *world, struct node *node, uint64_t id)
{
    for (uint32_t i = 0; i < node->ticket_count; i++) {
        if (node->tickets[i].id != id)
            continue;
        struct ticket ticket = node->tickets[i];
        node->tickets[i] = node->tickets[--node->ticket_count];
        return ticket;
    }
    violate(world, "tickets", "node %s finished ticket %" PRIu64 ", which is not open",
            node->id.text, id);
}

/* ---- One step of a node ---------------------------------------------------------------------- */

struct node *find_node(struct world *world, struct candor_node_id id)
{
    for (uint32_t i = 0; i < world->node_count; i++)
        if (node_id_equal(world->nodes[i].id, id))
            return &world->nodes[i];
    return NULL;
}

struct core_header node_header(const struct node *node, struct candor_epoch epoch)
{
    return (struct core_header){
        .cluster_id = node->disk.cluster_id,
        .config_hash = CONFIG_HASH,
        .node = node->id,
        .store_id = node->disk.store_id,
        .boot = node->disk.boot,
        .epoch = epoch,
    };
}

struct node *find_primary(struct world *world)
{
    struct node *found = NULL;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (!node->up || node->view.role != CANDOR_ROLE_PRIMARY)
            continue;
        if (found == NULL || epoch_compare(node->view.epoch, found->view.epoch) > 0)
            found = node;
    }
    return found;
}

static void finish_ticket(struct world *world, struct node *node,
                          const struct core_action_finish *finish)
{
    struct ticket ticket = ticket_take(world, node, finish->ticket);
    if (ticket.kind == TICKET_REQUEST)
        violate(world, "tickets", "node %s finished the request of a peer", node->id.text);
    if (ticket.kind == TICKET_OPERATOR && finish->code == CANDOR_OK)
        rules_order_done(world, node, &ticket, finish->pos);
    if (ticket.kind == TICKET_WRITE && finish->code == CANDOR_OK) {
        check_acknowledged(world, node, &ticket, finish);
        rules_acknowledged(world, node);
    } else if (ticket.kind == TICKET_WRITE && finish->reason != CANDOR_REASON_OUTCOME_UNKNOWN) {
        rules_write_refused(world, node, &ticket);
    } else if (ticket.kind == TICKET_WRITE) {
        rules_write_unknown(world, node, &ticket, finish->pos);
    }
    if (world->watcher != NULL)
        world->watcher->finished(world, node, &ticket, finish);
    else if (ticket.kind == TICKET_WATCH)
        watch_finished(world, node, &ticket, finish);
    else if (ticket.kind == TICKET_AWAIT)
        await_finished(world, node, &ticket, finish);
    else
        client_finished(world, node, &ticket, finish);
}

static void perform(struct world *world, struct node *node, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_PUBLISH:
        check_published(world, node, action->publish.msg);
        net_publish(world, node, action->publish.msg);
        break;
    case CORE_ACTION_CALL:
        check_shown(world, node, action->call.msg->header.epoch);
        net_call(world, node, &action->call);
        break;
    case CORE_ACTION_ANSWER:
        check_answer(world, node, action->answer.msg, action->answer.ticket);
        net_answer(world, node, &action->answer);
        break;
    case CORE_ACTION_RESET_PEER:
        net_reset_peer(world, node, action->reset_peer.peer);
        break;
    case CORE_ACTION_COMMIT:
        check_commit(world, node, action->commit.seq);
        writer_give(world, node, action);
        break;
    case CORE_ACTION_TRUNCATE:
        check_truncate(world, node, action->cut.seq);
        writer_give(world, node, action);
        break;
    case CORE_ACTION_INSTALL:
        check_install(world, node, action->cut.seq);
        writer_give(world, node, action);
        break;
    case CORE_ACTION_APPEND:
        rules_append(world, node, action->append.batches);
        writer_give(world, node, action);
        break;
    case CORE_ACTION_SAVE:
    case CORE_ACTION_WRITE:
    case CORE_ACTION_EXPIRE:
    case CORE_ACTION_EPOCH_START:
        writer_give(world, node, action);
        break;
    case CORE_ACTION_MEMBERS:
        rules_members(world, node);
        writer_give(world, node, action);
        break;
    case CORE_ACTION_FETCH_SNAPSHOT:
        snapshot_fetch(world, node, &action->fetch_snapshot);
        break;
    case CORE_ACTION_DROP_SNAPSHOT:
        snapshot_drop(node);
        break;
    case CORE_ACTION_FINISH:
        finish_ticket(world, node, &action->finish);
        break;
    case CORE_ACTION_KEEP_LIVES:
        core_lives(node->core, &node->disk.lives);
        break;
    case CORE_ACTION_RENEW:
        copies_renew(world, node, action->end.text);
        break;
    case CORE_ACTION_STOP:
        violate(world, "R64", "node %s ends though it is the only one: %s", node->id.text,
                action->end.text);
        break;
    case CORE_ACTION_LOG:
    case CORE_ACTION_FAILOVER:
        break;
    }
}

static void tick(struct world *world, struct event *event);

static void plan_tick(struct world *world, struct node *node)
{
    uint64_t wake_ns = core_next_wake_ns(node->core);
    if (wake_ns == UINT64_MAX)
        return;
    /* a thread takes time to wake */
    uint64_t soonest_ns = world->now_ns + world->plan.beat_ns / 1000;
    uint64_t at_ns = max_u64(global_of_local_ns(node, wake_ns), soonest_ns);
    /* the one that is planned looks again */
    if (at_ns >= node->tick_ns)
        return;
    node->tick_ns = at_ns;
    schedule_at_node(world, node, at_ns, tick)->number = at_ns;
}

/* `event`: what was taken; NULL after a flush. */
static void perform_all(struct world *world, struct node *node, const struct core_event *event)
{
    core_view(node->core, &node->view);
    rules_hears(world, node);
    if (world->watcher != NULL)
        world->watcher->stepped(world, node, event);
    for (size_t i = 0; i < node->actions.count; i++) {
        trace_action(world, node, &node->actions.list[i]);
        if (world->watcher != NULL)
            world->watcher->acts(world, node, &node->actions.list[i]);
        perform(world, node, &node->actions.list[i]);
    }
}

static void flush(struct world *world, struct node *node)
{
    core_flush(node->core, local_ns(world, node), &node->actions);
    perform_all(world, node, NULL);
    core_check(node->core);
    check_step(world, node);
    plan_tick(world, node);
}

static void flush_gathered(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    node->gathers = false;
    node->steps = true;
    flush(world, node);
    node->steps = false;
}

/* What comes in the next moments is taken together with what was just taken: the node thread was
 * busy. */
static bool gather(struct world *world, struct node *node)
{
    if (!chance(world, world->plan.together_ppm))
        return false;
    node->gathers = true;
    schedule_at_node(world, node, world->now_ns + between(world, 0, world->plan.beat_ns / 20),
                     flush_gathered);
    return true;
}

void node_step(struct world *world, struct node *node, const struct core_event *event)
{
    ASSERT(node->up);
    ASSERT(!node->steps); /* a step within a step takes the outer one's actions away */
    node->steps = true;
    node->last_before = node->view.last;
    if (event->type == CORE_EVENT_PEER_LOST)
        node->hinted_ns = local_ns(world, node);
    core_take(node->core, event, local_ns(world, node), &node->actions);
    perform_all(world, node, event);
    if (!node->gathers && !gather(world, node))
        flush(world, node);
    node->steps = false;
}

static void tick(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    /* an earlier one took its place */
    if (node->tick_ns != event->number)
        return;
    node->tick_ns = UINT64_MAX;
    /* the flush plans the next one */
    if (node->gathers)
        return;
    if (local_ns(world, node) < core_next_wake_ns(node->core)) {
        plan_tick(world, node);
        return;
    }
    flush(world, node);
    bool at_once = local_ns(world, node) >= core_next_wake_ns(node->core);
    node->spins = at_once ? node->spins + 1 : 0;
    if (node->spins > SIM_SPINS && world->options.mutation == 0)
        violate(world, "I14",
                "node %s is done with all that was due, and wants to be woken at once",
                node->id.text);
}

/* As after a suspend: the node's time ran on. */
void clock_jump(struct world *world, struct node *node, uint64_t forward_ns)
{
    node->clock.base_local_ns = local_ns(world, node) + forward_ns;
    node->clock.base_global_ns = world->now_ns;
    world->jumped_ns += forward_ns;
    node->tick_ns = UINT64_MAX;
    if (node->up)
        plan_tick(world, node);
}

/* ---- Birth and death ------------------------------------------------------------------------- */

static struct core_config config_of(struct world *world, const struct node *node)
{
    const struct plan *plan = &world->plan;
    struct core_config config = {
        .self = node->id,
        .config_hash = CONFIG_HASH,
        .initial_primary = world->nodes[0].id,
        .automatic_failover = plan->automatic,
        .heartbeat_interval_ns = plan->beat_ns,
        .stale_after_ns = plan->stale_after_ns,
        .reject_after_ns = plan->reject_after_ns,
        .election_timeout_ns = plan->election_ns,
        .writer_stall_ns = plan->stall_ns,
        .max_lag = plan->max_lag,
        .max_uncommitted = plan->max_uncommitted,
        .drift_ppm = plan->drift_ppm,
        .leases = plan->leases,
        .seed = world->watcher != NULL ? node->index + 1 : rng_next(&world->rng),
        .new_cluster_id = rng_next(&world->rng) | 1,
        .mutation = world->options.mutation < CORE_MUTATION_COUNT ? world->options.mutation
                                                                  : CORE_MUTATION_NONE,
    };
    snprintf(config.rpc, sizeof config.rpc, "sim://%s", node->id.text);
    for (uint32_t i = 0; i < world->node_count; i++)
        config.configured.list[config.configured.count++] =
            (struct member){world->nodes[i].id, 0, i < plan->voters};
    return config;
}

void node_start(struct world *world, struct node *node)
{
    ASSERT(!node->up);
    struct disk *disk = &node->disk;
    node->life++;
    node->up = true;
    node->steps = false;
    node->paused_until_ns = node->sleeps_until_ns = 0;
    node->gathers = false;
    node->tick_ns = UINT64_MAX;
    disk->boot = boot_next(disk->boot, rng_next(&world->rng));
    disk_replay(disk, &disk->state); /* the state is rebuilt from the log */
    /* of a forced EPOCH_START, perhaps (R28) */
    struct candor_epoch held = disk_pos(disk, disk->last).epoch;
    if (epoch_compare(held, disk->epoch) > 0)
        disk->epoch = held;
    struct epoch_history history;
    epoch_history_init(&history);
    disk_history(disk, disk->last, &history);
    struct core_boot boot = {
        .cluster_id = disk->cluster_id,
        .store_id = disk->store_id,
        .boot = disk->boot,
        .epoch = disk->epoch,
        .forked = disk->forked,
        .last = disk->last,
        .log_first = disk->first,
        .commit = min_u64(max_u64(disk->hard_commit, disk->undo_floor), disk->last),
        .rewinds = disk->rewinds,
        .digest = disk_digest(disk, disk->last),
        .chain = disk_chain(disk, disk->last),
        .log_ms = disk->log_ms,
        .history = &history,
        .members = disk_members(disk, disk->last),
        .lives = &disk->lives,
        .tail_may_lack = world->plan.lossy,
    };
    disk->commit = boot.commit;
    struct seq_bits local = {0};
    disk_local(disk, boot.commit, &local);
    boot.local = &local;
    struct core_config config = config_of(world, node);
    node->core = core_new(&config, &boot, local_ns(world, node));
    epoch_history_free(&history);
    seq_bits_free(&local);
    core_view(node->core, &node->view);
    node->skew_shown_ns = 0;
    node->was_outvoted = false;
    node->outvoted_ns = 0;
    node->noted_from = boot.last;
    node->commit = boot.commit;
    node->commit_generation = 0;
    node->beat = node->beat_before = (struct beat){0};
    node->direct = node->direct_before = node->came = (struct beat){0};
    node->follows_ns = 0;
    memset(node->status_ns, 0, sizeof node->status_ns);
    memset(node->heard_at_ns, 0, sizeof node->heard_at_ns);
    node->hinted_ns = 0;
    node->live_ns = 0;
    memset(node->heard, 0, sizeof node->heard);
    node->was_primary = false;
    node->was_full = false;
    node->refused_ns = node->idle_room_ns = node->hands_over_ns = 0;
    TRACE(world, node, "start boot=%" PRIu64 " store=%" PRIu64 " last=%" PRIu64 " commit=%" PRIu64,
          disk->boot, disk->store_id, disk->last, boot.commit);
    if (world->watcher != NULL)
        world->watcher->started(world, node);
    net_node_started(world, node);
    check_boot(world, node);
    plan_tick(world, node);
}

void node_crash(struct world *world, struct node *node, bool machine)
{
    if (!node->up)
        return;
    TRACE(world, node, "crash machine=%d", machine);
    check_state(world, node);
    node->up = false;
    core_free(node->core);
    node->core = NULL;
    node->view.role = CANDOR_ROLE_UNKNOWN;
    writer_crash(world, node);
    if (machine && world->plan.lossy)
        disk_lose_tail(world, node);
    if (machine) /* the state comes back from a checkpoint: less of it is known to be committed */
        node->disk.undo_floor = between(world, min_u64(node->disk.first - 1, node->disk.undo_floor),
                                        node->disk.undo_floor);
    if (machine && world->plan.clocks_restart)
        clock_restart(world, node);
    snapshot_drop(node);
    memset(node->calls, 0, sizeof node->calls);
    for (uint32_t i = 0; i < node->ticket_count; i++) {
        if (world->watcher != NULL)
            world->watcher->lost(world, node, &node->tickets[i]);
        else
            client_lost(world, &node->tickets[i]);
    }
    node->ticket_count = 0;
    net_node_died(world, node);
}

/* ---- A run ----------------------------------------------------------------------------------- */

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    arena_init(&world->arena, (size_t)1 << 31);
}

static void clear(struct world *world)
{
    while (world->heap_count > 0) {
        struct event event = pop(world);
        if (event.letter != NULL)
            net_release(world, event.letter);
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        core_free(node->core);
        core_actions_free(&node->actions);
        writer_free(&node->writer);
        disk_free(&node->disk);
        disk_free(&node->backup);
    }
    registry_free(world);
}

void world_free(struct world *world)
{
    while (world->free_letters != NULL) {
        struct letter *next = world->free_letters->next_free;
        buffer_free(&world->free_letters->bytes);
        free(world->free_letters);
        world->free_letters = next;
    }
    free(world->heap);
    free(world->writes);
    free(world->acked);
    free(world->losses);
    free(world->served);
    register_free(world);
    buffer_free(&world->scratch);
    arena_free(&world->arena);
}

/* Everything is forgotten but the memory. */
static void reset(struct world *world, const struct options *options, uint64_t seed)
{
    arena_reset(&world->arena);
    struct world fresh = {
        .options = *options,
        .seed = seed,
        .arena = world->arena,
        .heap = world->heap,
        .heap_capacity = world->heap_capacity,
        .free_letters = world->free_letters,
        .writes = world->writes,
        .write_capacity = world->write_capacity,
        .acked = world->acked,
        .acked_capacity = world->acked_capacity,
        .losses = world->losses,
        .loss_capacity = world->loss_capacity,
        .served = world->served,
        .served_capacity = world->served_capacity,
        .history = {.ops = world->history.ops, .capacity = world->history.capacity},
        .scratch = world->scratch,
    };
    memcpy(world, &fresh, offsetof(struct world, escape));
    world->violation[0] = '\0';
    rng_seed(&world->rng, seed * 2654435761u + 1);
    world->now_ns = NS_PER_S;
}

static struct node *build_node(struct world *world, uint32_t index)
{
    struct node *node = &world->nodes[index];
    node->index = index;
    node->id = node_id_of((const char[2]){(char)('a' + index), '\0'});
    node->clock = (struct clock_rate){
        .base_global_ns = world->now_ns,
        .base_local_ns = between(world, NS_PER_S, 100 * NS_PER_S),
        .ppm = (int64_t)between(world, 0, 2 * world->plan.rate_ppm) - (int64_t)world->plan.rate_ppm,
    };
    disk_format(world, node);
    return node;
}

static void build(struct world *world)
{
    swarm_draw(world);
    world->node_count = world->plan.voters + world->plan.readers;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = build_node(world, i);
        faults_restart(world, node, between(world, 0, 5 * world->plan.beat_ns));
    }
    clients_start(world);
    watches_start(world);
    awaits_start(world);
    operators_start(world);
    faults_start(world);
}

static void run_next(struct world *world)
{
    struct event event = pop(world);
    world->now_ns = max_u64(world->now_ns, event.at_ns);
    run_event(world, &event);
}

static void run(struct world *world)
{
    build(world);
    while (!world->done) {
        ASSERT(world->heap_count > 0);
        run_next(world);
    }
    check_end(world);
    clear(world);
}

void world_run(struct world *world, const struct options *options, uint64_t seed,
               struct result *result)
{
    reset(world, options, seed);
    result->ok = sigsetjmp(world->escape, 1) == 0;
    if (result->ok)
        run(world);
    result->hash = world->hash;
    result->events = world->events;
    result->false_bounds = world->false_bounds;
    result->undecided = world->undecided;
    memcpy(result->violation, world->violation, sizeof result->violation);
    if (!result->ok) /* what the run held is given up: its core may be in any state */
        world_init(world);
}

/* ---- A script -------------------------------------------------------------------------------- */

void world_script(struct world *world, const struct plan *plan, struct watcher *watcher)
{
    static const struct options options;
    reset(world, &options, 0);
    world->watcher = watcher;
    world->plan = *plan;
    world->node_count = plan->voters + plan->readers;
    for (uint32_t i = 0; i < world->node_count; i++)
        build_node(world, i)->clock.base_local_ns = world->now_ns;
}

void world_script_end(struct world *world)
{
    clear(world);
    world->node_count = 0;
}

void world_run_until(struct world *world, uint64_t at_ns)
{
    while (world->heap_count > 0 && world->heap[0].at_ns <= at_ns)
        run_next(world);
    world->now_ns = max_u64(world->now_ns, at_ns);
}
