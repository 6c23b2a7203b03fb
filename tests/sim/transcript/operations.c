#include "transcript.h"

/* Clients and operators: what they ask, and what they are answered. A command waits for its answer, unless it ends with "&";
 * then the answer comes among the lines of a later command. */

enum { PATIENCE_MS = 10000 };

/* ---- Names ------------------------------------------------------------------------------------------ */

static struct operation *operation_new(struct transcript *transcript, struct words *words,
                                       enum operation_kind kind, uint32_t node)
{
    static const char letters[] = {'w', 'f', 'r', 'o'};
    if (transcript->operation_count == MOST_OPERATIONS) {
        words_wrong(words, "there are more than %d operations", MOST_OPERATIONS);
        return &transcript->operations[0];
    }
    struct operation *operation = &transcript->operations[transcript->operation_count++];
    *operation = (struct operation){.kind = kind, .node = node, .open = true};
    snprintf(operation->name, sizeof operation->name, "%c%u", letters[kind],
             ++transcript->counts[kind]);
    return operation;
}

static struct operation *operation_named(struct transcript *transcript, struct words *words,
                                         const char *name)
{
    for (uint32_t i = 0; i < transcript->operation_count; i++)
        if (strcmp(transcript->operations[i].name, name) == 0)
            return &transcript->operations[i];
    words_wrong(words, "nothing is called '%s'", name);
    return &transcript->operations[0];
}

static bool holds_ticket(const struct operation *operation, uint64_t ticket)
{
    uint64_t count = operation->kind == OPERATION_FILL ? operation->count : 1;
    return operation->open && ticket >= operation->ticket && ticket < operation->ticket + count;
}

static struct operation *operation_of(struct transcript *transcript, uint64_t ticket)
{
    for (uint32_t i = transcript->operation_count; i-- > 0;)
        if (holds_ticket(&transcript->operations[i], ticket))
            return &transcript->operations[i];
    return NULL;
}

static uint32_t key_named(struct transcript *transcript, struct words *words, const char *name)
{
    for (uint32_t i = 0; i < transcript->key_count; i++)
        if (strcmp(transcript->keys[i], name) == 0)
            return i;
    if (transcript->key_count == SIM_KEYS || strlen(name) >= NAME_BYTES) {
        words_wrong(words, "a scenario has at most %d keys of %d bytes", SIM_KEYS, NAME_BYTES - 1);
        return 0;
    }
    snprintf(transcript->keys[transcript->key_count], NAME_BYTES, "%s", name);
    return transcript->key_count++;
}

/* SIM_CLIENTS, who is nobody's session: none was named. */
static uint32_t session_named(struct transcript *transcript, struct words *words)
{
    const char *name = words_option(words, "session");
    if (name == NULL)
        return SIM_CLIENTS;
    for (uint32_t i = 0; i < transcript->session_count; i++)
        if (strcmp(transcript->sessions[i], name) == 0)
            return i;
    if (transcript->session_count == SIM_CLIENTS || strlen(name) >= NAME_BYTES) {
        words_wrong(words, "a scenario has at most %d sessions", SIM_CLIENTS);
        return 0;
    }
    snprintf(transcript->sessions[transcript->session_count], NAME_BYTES, "%s", name);
    return transcript->session_count++;
}

/* ---- Waiting ---------------------------------------------------------------------------------------- */

static void wait_for(struct transcript *transcript, const struct operation *operation)
{
    for (uint32_t i = 0; i < PATIENCE_MS && operation->open; i++)
        transcript_run_for(transcript, NS_PER_MS);
    if (operation->open)
        say(transcript, operation->name, "is not answered yet");
}

/* What is sent to a process that is paused waits for it. */
static struct node *node_up(struct transcript *transcript, struct words *words, uint32_t index)
{
    struct node *node = &transcript->world->nodes[index];
    if (words->error[0] == '\0' && !node->up)
        words_wrong(words, "node %s is down", node->id.text);
    return node;
}

