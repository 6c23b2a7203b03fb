/* Writes, reads and sessions, as a client sees them. */
#include "sim.h"

/* Clients: each does one thing after another, at a node it believes in, and gives up on what takes
 * too long. A write that was not answered OK is tried again, as the same request (R46), at whoever
 * is primary then. Each attempt has numbers of its own, which are the values it puts. */

static void act(struct world *world, struct event *event);

static void act_later(struct world *world, uint32_t client)
{
    if (world->healing)
        return;
    uint64_t think_ns = between(world, world->plan.think_ns / 4, world->plan.think_ns);
    struct event *event = schedule(world, world->now_ns + think_ns, act);
    event->from = client;
    event->number = ++world->clients[client].operation;
}

static struct node *any_node(struct world *world)
{
    return &world->nodes[between(world, 0, world->node_count - 1)];
}

static bool is_current(const struct world *world, uint32_t client, uint64_t operation)
{
    return world->clients[client].operation == operation;
}

/* ---- Writes ---------------------------------------------------------------------------------- */

static uint64_t new_number(struct world *world, const struct ticket *ticket, uint32_t part)
{
    memory_grow(world->writes, world->write_capacity, world->write_count + 2); /* from 1 on */
    uint64_t number = ++world->write_count;
    world->writes[number] = (struct write){
        .request = ticket->request,
        .part = part,
        .token = ticket->token,
        .issued_ns = world->now_ns,
    };
    return number;
}

static enum candor_ack draw_level(struct world *world)
{
    if (between(world, 1, 100) > world->plan.majority_percent)
        return CANDOR_ACK_LOCAL;
    return chance(world, 100000) ? CANDOR_ACK_ALL : CANDOR_ACK_MAJORITY;
}

static struct request *new_request(struct world *world, uint32_t client, enum candor_ack ack)
{
    struct request *request = world_alloc(world, sizeof *request);
    request->client = client;
    request->number = ++world->clients[client].requests;
    request->first = request;
    request->content = (uint64_t)client << 32 | request->number << 1;
    request->parts = (uint32_t)between(world, 1, SIM_PARTS);
    request->ack = ack;
    for (uint32_t i = 0; i < request->parts; i++) {
        request->ops[i].key = (uint32_t)between(world, 0, SIM_KEYS - 1);
        request->ops[i].deletes = chance(world, 150000);
        if (!request->ops[i].deletes && chance(world, 200000))
            request->ops[i].ttl_ms = between(world, 1, 60 * world->plan.beat_ns / NS_PER_MS);
    }
    return request;
}

/* Nobody's: the primary's own, of a key whose time is over. */
struct request *expiry_request(struct world *world, uint32_t key)
{
    struct request *request = world_alloc(world, sizeof *request);
    request->client = SIM_CLIENTS;
    request->first = request;
    request->parts = 1;
    request->ops[0].key = key;
    request->ops[0].deletes = true;
    return request;
}

uint64_t expiry_number(struct world *world, struct request *request)
{
    struct ticket ticket = {.request = request};
    return new_number(world, &ticket, 0);
}

/* Now and then a client's process is copied, by fork() or with its machine, and both use one id for
 * different requests. Told by the number alone, so that the random numbers of older seeds stay what
 * they were. */
static struct request *next_request(struct world *world, uint32_t client)
{
    struct request *newest = world->clients[client].request;
    struct request *request = new_request(world, client, draw_level(world));
    if (newest == NULL || newest->first != newest || request->number % 16 != client % 16)
        return request;
    world->clients[client].requests--;
    request->number = newest->number;
    request->first = newest;
    request->content++;
    return request;
}

uint64_t client_write(struct world *world, struct node *node, struct request *request)
{
    struct ticket *ticket = ticket_new(world, node, TICKET_WRITE);
    struct client *client = &world->clients[request->client];
    ticket->client = request->client;
    ticket->operation = client->operation;
    ticket->request = request;
    if (client->token_cluster_id == node->view.cluster_id)
        ticket->token = client->token;
    ticket->first_number = new_number(world, ticket, 0);
    for (uint32_t i = 1; i < request->parts; i++)
        (void)new_number(world, ticket, i);
    TRACE(world, node, "write ticket=%" PRIu64 " request=%u/%" PRIu64 " numbers=%" PRIu64 "+%u %s",
          ticket->id, request->client, request->number, ticket->first_number, request->parts,
          ack_level_name(request->ack));
    struct core_event write = {.type = CORE_EVENT_WRITE, .ticket = ticket->id};
    write.write.ack = request->ack;
    write.write.records = request->parts;
    write.write.token = registry_token(world, ticket->token);
    write.write.deadline_ns = local_ns(world, node) + between(world, 2, 20) * world->plan.beat_ns;
    uint64_t number = ticket->first_number;
    uint64_t id = ticket->id;
    static struct core_view before; /* large */
    before = node->view;
    node_step(world, node, &write);
    const struct ticket *taken = ticket_find(node, id);
    if (taken != NULL)
        rules_write_taken(world, node, &before, taken);
    return number;
}

