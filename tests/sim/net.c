/* Stream messages and calls: lost, late and doubled. */
#include <stdlib.h>

#include "sim.h"
#include "wire/wire.h"

/* Stream messages go to every other node and are lost, doubled, late or out of order; calls are
 * answered, or not, or after the caller gave up. */

/* ---- Letters: a message on its way, with what it points to ----------------------------------- */

static struct letter *letter_new(struct world *world, const struct core_msg *msg)
{
    struct letter *letter = world->free_letters;
    if (letter != NULL) {
        world->free_letters = letter->next_free;
    } else {
        letter = calloc(1, sizeof *letter);
        ASSERT(letter != NULL);
    }
    letter->refs = 1;
    letter->msg = *msg;
    buffer_clear(&letter->bytes);
    struct slice *batches = msg->type == CORE_MSG_RECORDS        ? &letter->msg.records.batches
                            : msg->type == CORE_MSG_FETCH_ANSWER ? &letter->msg.fetch_answer.batches
                                                                 : NULL;
    if (batches != NULL) {
        buffer_put(&letter->bytes, batches->bytes, batches->length);
        *batches = buffer_slice(&letter->bytes);
    }
    if (msg->type == CORE_MSG_ATTACH)
        letter->msg.attach.history.starts =
            world_copy(world, msg->attach.history.starts,
                       msg->attach.history.count * sizeof *msg->attach.history.starts);
    return letter;
}

void net_release(struct world *world, struct letter *letter)
{
    if (--letter->refs > 0)
        return;
    letter->next_free = world->free_letters;
    world->free_letters = letter;
}

/* ---- Links ----------------------------------------------------------------------------------- */

bool net_open(const struct world *world, uint32_t from, uint32_t to)
{
    const struct link *link = &world->links[from][to];
    return !link->blocked && !link->stuck;
}

static bool is_faulty(const struct world *world)
{
    return !world->healing && world->now_ns >= world->quiet_until_ns;
}

static uint64_t delay_ns(struct world *world, const struct link *link)
{
    const struct plan *plan = &world->plan;
    uint64_t delay = between(world, plan->latency_ns / 10, plan->latency_ns);
    if (is_faulty(world) && chance(world, plan->spike_ppm))
        delay += between(world, 0, plan->spike_ns);
    if (link->slow_until_ns > world->now_ns)
        delay += between(world, link->slow_ns / 2, link->slow_ns);
    return delay;
}

/* ---- The stream ------------------------------------------------------------------------------ */

static void deliver_stream(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct letter *letter = event->letter;
    if (net_open(world, event->from, event->node)) {
        trace_message(world, node, "got", &letter->msg);
        check_heard(world, node, &letter->msg);
        node_step(world, node,
                  &(struct core_event){.type = CORE_EVENT_STREAM,
                                       .peer = world->nodes[event->from].id,
                                       .msg = &letter->msg});
        check_dropped(node, &letter->msg);
    }
    net_release(world, letter);
}

/* What is lost was sometimes damaged on its way: whoever gets it must see that. With random numbers
 * of its own, so that it changes nothing else; up to three bits, which CRC-32C always finds in
 * messages of this size. */
static void flip_bits(struct world *world, const struct core_msg *msg)
{
    enum { ONE_IN = 16, BITS_MOST = 3 };
    struct rng rng;
    rng_seed(&rng, world->now_ns ^ world->seed);
    if (rng_below(&rng, ONE_IN) != 0)
        return;
    static struct buffer bytes; /* kept for its memory */
    buffer_clear(&bytes);
    wire_stream_pack(msg, &bytes);
    uint64_t at = rng_below(&rng, 8 * bytes.length);
    uint64_t bits = 1 + rng_below(&rng, BITS_MOST);
    for (uint64_t i = 0; i < bits; i++, at = (at + 1 + rng_below(&rng, 64)) % (8 * bytes.length))
        bytes.bytes[at / 8] ^= (uint8_t)(1 << at % 8);
    struct core_msg got;
    struct arena memory = {0};
    struct candor_error err = {0};
    if (wire_stream_unpack(buffer_slice(&bytes), &memory, &got, &err) == CANDOR_OK)
        violate(world, "wire", "a stream message with %" PRIu64 " bits flipped was taken", bits);
    arena_free(&memory);
}