/* Operators' orders do not wait. */
static struct node *node_awake(struct transcript *transcript, struct words *words, uint32_t index)
{
    struct node *node = node_up(transcript, words, index);
    if (words->error[0] == '\0' && node->paused_until_ns > transcript->world->now_ns)
        words_wrong(words, "node %s is paused", node->id.text);
    return node;
}

static uint32_t node_at(struct transcript *transcript, struct words *words)
{
    const char *name = words_after(words, "at");
    if (name == NULL) {
        words_wrong(words, "at which node? 'at NODE' is missing");
        return 0;
    }
    return node_named(transcript, words, name);
}

void operation_wait(struct transcript *transcript, struct words *words)
{
    struct operation *operation =
        operation_named(transcript, words, words_next(words, "what to wait for"));
    words_end(words);
    if (words->error[0] == '\0')
        wait_for(transcript, operation);
}

/* ---- Answers ---------------------------------------------------------------------------------------- */

static void say_answer(struct transcript *transcript, const struct operation *operation,
                       const char *text)
{
    const struct node *node = &transcript->world->nodes[operation->node];
    say_to(transcript, (const char *[2]){node->id.text, operation->name}, "%s", text);
}

static void say_error(struct transcript *transcript, const struct operation *operation,
                      enum candor_code code, enum candor_reason reason, struct pos pos)
{
    const struct core_view *view = &transcript->world->nodes[operation->node].view;
    char text[LINE_BYTES];
    char at[POS_TEXT_BYTES];
    int used = snprintf(text, sizeof text, "%s", candor_code_name(code));
    if (reason != CANDOR_REASON_NONE)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, " %s", candor_reason_name(reason));
    if (pos.seq != 0)
        used += snprintf(text + used, sizeof text - (size_t)used, " %s", pos_text(pos, at));
    bool elsewhere = !node_id_empty(view->primary) && !node_id_equal(view->primary, view->self);
    if (code == CANDOR_FAILED_PRECONDITION && elsewhere && operation->kind != OPERATION_ORDER)
        snprintf(text + used, sizeof text - (size_t)used, ", ask %s", view->primary.text);
    say_answer(transcript, operation, text);
}

/* ---- Writes ----------------------------------------------------------------------------------------- */

static const char *const level_names[] = {"local", "majority", "all", NULL};

static enum ack_level level_wanted(struct words *words, enum ack_level otherwise)
{
    const char *name = words_option(words, "ack");
    return name == NULL ? otherwise
                        : (enum ack_level)(ACK_LOCAL + words_choice(words, name, level_names));
}

static void name_value(struct transcript *transcript, struct words *words,
                       struct operation *operation, const char *value)
{
    if (transcript->world->write_count + 1 >= MOST_VALUES || strlen(value) >= NAME_BYTES)
        words_wrong(words, "a scenario has at most %d writes of %d bytes", MOST_VALUES - 1,
                    NAME_BYTES - 1);
    else
        snprintf(operation->text, NAME_BYTES, "%s", value);
}

static struct request *new_request(struct transcript *transcript, uint32_t client, uint32_t key,
                                   enum ack_level ack)
{
    struct world *world = transcript->world;
    struct request *request = world_alloc(world, sizeof *request);
    request->client = client;
    request->number = ++world->clients[client].requests;
    request->first = request;
    request->content = (uint64_t)client << 32 | request->number << 1;
    request->parts = 1;
    request->ack = ack;
    request->ops[0].key = key;
    return request;
}

static void write_arrives(struct world *world, struct event *event)
{
    struct transcript *transcript = transcript_of(world);
    struct operation *operation = event->data;
    memcpy(transcript->values[world->write_count + 1], operation->text, NAME_BYTES);
    operation->ticket = world->next_ticket + 1;
    (void)client_write(world, &world->nodes[operation->node], operation->request);
}