static void do_write(struct world *world, struct event *event)
{
    struct client *client = &world->clients[event->from];
    if (!is_current(world, event->from, event->number))
        return;
    if (!client->unanswered)
        client->request = next_request(world, event->from);
    client->unanswered = true;
    (void)client_write(world, &world->nodes[event->node], client->request);
}

/* The cluster is whole again: it must still take a write that a majority keeps. */
void client_probe(struct world *world, struct node *primary)
{
    struct request *request = new_request(world, SIM_CLIENTS, CANDOR_ACK_MAJORITY);
    world->probe_number = client_write(world, primary, request);
}

static void follow_redirect(struct world *world, const struct node *node, struct client *client)
{
    struct node *primary =
        node_id_empty(node->view.primary) ? NULL : find_node(world, node->view.primary);
    client->target =
        primary != NULL && chance(world, 800000) ? primary->index : any_node(world)->index;
}

void reported_lost(struct world *world, struct candor_pos pos)
{
    memory_grow(world->losses, world->loss_capacity, world->loss_count + 1);
    world->losses[world->loss_count++].pos = pos;
}

/* What a session writes comes after all that it had seen when it sent the attempt that was executed
 * (I8). */
static void check_session_write(struct world *world, const struct node *node, struct candor_pos pos)
{
    char written[POS_TEXT_BYTES];
    char text[POS_TEXT_BYTES];
    struct candor_pos token = world->writes[record_what(&node->disk, pos.seq)->number].token;
    if (token.seq > 0 && !disk_holds(&node->disk, pos.seq, token))
        violate(world, "I8",
                "node %s took a session's write at %s, where its token %s is not before it",
                node->id.text, pos_text(pos, written), pos_text(token, text));
}

static void write_finished(struct world *world, struct node *node, const struct ticket *ticket,
                           const struct core_action_finish *finish)
{
    struct client *client = &world->clients[ticket->client];
    if (finish->code == CANDOR_OK) {
        check_session_write(world, node, finish->pos);
        check_answered(world, node, ticket->request, finish->pos);
    }
    if (finish->reason == CANDOR_REASON_SESSION_LOST)
        reported_lost(world, ticket->token);
    if (!is_current(world, ticket->client, ticket->operation))
        return;
    /* a retry's may be older */
    bool newer = client->token_cluster_id != node->view.cluster_id ||
                 pos_compare(finish->pos, client->token) > 0;
    if (finish->code == CANDOR_OK && newer) {
        client->token = finish->pos;
        client->token_cluster_id = node->view.cluster_id;
    }
    if (finish->reason == CANDOR_REASON_SESSION_LOST)
        client->token = finish->pos;
    else if (finish->code != CANDOR_OK)
        follow_redirect(world, node, client);
    bool too_old = finish->code == CANDOR_ABORTED && finish->reason == CANDOR_REASON_NONE;
    if (finish->code == CANDOR_OK || too_old)
        client->unanswered = false;
    act_later(world, ticket->client);
}

/* ---- Reads ----------------------------------------------------------------------------------- */

static void open_read(struct world *world, struct event *event);

static void open_again(struct world *world, struct node *node, struct read *read, uint64_t delay_ns)
{
    schedule_at_node(world, node, world->now_ns + delay_ns, open_read)->data = read;
}

static void check_served(struct world *world, struct node *node, const struct read *read,
                         const struct core_freshness *fresh)
{
    char token[POS_TEXT_BYTES];
    if (read->ask.level == CANDOR_READ_BOUNDED &&
        (!fresh->has_bound || fresh->bound_ms > read->ask.max_staleness_ms))
        violate(world, "I9", "node %s served a bounded read beyond its bound", node->id.text);
    if (read->foreign && read->ask.level == CANDOR_READ_SESSION)
        violate(world, "R43", "node %s served a session of another log that has the same epoch",
                node->id.text);
    if (read->ask.level == CANDOR_READ_SESSION && read->ask.token.pos.seq > 0 &&
        !disk_holds(&node->disk, read->applied, read->ask.token.pos))
        violate(world, "I8",
                "node %s served a session at seq %" PRIu64 " that does not hold its token %s",
                node->id.text, read->applied, pos_text(read->ask.token.pos, token));
}

