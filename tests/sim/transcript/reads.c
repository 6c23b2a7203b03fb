/* Clients that read. */
#include "transcript.h"

/* Clients that read, at each level, as kvd serves them: decide, wait, decide again (core.h). */

static void open_read(struct world *world, struct event *event);

static void read_answered(struct transcript *transcript, struct operation *operation,
                          const struct core_freshness *fresh)
{
    struct world *world = transcript->world;
    struct node *node = &world->nodes[operation->node];
    const struct read *read = operation->read;
    struct client *client = &world->clients[read->client];
    char text[LINE_BYTES];
    char freshness[PHRASE_BYTES];
    ASSERT(read->epoch != NULL); /* a node without records is SYNCING, and answers nothing */
    operation->open = false;
    if (operation->value != 0)
        snprintf(text, sizeof text, "%s=%s  (%s)", transcript->keys[operation->key],
                 transcript->values[operation->value], phrase_freshness(fresh, freshness));
    else
        snprintf(text, sizeof text, "%s is absent  (%s)", transcript->keys[operation->key],
                 phrase_freshness(fresh, freshness));
    say_answer(transcript, operation, text);
    struct candor_pos pos = {read->epoch->epoch, read->applied};
    if (read->client < SIM_CLIENTS && pos_compare(pos, client->token) > 0) {
        client->token = pos;
        client->token_cluster_id = node->view.cluster_id;
    }
}

static void read_waits(struct transcript *transcript, struct operation *operation,
                       enum core_wait kind, struct candor_pos pos)
{
    struct world *world = transcript->world;
    struct node *node = &world->nodes[operation->node];
    struct ticket *ticket = ticket_new(world, node, TICKET_WAIT);
    operation->ticket = ticket->id;
    operation->read->wait = kind;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .ticket = ticket->id};
    wait.wait.kind = kind;
    wait.wait.token.pos = pos;
    wait.wait.deadline_ns = operation->deadline_ns;
    node_step(world, node, &wait);
}

/* The three steps of core.h. */
static void serve_linearizable(struct transcript *transcript, struct operation *operation,
                               const struct core_freshness *fresh)
{
    struct node *node = &transcript->world->nodes[operation->node];
    const struct read *read = operation->read;
    if (node->view.commit < read->applied) {
        read_waits(transcript, operation, CORE_WAIT_COMMIT,
                   (struct candor_pos){read->epoch->epoch, read->applied});
        return;
    }
    check_linearizable_read(transcript->world, node, read);
    read_answered(transcript, operation, fresh);
}

static void decide_read(struct transcript *transcript, struct operation *operation,
                        const struct core_freshness *fresh)
{
    const struct core_view *view = &transcript->world->nodes[operation->node].view;
    struct read *read = operation->read;
    struct core_read ask = read->ask;
    bool confirmed = read->waited && read->waited_rewinds == read->rewinds;
    /* the core said so */
    if (confirmed)
        ask.token.pos.seq = 0;
    struct core_read_decision decision = core_decide_read(view, fresh, &ask);
    bool linearizable = ask.level == CANDOR_READ_LINEARIZABLE;
    if (decision.decision == CORE_WAIT && linearizable && confirmed) {
        serve_linearizable(transcript, operation, fresh);
    } else if (decision.decision == CORE_WAIT) {
        read_waits(transcript, operation, linearizable ? CORE_WAIT_LINEARIZABLE : CORE_WAIT_SESSION,
                   ask.token.pos);
    } else if (decision.decision == CORE_SERVE) {
        read_answered(transcript, operation, fresh);
    } else {
        operation->open = false;
        say_error(transcript, operation, decision.code, decision.reason, (struct candor_pos){0});
    }
}

static void open_read(struct world *world, struct event *event)
{
    struct transcript *transcript = transcript_of(world);
    struct operation *operation = event->data;
    struct node *node = &world->nodes[operation->node];
    struct read *read = operation->read;
    read->applied = node->disk.last;
    read->epoch = read->applied > 0 ? node->disk.records[read->applied - 1].epoch : NULL;
    read->rewinds = node->disk.rewinds;
    operation->value = node->disk.state.keys[operation->key].value;
    struct core_freshness fresh;
    core_view_freshness(&node->view, read->applied, local_ns(world, node), &fresh);
    check_freshness(world, node, &fresh, read->applied);
    decide_read(transcript, operation, &fresh);
}