/* `again`: "" or which one it repeats. */
static void send_write(struct transcript *transcript, struct operation *operation,
                       const char *again)
{
    struct world *world = transcript->world;
    struct node *node = &world->nodes[operation->node];
    const struct request *request = operation->request;
    const struct pos token = world->clients[request->client].token;
    bool deletes = request->ops[0].deletes;
    char pos[POS_TEXT_BYTES];
    say_to(transcript, (const char *[2]){operation->name, node->id.text}, "%s %s%s%s, %s%s%s%s%s",
           deletes ? "del" : "put", transcript->keys[request->ops[0].key], deletes ? "" : "=",
           operation->text, ack_level_name(request->ack), token.seq != 0 ? ", my session saw " : "",
           token.seq != 0 ? pos_text(token, pos) : "",
           again[0] != '\0' ? ", the same request as " : "", again);
    schedule_at_node(world, node, world->now_ns, write_arrives)->data = operation;
}

static void finish_command(struct transcript *transcript, const struct operation *operation,
                           bool later)
{
    transcript_run_for(transcript, 0);
    if (!later)
        wait_for(transcript, operation);
}

void operation_put(struct transcript *transcript, struct words *words, bool deletes)
{
    bool later = words_flag(words, "&");
    const struct node *node = node_up(transcript, words, node_at(transcript, words));
    uint32_t client = session_named(transcript, words);
    enum ack_level ack = level_wanted(words, ACK_MAJORITY);
    uint32_t key = key_named(transcript, words, words_next(words, "the key"));
    struct operation *operation = operation_new(transcript, words, OPERATION_WRITE, node->index);
    name_value(transcript, words, operation, deletes ? "" : words_next(words, "the value"));
    words_end(words);
    if (words->error[0] != '\0')
        return;
    operation->request = new_request(transcript, client, key, ack);
    operation->request->ops[0].deletes = deletes;
    send_write(transcript, operation, "");
    finish_command(transcript, operation, later);
}

/* The same request once more, as a client does that was not answered (R46). */
void operation_retry(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    const struct node *node = node_up(transcript, words, node_at(transcript, words));
    struct operation *first = operation_named(transcript, words, words_next(words, "which write"));
    words_end(words);
    if (words->error[0] == '\0' && first->kind != OPERATION_WRITE)
        words_wrong(words, "%s is no write", first->name);
    struct operation *operation = operation_new(transcript, words, OPERATION_WRITE, node->index);
    name_value(transcript, words, operation, first->text);
    if (words->error[0] != '\0')
        return;
    operation->request = first->request;
    send_write(transcript, operation, first->name);
    finish_command(transcript, operation, later);
}

void operation_cancel(struct transcript *transcript, struct words *words)
{
    const struct operation *operation =
        operation_named(transcript, words, words_next(words, "what to cancel"));
    words_end(words);
    if (words->error[0] != '\0')
        return;
    struct node *node = node_awake(transcript, words, operation->node);
    if (words->error[0] == '\0')
        node_step(transcript->world, node,
                  &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = operation->ticket});
}

/* Many writes at once; what becomes of them is one line. */
void operation_fill(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    struct node *node = node_awake(transcript, words, node_at(transcript, words));
    enum ack_level ack = level_wanted(words, ACK_MAJORITY);
    uint64_t count = words_number(words, words_next(words, "how many"));
    uint32_t key = key_named(transcript, words, words_next(words, "the key"));
    words_end(words);
    if (words->error[0] == '\0' && (count == 0 || count > SIM_TICKETS / 2))
        words_wrong(words, "1 to %d writes at once", SIM_TICKETS / 2);
    struct operation *operation = operation_new(transcript, words, OPERATION_FILL, node->index);
    if (words->error[0] != '\0')
        return;
    struct world *world = transcript->world;
    operation->ticket = world->next_ticket + 1;
    operation->count = count;
    operation->left = count;
    say_to(transcript, (const char *[2]){operation->name, node->id.text},
           "put %s, %" PRIu64 " times, %s", transcript->keys[key], count, ack_level_name(ack));
    for (uint64_t i = 1; i <= count; i++) {
        char value[NAME_BYTES];
        snprintf(value, sizeof value, "%" PRIu64, i);
        name_value(transcript, words, operation, value);
        memcpy(transcript->values[world->write_count + 1], operation->text, NAME_BYTES);
        (void)client_write(world, node, new_request(transcript, SIM_CLIENTS, key, ack));
    }
    if (!later)
        wait_for(transcript, operation);
}