static void send(struct world *world, struct node *from, struct node *to, struct letter *letter)
{
    struct link *link = &world->links[from->index][to->index];
    bool faulty = is_faulty(world);
    if (!to->up || !net_open(world, from->index, to->index) || link->ready_ns > world->now_ns)
        return;
    if (faulty && chance(world, world->plan.drop_ppm)) {
        flip_bits(world, &letter->msg);
        return;
    }
    uint32_t channel = letter->msg.type == CORE_MSG_RECORDS;
    uint64_t at_ns = world->now_ns + delay_ns(world, link);
    if (!faulty || !chance(world, world->plan.reorder_ppm)) {
        at_ns = max_u64(at_ns, link->arrival_ns[channel] + 1);
        link->arrival_ns[channel] = at_ns;
    } else {
        at_ns += between(world, 0, world->plan.beat_ns);
    }
    uint32_t copies = faulty && chance(world, world->plan.duplicate_ppm) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        struct event *event = schedule_at_node(world, to, at_ns, deliver_stream);
        event->from = from->index;
        event->letter = letter;
        letter->refs++;
        at_ns += between(world, 0, 2 * world->plan.beat_ns);
    }
}

void net_publish(struct world *world, struct node *node, const struct core_msg *msg)
{
    struct letter *letter = letter_new(world, msg);
    for (uint32_t i = 0; i < world->node_count; i++)
        if (i != node->index)
            send(world, node, &world->nodes[i], letter);
    net_release(world, letter);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static struct outgoing *find_call(struct node *node, uint64_t nonce)
{
    for (uint32_t i = 1; i <= SIM_CALLS; i++) { /* newest first */
        struct outgoing *out = &node->calls[(node->next_call - i) % SIM_CALLS];
        if (out->nonce == nonce)
            return out;
    }
    return NULL;
}

static void fail_call(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct outgoing *out = find_call(node, event->number);
    if (out == NULL || !out->open)
        return;
    out->open = false;
    TRACE(world, node, "call failed");
    node_step(world, node,
              &(struct core_event){.type = CORE_EVENT_CALL_FAILED, .nonce = event->number});
}

/* A late answer is told, too: the core must know it by its nonce (R8). */
static void deliver_reply(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct outgoing *out = find_call(node, event->number);
    bool open = out != NULL && out->open;
    if (net_open(world, event->from, event->node) &&
        (open || chance(world, world->plan.late_answer_ppm))) {
        if (open)
            out->open = false;
        trace_message(world, node, open ? "reply" : "late reply", &event->letter->msg);
        node_step(world, node,
                  &(struct core_event){.type = CORE_EVENT_REPLY,
                                       .peer = world->nodes[event->from].id,
                                       .nonce = event->number,
                                       .msg = &event->letter->msg});
    }
    net_release(world, event->letter);
}

static void reply(struct world *world, struct node *node, uint32_t caller, uint64_t life,
                  uint64_t nonce, const struct core_msg *msg)
{
    struct node *to = &world->nodes[caller];
    if (!to->up || to->life != life || !net_open(world, node->index, caller) ||
        (is_faulty(world) && chance(world, world->plan.lose_answer_ppm)))
        return;
    uint64_t at_ns = world->now_ns + delay_ns(world, &world->links[node->index][caller]);
    struct event *event = schedule_at_node(world, to, at_ns, deliver_reply);
    event->from = node->index;
    event->number = nonce;
    event->letter = letter_new(world, msg);
}

void net_answer(struct world *world, struct node *node, const struct core_action_answer *answer)
{
    struct ticket ticket = ticket_take(world, node, answer->ticket);
    if (ticket.kind != TICKET_REQUEST)
        violate(world, "tickets", "node %s answered what no peer asked", node->id.text);
    if (ticket.caller < SIM_NODES)
        reply(world, node, ticket.caller, ticket.caller_life, ticket.nonce, answer->msg);
}

/* At most some batches; those behind the disk's end in one piece. */
static void read_log(struct world *world, struct node *node, uint64_t from, uint64_t upto,
                     struct buffer *out)
{
    uint64_t last = node->disk.last;
    struct slice staged = writer_staged(node);
    disk_read(world, node, from, upto, (uint32_t)between(world, 1, 8), out);
    struct batch batch;
    if (upto <= last || from != last + 1 || staged.length == 0)
        return;
    enum candor_code code = batch_decode(&staged, &batch, NULL);
    ASSERT(code == CANDOR_OK);
    buffer_put(out, batch.bytes.bytes, batch.bytes.length);
}

/* Served as kvd does: from the log, by the published view, beside the core (R13). */
static void serve_fetch(struct world *world, struct node *node, uint32_t caller, uint64_t life,
                        uint64_t nonce, const struct core_msg *msg)
{
    const struct core_view *view = &node->view;
    static struct buffer bytes; /* kept for its memory */
    struct core_msg answer = {.type = CORE_MSG_FETCH_ANSWER};
    answer.header = (struct core_header){
        .cluster_id = view->cluster_id,
        .config_hash = msg->header.config_hash,
        .node = view->self,
        .store_id = view->store_id,
        .boot = view->boot,
        .epoch = view->epoch,
    };
    uint64_t upto = 0;
    buffer_clear(&bytes);
    bool may = core_view_may_fetch(view, &msg->header, &upto);
    uint64_t from = msg->fetch.from_seq;
    answer.fetch_answer.ok =
        may && from >= node->disk.first && from <= max_u64(node->disk.last, upto) + 1;
    if (answer.fetch_answer.ok)
        read_log(world, node, from, upto, &bytes);
    answer.fetch_answer.commit = view->commit;
    answer.fetch_answer.batches = buffer_slice(&bytes);
    trace_message(world, node, "served", &answer);
    if (world->watcher != NULL)
        world->watcher->served(world, node, caller, &answer);
    reply(world, node, caller, life, nonce, &answer);
}

/* As kvd does (src/node/serve/replication_service.c). */
static void look_up_chain(const struct node *node, struct core_msg *msg)
{
    const struct disk *disk = &node->disk;
    uint64_t last = msg->attach.last;
    bool held = last + 1 >= disk->first && last <= disk->last;
    msg->attach.here_rewinds = node->view.rewinds;
    msg->attach.here =
        held ? (struct chain_at){last, disk_chain(disk, last)} : (struct chain_at){0};
}

static void deliver_request(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct letter *letter = event->letter;
    uint64_t life = event->caller_life;
    if (!net_open(world, event->from, event->node)) {
        net_release(world, letter);
        return;
    }
    trace_message(world, node, "asked", &letter->msg);
    if (letter->msg.type == CORE_MSG_FETCH) {
        serve_fetch(world, node, event->from, life, event->number, &letter->msg);
    } else {
        struct ticket *ticket = ticket_new(world, node, TICKET_REQUEST);
        ticket->caller = event->from;
        ticket->caller_life = life;
        ticket->nonce = event->number;
        ticket->votes = letter->msg.type == CORE_MSG_VOTE;
        ticket->hands_over = letter->msg.type == CORE_MSG_TRANSFER;
        if (ticket->votes) {
            ticket->epoch = letter->msg.vote.epoch;
            ticket->against_live = rules_against_live(world, node, &letter->msg);
        }
        if (letter->msg.type == CORE_MSG_ATTACH)
            look_up_chain(node, &letter->msg);
        node_step(world, node,
                  &(struct core_event){
                      .type = CORE_EVENT_REQUEST, .ticket = ticket->id, .msg = &letter->msg});
    }
    net_release(world, letter);
}

void net_call(struct world *world, struct node *node, const struct core_action_call *call)
{
    struct node *to = find_node(world, call->peer);
    ASSERT(to != NULL && to != node);
    rules_called(world, node, to, call->msg);
    struct outgoing *out = &node->calls[node->next_call++ % SIM_CALLS];
    ASSERT(!out->open); /* its failure could not be told any more */
    *out = (struct outgoing){call->nonce, true};
    bool refused = !to->up && net_open(world, node->index, to->index) && chance(world, 700000);
    uint64_t patience_ns = refused ? world->plan.latency_ns : world->plan.election_ns;
    schedule_at_node(world, node, world->now_ns + patience_ns, fail_call)->number = call->nonce;
    if (!to->up || !net_open(world, node->index, to->index) ||
        (is_faulty(world) && chance(world, world->plan.lose_request_ppm)))
        return;
    uint64_t at_ns = world->now_ns + delay_ns(world, &world->links[node->index][to->index]);
    struct event *event = schedule_at_node(world, to, at_ns, deliver_request);
    event->from = node->index;
    event->number = call->nonce;
    event->letter = letter_new(world, call->msg);
    event->caller_life = node->life;
}

/* ---- Connections ----------------------------------------------------------------------------- */

void net_reset_peer(struct world *world, struct node *node, struct candor_node_id peer)
{
    struct node *from = find_node(world, peer);
    ASSERT(from != NULL);
    struct link *link = &world->links[from->index][node->index];
    if (link->stuck && !link->blocked)
        link->stuck = false;
    link->ready_ns = max_u64(link->ready_ns, world->now_ns + world->plan.latency_ns);
}

void net_node_started(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct link *in = &world->links[i][node->index];
        struct link *out = &world->links[node->index][i];
        in->ready_ns = world->now_ns + between(world, 0, 2 * world->plan.latency_ns);
        out->ready_ns = world->now_ns + between(world, 0, 2 * world->plan.latency_ns);
        in->stuck = out->stuck = false;
        memset(out->arrival_ns, 0,
               sizeof out->arrival_ns); /* a new connection may overtake the old one */
    }
}

static void tell_lost(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    node_step(
        world, node,
        &(struct core_event){.type = CORE_EVENT_PEER_LOST, .peer = world->nodes[event->from].id});
}

/* Its connections close; who can still hear the closing is told. */
void net_node_died(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *peer = &world->nodes[i];
        if (peer == node || !peer->up || !net_open(world, node->index, i) || chance(world, 200000))
            continue;
        uint64_t at_ns = world->now_ns + delay_ns(world, &world->links[node->index][i]);
        schedule_at_node(world, peer, at_ns, tell_lost)->from = node->index;
    }
}