static void read_served(struct world *world, struct node *node, const struct read *read)
{
    struct client *client = &world->clients[read->client];
    struct candor_pos pos = disk_pos(&node->disk, read->applied);
    if (read->ask.level == CANDOR_READ_SESSION && pos_compare(pos, client->token) > 0) {
        client->token = pos;
        client->token_cluster_id = node->view.cluster_id;
    }
}

static void wait_for(struct world *world, struct node *node, struct read *read, enum core_wait kind,
                     struct candor_token token)
{
    struct ticket *ticket = ticket_new(world, node, TICKET_WAIT);
    ticket->client = read->client;
    ticket->operation = read->operation;
    ticket->read = read;
    read->wait = kind;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .ticket = ticket->id};
    wait.wait.kind = kind;
    wait.wait.token = token;
    wait.wait.deadline_ns =
        read->ladder.count > 0
            ? read->ladder.until_ns
            : local_ns(world, node) + between(world, 1, 10) * world->plan.beat_ns;
    node_step(world, node, &wait);
}

static void answer_linearizable(struct world *world, struct node *node, struct read *read)
{
    ladder_served(world, node, read);
    TRACE(world, node, "linearizable read answered at seq %" PRIu64, read->applied);
    check_linearizable_read(world, node, read);
    register_read(world, read);
    act_later(world, read->client);
}

static void wait_for_commit(struct world *world, struct node *node, struct read *read)
{
    struct candor_pos pos = {read->epoch->epoch, read->applied};
    wait_for(world, node, read, CORE_WAIT_COMMIT, (struct candor_token){.pos = pos});
}

/* The second and third step of core.h: the data are open; they must be committed before they are
 * shown. They stay open for a while, or not at all when too many are: then they are read again. */
static void pack_linearizable(struct world *world, struct node *node, struct read *read)
{
    if (read->waited_rewinds != read->rewinds) {
        wait_for(world, node, read, CORE_WAIT_LINEARIZABLE, (struct candor_token){0});
        return;
    }
    read->holds = chance(world, 700000);
    if (node->view.commit >= read->applied)
        answer_linearizable(world, node, read);
    else
        wait_for_commit(world, node, read);
}

/* Level by level, or the first step of a LINEARIZABLE rung. */
static void pack_other(struct world *world, struct node *node, struct read *read)
{
    const struct core_view *view = &node->view;
    struct core_freshness fresh;
    core_view_freshness(view, read->applied, local_ns(world, node), &fresh);
    struct core_read ask = read->ask;
    /* the core said so */
    if (read->waited && read->waited_rewinds == read->rewinds)
        ask.token.pos.seq = 0;
    struct core_read_decision decision = core_decide_read(view, &fresh, &ask);
    TRACE(world, node, "read level=%d applied=%" PRIu64 " %s bound=%s%" PRIu64 "ms decision=%d %s",
          read->ask.level, read->applied, candor_state_name(fresh.state),
          fresh.has_bound ? "" : "none ", fresh.bound_ms, decision.decision,
          candor_reason_name(decision.reason));
    bool refused = decision.decision == CORE_REDIRECT || decision.decision == CORE_REFUSE;
    if (refused && ladder_down(world, node, read, decision.code, decision.reason, &fresh)) {
        open_again(world, node, read, 1000);
        return;
    }
    switch (decision.decision) {
    case CORE_SERVE:
        ladder_served(world, node, read);
        check_served(world, node, read, &fresh);
        read_served(world, node, read);
        break;
    case CORE_WAIT:
        if (read->attempts < LIMIT_READ_ATTEMPTS) {
            wait_for(world, node, read,
                     read->ask.level == CANDOR_READ_LINEARIZABLE ? CORE_WAIT_LINEARIZABLE
                                                                 : CORE_WAIT_SESSION,
                     read->ask.token);
            return;
        }
        break;
    case CORE_REDIRECT:
        if (node_id_empty(view->primary) || node_id_equal(view->primary, node->id))
            violate(world, "R45", "node %s redirects to itself or to nobody", node->id.text);
        break;
    case CORE_REFUSE:
        if (decision.reason == CANDOR_REASON_FOREIGN_CLUSTER)
            world->clients[read->client].token = (struct candor_pos){0};
        break;
    }
    act_later(world, read->client);
}