static void fill_finished(struct transcript *transcript, struct operation *operation,
                          const struct core_action *action)
{
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->left--;
    if (action->code != CANDOR_OK)
        say_error(transcript, operation, action->code, action->reason, action->pos);
    else if (pos_compare(action->pos, operation->last) > 0)
        operation->last = action->pos;
    if (operation->left > 0)
        return;
    operation->open = false;
    snprintf(text, sizeof text, "all are answered; the last OK is %s",
             pos_text(operation->last, pos));
    say_answer(transcript, operation, text);
}

static void write_finished(struct transcript *transcript, struct operation *operation,
                           const struct node *node, const struct core_action *action)
{
    const struct request *request = operation->request;
    struct client *client = &transcript->world->clients[request->client];
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->open = false;
    bool lost = action->reason == CANDOR_REASON_SESSION_LOST;
    if (action->code == CANDOR_OK) {
        check_answered(transcript->world, node, request, action->pos);
        snprintf(text, sizeof text, "OK %s, %s", pos_text(action->pos, pos),
                 ack_level_name(action->ack));
        say_answer(transcript, operation, text);
    } else {
        say_error(transcript, operation, action->code, action->reason, action->pos);
    }
    bool newer = action->code == CANDOR_OK && pos_compare(action->pos, client->token) > 0;
    if (request->client < SIM_CLIENTS && (newer || lost)) {
        client->token = action->pos;
        client->token_cluster_id = node->view.cluster_id;
    }
}

/* ---- Reads ------------------------------------------------------------------------------------------ */

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
    operation->open = false;
    if (operation->value != 0)
        snprintf(text, sizeof text, "%s=%s  (%s)", transcript->keys[operation->key],
                 transcript->values[operation->value], phrase_freshness(fresh, freshness));
    else
        snprintf(text, sizeof text, "%s is absent  (%s)", transcript->keys[operation->key],
                 phrase_freshness(fresh, freshness));
    say_answer(transcript, operation, text);
    struct pos pos = {read->epoch->epoch, read->applied};
    if (read->client < SIM_CLIENTS && pos_compare(pos, client->token) > 0) {
        client->token = pos;
        client->token_cluster_id = node->view.cluster_id;
    }
}