/* What was opened before its commit is answered as it is. */
static void answer_read(struct world *world, struct event *event)
{
    struct operation *operation = event->data;
    struct node *node = &world->nodes[operation->node];
    struct core_freshness fresh;
    core_view_freshness(&node->view, operation->read->applied, local_ns(world, node), &fresh);
    check_linearizable_read(world, node, operation->read);
    read_answered(transcript_of(world), operation, &fresh);
}

void read_finished(struct transcript *transcript, struct operation *operation, struct node *node,
                   const struct core_action_finish *finish)
{
    struct world *world = transcript->world;
    struct read *read = operation->read;
    if (finish->code != CANDOR_OK) {
        operation->open = false;
        if (finish->reason == CANDOR_REASON_SESSION_LOST)
            world->clients[read->client].token = finish->pos;
        say_error(transcript, operation, finish->code, finish->reason, finish->pos);
        return;
    }
    bool is_open = read->wait == CORE_WAIT_COMMIT;
    if (!is_open) {
        read->waited = true;
        read->waited_rewinds = node->view.rewinds;
        read->confirmed_in = node->view.epoch;
    }
    /* In a step of its own: the one under way has actions left. */
    schedule_at_node(world, node, world->now_ns, is_open ? answer_read : open_read)->data =
        operation;
}

static void say_read(struct transcript *transcript, const struct operation *operation)
{
    static const char *const levels[] = {[CANDOR_READ_EVENTUAL] = "EVENTUAL",
                                         [CANDOR_READ_BOUNDED] = "BOUNDED",
                                         [CANDOR_READ_SESSION] = "SESSION",
                                         [CANDOR_READ_LINEARIZABLE] = "LINEARIZABLE"};
    const struct read *read = operation->read;
    const struct node *node = &transcript->world->nodes[operation->node];
    char more[LINE_BYTES] = "";
    char pos[POS_TEXT_BYTES];
    if (read->ask.level == CANDOR_READ_BOUNDED)
        snprintf(more, sizeof more, ", at most %" PRIu64 " ms old", read->ask.max_staleness_ms);
    if (read->ask.token.pos.seq != 0)
        snprintf(more, sizeof more, ", my session saw %s", pos_text(read->ask.token.pos, pos));
    say_to(transcript, (const char *[2]){operation->name, node->id.text}, "get %s, %s%s",
           transcript->keys[operation->key], levels[read->ask.level], more);
}

/* What is asked for, but for the key. */
static struct read *read_wanted(struct transcript *transcript, struct words *words)
{
    static const char *const levels[] = {"default", "eventual",     "bounded",
                                         "session", "linearizable", NULL};
    struct world *world = transcript->world;
    struct read *read = world_alloc(world, sizeof *read);
    const char *level = words_option(words, "level");
    const char *most = words_option(words, "max_staleness");
    read->ask.level = level == NULL ? CANDOR_READ_EVENTUAL : words_choice(words, level, levels);
    read->client = session_named(transcript, words);
    if (read->ask.level == CANDOR_READ_BOUNDED && most == NULL)
        words_wrong(words, "a bounded read needs max_staleness=DURATION");
    if (most != NULL)
        read->ask.max_staleness_ms = words_duration_ns(words, most) / NS_PER_MS;
    if (read->ask.level == CANDOR_READ_SESSION) {
        read->ask.token.pos = world->clients[read->client].token;
        read->ask.token.cluster_id = world->clients[read->client].token_cluster_id;
    }
    return read;
}

void operation_get(struct transcript *transcript, struct words *words)
{
    struct world *world = transcript->world;
    bool later = words_flag(words, "&");
    struct node *node = node_up(transcript, words, node_at(transcript, words));
    struct read *read = read_wanted(transcript, words);
    const char *deadline = words_option(words, "deadline");
    uint64_t patience_ns = deadline == NULL ? NS_PER_S : words_duration_ns(words, deadline);
    uint32_t key = key_named(transcript, words, words_next(words, "the key"));
    words_end(words);
    struct operation *operation = operation_new(transcript, words, OPERATION_READ, node->index);
    if (words->error[0] != '\0')
        return;
    read->began_ns = world->now_ns;
    operation->deadline_ns = local_ns(world, node) + patience_ns;
    operation->read = read;
    operation->key = key;
    say_read(transcript, operation);
    schedule_at_node(world, node, world->now_ns, open_read)->data = operation;
    finish_command(transcript, operation, later);
}
