/* Clients that write. */
#include "transcript.h"

/* Clients that write: one at a time, many at once, the same request again. */

static const char *const level_names[] = {"local", "majority", "all", NULL};

static enum candor_ack level_wanted(struct words *words, enum candor_ack otherwise)
{
    const char *name = words_option(words, "ack");
    return name == NULL
               ? otherwise
               : (enum candor_ack)(CANDOR_ACK_LOCAL + words_choice(words, name, level_names));
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
                                   enum candor_ack ack)
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

/* `as` and `other`: what it has to do with another write; or "". */
static void send_write(struct transcript *transcript, struct operation *operation, const char *as,
                       const char *other)
{
    struct world *world = transcript->world;
    struct node *node = &world->nodes[operation->node];
    const struct request *request = operation->request;
    const struct candor_pos token = world->clients[request->client].token;
    bool deletes = request->ops[0].deletes;
    char pos[POS_TEXT_BYTES];
    say_to(transcript, (const char *[2]){operation->name, node->id.text}, "%s %s%s%s, %s%s%s%s%s",
           deletes ? "del" : "put", transcript->keys[request->ops[0].key], deletes ? "" : "=",
           operation->text, ack_level_name(request->ack), token.seq != 0 ? ", my session saw " : "",
           token.seq != 0 ? pos_text(token, pos) : "", as, other);
    schedule_at_node(world, node, world->now_ns, write_arrives)->data = operation;
}

void operation_put(struct transcript *transcript, struct words *words, bool deletes)
{
    bool later = words_flag(words, "&");
    const struct node *node = node_up(transcript, words, node_at(transcript, words));
    uint32_t client = session_named(transcript, words);
    enum candor_ack ack = level_wanted(words, CANDOR_ACK_MAJORITY);
    uint32_t key = key_named(transcript, words, words_next(words, "the key"));
    struct operation *operation = operation_new(transcript, words, OPERATION_WRITE, node->index);
    name_value(transcript, words, operation, deletes ? "" : words_next(words, "the value"));
    words_end(words);
    if (words->error[0] != '\0')
        return;
    operation->request = new_request(transcript, client, key, ack);
    operation->request->ops[0].deletes = deletes;
    send_write(transcript, operation, "", "");
    finish_command(transcript, operation, later);
}

static struct operation *write_named(struct transcript *transcript, struct words *words)
{
    struct operation *first = operation_named(transcript, words, words_next(words, "which write"));
    if (words->error[0] == '\0' && first->kind != OPERATION_WRITE)
        words_wrong(words, "%s is no write", first->name);
    return first;
}

/* The same request once more, as a client does that was not answered (R46). */
void operation_retry(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    const struct node *node = node_up(transcript, words, node_at(transcript, words));
    const struct operation *first = write_named(transcript, words);
    words_end(words);
    struct operation *operation = operation_new(transcript, words, OPERATION_WRITE, node->index);
    name_value(transcript, words, operation, first->text);
    if (words->error[0] != '\0')
        return;
    operation->request = first->request;
    send_write(transcript, operation, ", the same request as ", first->name);
    finish_command(transcript, operation, later);
}

/* Another write under the id of one that was sent, as by a process that was copied (R46). */
void operation_reuse(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    const struct node *node = node_up(transcript, words, node_at(transcript, words));
    const struct operation *first = write_named(transcript, words);
    uint32_t key = key_named(transcript, words, words_next(words, "the key"));
    struct operation *operation = operation_new(transcript, words, OPERATION_WRITE, node->index);
    name_value(transcript, words, operation, words_next(words, "the value"));
    words_end(words);
    if (words->error[0] != '\0')
        return;
    struct request *request = world_copy(transcript->world, first->request, sizeof *first->request);
    request->content++;
    request->ops[0].key = key;
    request->places = NULL;
    operation->request = request;
    send_write(transcript, operation, ", under the id of ", first->name);
    finish_command(transcript, operation, later);
}

/* Many writes at once; what becomes of them is one line. */
void operation_fill(struct transcript *transcript, struct words *words)
{
    bool later = words_flag(words, "&");
    struct node *node = node_awake(transcript, words, node_at(transcript, words));
    enum candor_ack ack = level_wanted(words, CANDOR_ACK_MAJORITY);
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
    finish_command(transcript, operation, later);
}

void fill_finished(struct transcript *transcript, struct operation *operation,
                   const struct core_action_finish *finish)
{
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->left--;
    if (finish->code != CANDOR_OK)
        say_error(transcript, operation, finish->code, finish->reason, finish->pos);
    else if (pos_compare(finish->pos, operation->last) > 0)
        operation->last = finish->pos;
    if (operation->left > 0)
        return;
    operation->open = false;
    snprintf(text, sizeof text, "all are answered; the last OK is %s",
             pos_text(operation->last, pos));
    say_answer(transcript, operation, text);
}

void write_finished(struct transcript *transcript, struct operation *operation,
                    const struct node *node, const struct core_action_finish *finish)
{
    const struct request *request = operation->request;
    struct client *client = &transcript->world->clients[request->client];
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->open = false;
    bool lost = finish->reason == CANDOR_REASON_SESSION_LOST;
    if (finish->code == CANDOR_OK) {
        check_answered(transcript->world, node, request, finish->pos);
        snprintf(text, sizeof text, "OK %s, %s", pos_text(finish->pos, pos),
                 ack_level_name(finish->ack));
        say_answer(transcript, operation, text);
    } else {
        say_error(transcript, operation, finish->code, finish->reason, finish->pos);
    }
    bool newer = finish->code == CANDOR_OK && pos_compare(finish->pos, client->token) > 0;
    if (request->client < SIM_CLIENTS && (newer || lost)) {
        client->token = finish->pos;
        client->token_cluster_id = node->view.cluster_id;
    }
}