/* As kvd does: the view is copied after the data were read, and must be of the same branch. */
static void pack_read(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct read *read = event->data;
    const struct core_view *view = &node->view;
    if (!is_current(world, read->client, read->operation))
        return;
    bool same = view->rewinds == read->rewinds && node->disk.rewinds == read->rewinds;
    bool proven = !view->proven || view->evidence_seq <= read->applied;
    if (!(same && proven) && read->attempts < LIMIT_READ_ATTEMPTS) {
        open_again(world, node, read, 1000);
        return;
    }
    if (!same) {
        act_later(world, read->client);
        return;
    }
    struct core_freshness fresh;
    core_view_freshness(view, read->applied, local_ns(world, node), &fresh);
    check_freshness(world, node, &fresh, read->applied);
    bool first_step = read->ladder.count > 0 && !read->waited;
    if (read->ask.level != CANDOR_READ_LINEARIZABLE || first_step)
        pack_other(world, node, read);
    else if (read->applied > 0)
        pack_linearizable(world, node, read);
    else
        act_later(world, read->client);
}

static void open_read(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct read *read = event->data;
    read->attempts++;
    read->applied = node->disk.last;
    read->epoch = read->applied > 0 ? node->disk.records[read->applied - 1].epoch : NULL;
    read->rewinds = node->disk.rewinds;
    uint64_t delay_ns = chance(world, 300000) ? 0 : between(world, 0, world->plan.beat_ns / 20);
    schedule_at_node(world, node, world->now_ns + delay_ns, pack_read)->data = read;
}

/* In a step of its own: the one under way has actions left that are not performed yet. */
static void wait_again(struct world *world, struct event *event)
{
    struct read *read = event->data;
    if (is_current(world, read->client, read->operation))
        wait_for_commit(world, &world->nodes[event->node], read);
}

static void wait_finished(struct world *world, struct node *node, const struct ticket *ticket,
                          const struct core_action_finish *finish)
{
    struct client *client = &world->clients[ticket->client];
    struct read *read = ticket->read;
    bool lost = finish->reason == CANDOR_REASON_SESSION_LOST && !read->foreign;
    if (lost)
        reported_lost(world, read->ask.token.pos);
    if (!is_current(world, ticket->client, ticket->operation))
        return;
    bool commit = read->wait == CORE_WAIT_COMMIT;
    if (commit && read->holds && finish->reason == CANDOR_REASON_NO_MAJORITY) {
        read->holds = false;
        schedule_at_node(world, node, world->now_ns, wait_again)->data = read;
    } else if (finish->code != CANDOR_OK) {
        if (lost)
            client->token = finish->pos;
        if (ladder_down(world, node, read, finish->code, finish->reason, NULL))
            open_again(world, node, read, 1000);
        else
            act_later(world, ticket->client);
    } else if (commit && read->holds) {
        answer_linearizable(world, node, read);
    } else if (commit) {
        open_again(world, node, read, 1000);
    } else {
        read->waited = true;
        read->waited_rewinds = node->view.rewinds;
        read->confirmed_in = node->view.epoch;
        open_again(world, node, read, 1000);
    }
}

static void do_linearizable(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    struct read *read = event->data;
    read->began_ns = world->now_ns;
    if (is_current(world, read->client, read->operation))
        wait_for(world, node, read, CORE_WAIT_LINEARIZABLE, (struct candor_token){0});
}

static void begin_read(struct world *world, struct node *node, uint32_t client)
{
    struct read *read = world_alloc(world, sizeof *read);
    read->client = client;
    read->operation = world->clients[client].operation;
    read->ask.level =
        (enum candor_read_level)between(world, CANDOR_READ_EVENTUAL, CANDOR_READ_LINEARIZABLE);
    if (node->index == world->doubted && world->now_ns < world->avoided_until_ns)
        read->ask.level = CANDOR_READ_LINEARIZABLE;
    read->ask.max_staleness_ms = between(world, 1, 10) * world->plan.beat_ns / NS_PER_MS;
    read->ask.allow_syncing = chance(world, 300000);
    if (!(node->index == world->doubted && world->now_ns < world->avoided_until_ns))
        ladder_of(world, node, read);
    if (ladder_has(read, CANDOR_READ_SESSION)) {
        read->ask.token = registry_token(world, world->clients[client].token);
        read->ask.token.cluster_id = world->clients[client].token_cluster_id;
        read->foreign = world->plan.weight[FAULT_OTHER_LOG] > 0 && chance(world, 100000) &&
                        read->ask.token.origin != 0;
        read->ask.token.origin += read->foreign;
    }
    uint64_t at_ns = world->now_ns + between(world, 0, world->plan.latency_ns);
    read->began_ns = at_ns;
    bool linearizable = read->ask.level == CANDOR_READ_LINEARIZABLE && read->ladder.count == 0;
    schedule_at_node(world, node, at_ns, linearizable ? do_linearizable : open_read)->data = read;
}

