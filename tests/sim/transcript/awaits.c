/* Clients that ask later what became of a write (R70). */
#include "transcript.h"

static void send_await(struct world *world, struct event *event)
{
    struct operation *operation = event->data;
    struct node *node = &world->nodes[operation->node];
    struct ticket *ticket = ticket_new(world, node, TICKET_AWAIT);
    operation->ticket = ticket->id;
    ticket->token = operation->awaited;
    struct core_event wait = {.type = CORE_EVENT_WAIT, .ticket = ticket->id};
    wait.wait.kind = CORE_WAIT_ACK;
    wait.wait.token = registry_token(world, operation->awaited);
    wait.wait.ack = operation->ack;
    wait.wait.deadline_ns = operation->deadline_ns;
    node_step(world, node, &wait);
}

void operation_await(struct transcript *transcript, struct words *words)
{
    static const char *const levels[] = {"none", "local", "majority", "all", NULL};
    struct world *world = transcript->world;
    bool later = words_flag(words, "&");
    struct node *node = node_up(transcript, words, node_at(transcript, words));
    const char *level = words_option(words, "level");
    const char *deadline = words_option(words, "deadline");
    uint32_t client = session_named(transcript, words);
    words_end(words);
    if (client == SIM_CLIENTS || world->clients[client].token.seq == 0)
        words_wrong(words, "session=NAME of one that has written is missing");
    struct operation *operation = operation_new(transcript, words, OPERATION_AWAIT, node->index);
    if (words->error[0] != '\0')
        return;
    uint32_t choice = level == NULL ? CANDOR_ACK_MAJORITY : words_choice(words, level, levels);
    operation->ack = (enum candor_ack)choice;
    operation->awaited = world->clients[client].token;
    operation->deadline_ns =
        local_ns(world, node) + (deadline == NULL ? NS_PER_S : words_duration_ns(words, deadline));
    char pos[POS_TEXT_BYTES];
    say_to(transcript, (const char *[2]){operation->name, node->id.text}, "await %s, %s",
           pos_text(operation->awaited, pos), ack_level_name(operation->ack));
    schedule_at_node(world, node, world->now_ns, send_await)->data = operation;
    finish_command(transcript, operation, later);
}

void await_told(struct transcript *transcript, struct operation *operation, struct node *node,
                const struct core_action_finish *finish)
{
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->open = false;
    if (finish->code == CANDOR_OK) {
        check_level(transcript->world, node, finish);
        snprintf(text, sizeof text, "OK %s, %s", pos_text(finish->pos, pos),
                 ack_level_name(finish->ack));
        say_answer(transcript, operation, text);
    } else {
        say_error(transcript, operation, finish->code, finish->reason, finish->pos);
    }
}