static void read_waits(struct transcript *transcript, struct operation *operation,
                       enum core_wait kind, struct pos pos)
{
    struct world *world = transcript->world;
    struct node *node = &world->nodes[operation->node];
    struct ticket *ticket = ticket_new(world, node, TICKET_WAIT);
    operation->ticket = ticket->id;
    operation->read->wait = kind;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .ticket = ticket->id};
    wait.wait.kind = kind;
    wait.wait.pos = pos;
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
                   (struct pos){read->epoch->epoch, read->applied});
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
    if (confirmed)
        ask.token.seq = 0; /* the core said so */
    struct core_read_decision decision = core_decide_read(view, fresh, &ask);
    bool linearizable = ask.level == CORE_READ_LINEARIZABLE;
    if (decision.decision == CORE_WAIT && linearizable && confirmed) {
        serve_linearizable(transcript, operation, fresh);
    } else if (decision.decision == CORE_WAIT) {
        read_waits(transcript, operation, linearizable ? CORE_WAIT_LINEARIZABLE : CORE_WAIT_SESSION,
                   ask.token);
    } else if (decision.decision == CORE_SERVE) {
        read_answered(transcript, operation, fresh);
    } else {
        operation->open = false;
        say_error(transcript, operation, decision.code, decision.reason, (struct pos){0});
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

static void wait_finished(struct transcript *transcript, struct operation *operation,
                          struct node *node, const struct core_action *action)
{
    struct world *world = transcript->world;
    struct read *read = operation->read;
    if (action->code != CANDOR_OK) {
        operation->open = false;
        if (action->reason == CANDOR_REASON_SESSION_LOST)
            world->clients[read->client].token = action->pos;
        say_error(transcript, operation, action->code, action->reason, action->pos);
        return;
    }
    bool is_open = read->wait == CORE_WAIT_COMMIT;
    if (!is_open) {
        read->waited = true;
        read->waited_rewinds = node->view.rewinds;
        read->reign = node->view.epoch;
    }
    /* In a step of its own: the one under way has actions left. */
    schedule_at_node(world, node, world->now_ns, is_open ? answer_read : open_read)->data =
        operation;
}

static void say_read(struct transcript *transcript, const struct operation *operation,
                     const char *level)
{
    const struct read *read = operation->read;
    const struct node *node = &transcript->world->nodes[operation->node];
    char more[LINE_BYTES] = "";
    char pos[POS_TEXT_BYTES];
    if (read->ask.level == CORE_READ_BOUNDED)
        snprintf(more, sizeof more, ", at most %" PRIu64 " ms old", read->ask.max_staleness_ms);
    if (read->ask.token.seq != 0)
        snprintf(more, sizeof more, ", my session saw %s", pos_text(read->ask.token, pos));
    say_to(transcript, (const char *[2]){operation->name, node->id.text}, "get %s, %s%s",
           transcript->keys[operation->key], level, more);
}

void operation_get(struct transcript *transcript, struct words *words)
{
    static const char *const levels[] = {"eventual", "bounded", "session", "linearizable", NULL};
    static const char *const shown[] = {"EVENTUAL", "BOUNDED", "SESSION", "LINEARIZABLE"};
    struct world *world = transcript->world;
    bool later = words_flag(words, "&");
    struct node *node = node_up(transcript, words, node_at(transcript, words));
    struct read *read = world_alloc(world, sizeof *read);
    const char *level = words_option(words, "level");
    const char *most = words_option(words, "max_staleness");
    const char *deadline = words_option(words, "deadline");
    read->ask.level = level == NULL ? CORE_READ_EVENTUAL : words_choice(words, level, levels);
    read->client = session_named(transcript, words);
    uint32_t key = key_named(transcript, words, words_next(words, "the key"));
    if (read->ask.level == CORE_READ_BOUNDED && most == NULL)
        words_wrong(words, "a bounded read needs max_staleness=DURATION");
    if (most != NULL)
        read->ask.max_staleness_ms = words_duration_ns(words, most) / NS_PER_MS;
    uint64_t patience_ns = deadline == NULL ? NS_PER_S : words_duration_ns(words, deadline);
    words_end(words);
    struct operation *operation = operation_new(transcript, words, OPERATION_READ, node->index);
    if (words->error[0] != '\0')
        return;
    if (read->ask.level == CORE_READ_SESSION) {
        read->ask.token = world->clients[read->client].token;
        read->ask.token_cluster_id = world->clients[read->client].token_cluster_id;
    }
    read->began_ns = world->now_ns;
    operation->deadline_ns = local_ns(world, node) + patience_ns;
    operation->read = read;
    operation->key = key;
    say_read(transcript, operation, shown[read->ask.level]);
    schedule_at_node(world, node, world->now_ns, open_read)->data = operation;
    finish_command(transcript, operation, later);
}

/* ---- Operators -------------------------------------------------------------------------------------- */

static struct operation *order(struct transcript *transcript, struct words *words,
                               const struct node *node, const char *text)
{
    struct operation *operation = operation_new(transcript, words, OPERATION_ORDER, node->index);
    operation->ticket = transcript->world->next_ticket + 1;
    say_to(transcript, (const char *[2]){operation->name, node->id.text}, "%s", text);
    return operation;
}

void operation_promote(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    bool force = words_flag(words, "force");
    uint32_t index = node_named(transcript, words, words_next(words, "the node"));
    struct node *node = node_awake(transcript, words, index);
    words_end(words);
    if (words->error[0] != '\0')
        return;
    struct operation *operation =
        order(transcript, words, node, force ? "promote, by force" : "promote");
    operator_promote(transcript->world, node, force);
    if (!later)
        wait_for(transcript, operation);
}

void operation_accept(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    uint32_t index = node_named(transcript, words, words_next(words, "the node"));
    struct node *node = node_awake(transcript, words, index);
    words_end(words);
    if (words->error[0] != '\0')
        return;
    struct operation *operation = order(transcript, words, node, "accept-history");
    operator_accept(transcript->world, node);
    if (!later)
        wait_for(transcript, operation);
}

void operation_transfer(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    struct node *node = node_awake(transcript, words, node_at(transcript, words));
    uint32_t to = node_named(transcript, words, words_next(words, "the node to take over"));
    words_end(words);
    if (words->error[0] != '\0')
        return;
    char text[LINE_BYTES];
    snprintf(text, sizeof text, "transfer to %s", transcript->world->nodes[to].id.text);
    struct operation *operation = order(transcript, words, node, text);
    operator_transfer(transcript->world, node, &transcript->world->nodes[to]);
    if (!later)
        wait_for(transcript, operation);
}

void operation_voter(struct transcript *transcript, struct words *words)
{
    static const char *const verbs[] = {"remove", "add", NULL};
    bool later = words_flag(words, "&");
    struct node *node = node_awake(transcript, words, node_at(transcript, words));
    uint32_t verb = words_choice(words, words_next(words, "add or remove"), verbs);
    uint32_t index = node_named(transcript, words, words_next(words, "the voter"));
    words_end(words);
    if (words->error[0] != '\0')
        return;
    const struct node *member = &transcript->world->nodes[index];
    char text[LINE_BYTES];
    snprintf(text, sizeof text, "voter %s %s", verbs[verb], member->id.text);
    struct operation *operation = order(transcript, words, node, text);
    operator_set_voter(transcript->world, node, member, verb == 1);
    if (!later)
        wait_for(transcript, operation);
}

static void order_finished(struct transcript *transcript, struct operation *operation,
                           const struct core_action *action)
{
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->open = false;
    if (action->code == CANDOR_OK)
        snprintf(text, sizeof text, "OK%s%s", action->pos.seq != 0 ? " " : "",
                 action->pos.seq != 0 ? pos_text(action->pos, pos) : "");
    else
        snprintf(text, sizeof text, "%s: %s", candor_code_name(action->code), action->text);
    say_answer(transcript, operation, text);
}

/* ---- The end of each -------------------------------------------------------------------------------- */

void operation_finished(struct world *world, struct node *node, const struct ticket *ticket,
                        const struct core_action *action)
{
    struct transcript *transcript = transcript_of(world);
    struct operation *operation = operation_of(transcript, ticket->id);
    if (operation == NULL)
        return;
    switch (operation->kind) {
    case OPERATION_WRITE:
        write_finished(transcript, operation, node, action);
        break;
    case OPERATION_FILL:
        fill_finished(transcript, operation, action);
        break;
    case OPERATION_READ:
        wait_finished(transcript, operation, node, action);
        break;
    case OPERATION_ORDER:
        order_finished(transcript, operation, action);
        break;
    }
}

void operation_lost(struct world *world, struct node *node, const struct ticket *ticket)
{
    struct transcript *transcript = transcript_of(world);
    struct operation *operation = operation_of(transcript, ticket->id);
    if (operation == NULL)
        return;
    operation->open = false;
    say_to(transcript, (const char *[2]){node->id.text, operation->name}, "the connection closes");
}