/* ---- Callers that are gone (R51) ------------------------------------------------------------- */

/* The node learns that the connection closed. It may be late: the answer is on its way, or was
 * given long ago. */
static void connection_closed(struct world *world, struct event *event)
{
    struct node *node = &world->nodes[event->node];
    uint64_t ids[SIM_TICKETS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->ticket_count; i++) {
        const struct ticket *ticket = &node->tickets[i];
        bool its = (ticket->kind == TICKET_WRITE || ticket->kind == TICKET_WAIT) &&
                   ticket->client == event->from && ticket->operation == event->number;
        if (its)
            ids[count++] = ticket->id;
    }
    /* was answered, or is nobody's yet */
    uint64_t late = between(world, 1, world->next_ticket + 1);
    if (count == 0 && ticket_find(node, late) == NULL)
        ids[count++] = late;
    for (uint32_t i = 0; i < count; i++)
        node_step(world, node, &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = ids[i]});
}

static void draw_closing(struct world *world, struct node *node, uint32_t client, uint64_t most_ns)
{
    if (!chance(world, 100000))
        return;
    uint64_t at_ns = world->now_ns + between(world, 0, most_ns);
    struct event *event = schedule_at_node(world, node, at_ns, connection_closed);
    event->from = client;
    event->number = world->clients[client].operation;
}

/* ---- One thing after another ----------------------------------------------------------------- */

static void give_up(struct world *world, struct event *event)
{
    if (is_current(world, event->from, event->number))
        act_later(world, event->from);
}

static bool is_avoided(const struct world *world, const struct node *node)
{
    return world->now_ns < world->avoided_until_ns && (world->avoided_side >> node->index & 1) != 0;
}

static void act(struct world *world, struct event *event)
{
    uint32_t index = event->from;
    struct client *client = &world->clients[index];
    if (world->healing || !is_current(world, index, event->number))
        return;
    /* it will never know */
    if (chance(world, 50000))
        client->unanswered = false;
    bool writes = client->unanswered || between(world, 1, 100) <= world->plan.write_percent;
    struct node *node =
        writes && chance(world, 850000) ? &world->nodes[client->target] : any_node(world);
    if (writes && is_avoided(world, node)) {
        struct node *primary = find_primary(world);
        writes = primary != NULL && !is_avoided(world, primary);
        node = writes ? primary : node;
    }
    if (!writes && world->now_ns < world->avoided_until_ns && chance(world, 500000))
        node = &world->nodes[world->doubted];
    uint64_t patience_ns = chance(world, 100000) ? between(world, 0, world->plan.beat_ns)
                                                 : between(world, 5, 30) * world->plan.beat_ns;
    struct event *end = schedule(world, world->now_ns + patience_ns, give_up);
    end->from = index;
    end->number = client->operation;
    if (node->up)
        draw_closing(world, node, index, patience_ns);
    if (!node->up) {
        client->target = any_node(world)->index;
        act_later(world, index);
    } else if (writes) {
        uint64_t at_ns = world->now_ns + between(world, 0, world->plan.latency_ns);
        struct event *next = schedule_at_node(world, node, at_ns, do_write);
        next->from = index;
        next->number = client->operation;
    } else {
        begin_read(world, node, index);
    }
}

void clients_start(struct world *world)
{
    for (uint32_t i = 0; i < world->plan.clients; i++)
        act_later(world, i);
}

void client_finished(struct world *world, struct node *node, const struct ticket *ticket,
                     const struct core_action_finish *finish)
{
    /* the judge's own */
    if (ticket->client >= SIM_CLIENTS)
        return;
    if (ticket->kind == TICKET_WRITE)
        write_finished(world, node, ticket, finish);
    else if (ticket->kind == TICKET_WAIT)
        wait_finished(world, node, ticket, finish);
}

/* The node died with it. */
void client_lost(struct world *world, const struct ticket *ticket)
{
    if (ticket->kind != TICKET_WRITE && ticket->kind != TICKET_WAIT)
        return;
    if (ticket->client < SIM_CLIENTS && is_current(world, ticket->client, ticket->operation))
        act_later(world, ticket->client);
}
