/* Operators: promote, accept-history, transfer, voters. */
#include "transcript.h"

/* Operators: promote, accept-history, transfer, voters. */

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
    finish_command(transcript, operation, later);
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
    finish_command(transcript, operation, later);
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
    finish_command(transcript, operation, later);
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
    finish_command(transcript, operation, later);
}

void order_finished(struct transcript *transcript, struct operation *operation,
                    const struct core_action_finish *finish)
{
    char text[LINE_BYTES];
    char pos[POS_TEXT_BYTES];
    operation->open = false;
    if (finish->code == CANDOR_OK)
        snprintf(text, sizeof text, "OK%s%s", finish->pos.seq != 0 ? " " : "",
                 finish->pos.seq != 0 ? pos_text(finish->pos, pos) : "");
    else
        snprintf(text, sizeof text, "%s: %s", candor_code_name(finish->code), finish->text);
    say_answer(transcript, operation, text);
}
