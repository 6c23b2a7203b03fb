/* What clients and operators ask for, by name; the wait for the answer. */
#include "transcript.h"

/* What clients and operators ask for, by name. A command waits for its answer, unless it ends with
 * "&"; then the answer comes among the lines of a later command. */

enum { PATIENCE_MS = 10000 };

/* ---- Names ----------------------------------------------------------------------------------- */

struct operation *operation_new(struct transcript *transcript, struct words *words,
                                enum operation_kind kind, uint32_t node)
{
    static const char letters[] = {'w', 'f', 'r', 'o', 'a'};
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

struct operation *operation_named(struct transcript *transcript, struct words *words,
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

uint32_t key_named(struct transcript *transcript, struct words *words, const char *name)
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
uint32_t session_named(struct transcript *transcript, struct words *words)
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

/* ---- Answers --------------------------------------------------------------------------------- */

void say_answer(struct transcript *transcript, const struct operation *operation, const char *text)
{
    const struct node *node = &transcript->world->nodes[operation->node];
    say_to(transcript, (const char *[2]){node->id.text, operation->name}, "%s", text);
}

/* A redirect names somebody else, or it is none (R45): as src/node/serve/reply.c has it. */
static void direct(const struct core_view *view, enum candor_code *code, enum candor_reason *reason,
                   const char **to)
{
    bool elsewhere = !node_id_empty(view->primary) && !node_id_equal(view->primary, view->self);
    if (*code != CANDOR_FAILED_PRECONDITION)
        return;
    if (elsewhere) {
        *to = view->primary.text;
        return;
    }
    *code = CANDOR_UNAVAILABLE;
    if (*reason == CANDOR_REASON_NOT_PRIMARY)
        *reason = CANDOR_REASON_NO_PRIMARY;
}

void say_error(struct transcript *transcript, const struct operation *operation,
               enum candor_code code, enum candor_reason reason, struct candor_pos pos)
{
    const struct node *node = &transcript->world->nodes[operation->node];
    const struct core_view *view = &node->view;
    const char *to = NULL;
    char text[LINE_BYTES];
    char at[POS_TEXT_BYTES];
    char freshness[PHRASE_BYTES];
    struct core_freshness fresh;
    direct(view, &code, &reason, &to);
    int used = snprintf(text, sizeof text, "%s", candor_code_name(code));
    if (reason != CANDOR_REASON_NONE)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, " %s", candor_reason_name(reason));
    if (pos.seq != 0)
        used += snprintf(text + used, sizeof text - (size_t)used, " %s", pos_text(pos, at));
    if (to != NULL)
        used += snprintf(text + used, sizeof text - (size_t)used, ", ask %s", to);
    core_view_freshness(view, view->applied, local_ns(transcript->world, node), &fresh);
    if (operation->kind == OPERATION_READ)
        snprintf(text + used, sizeof text - (size_t)used, "  (%s)",
                 phrase_freshness(&fresh, freshness));
    say_answer(transcript, operation, text);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void wait_for(struct transcript *transcript, const struct operation *operation)
{
    for (uint32_t i = 0; i < PATIENCE_MS && operation->open; i++)
        transcript_run_for(transcript, NS_PER_MS);
    if (operation->open)
        say(transcript, operation->name, "is not answered yet");
}

/* What is sent to a process that is paused waits for it. */
struct node *node_up(struct transcript *transcript, struct words *words, uint32_t index)
{
    struct node *node = &transcript->world->nodes[index];
    if (words->error[0] == '\0' && !node->up)
        words_wrong(words, "node %s is down", node->id.text);
    return node;
}

/* Operators' orders do not wait. */
struct node *node_awake(struct transcript *transcript, struct words *words, uint32_t index)
{
    struct node *node = node_up(transcript, words, index);
    if (words->error[0] == '\0' && node->paused_until_ns > transcript->world->now_ns)
        words_wrong(words, "node %s is paused", node->id.text);
    return node;
}

uint32_t node_at(struct transcript *transcript, struct words *words)
{
    const char *name = words_after(words, "at");
    if (name == NULL) {
        words_wrong(words, "at which node? 'at NODE' is missing");
        return 0;
    }
    return node_named(transcript, words, name);
}

void finish_command(struct transcript *transcript, const struct operation *operation, bool later)
{
    transcript_run_for(transcript, 0);
    if (!later)
        wait_for(transcript, operation);
}

void operation_wait(struct transcript *transcript, struct words *words)
{
    struct operation *operation =
        operation_named(transcript, words, words_next(words, "what to wait for"));
    words_end(words);
    if (words->error[0] == '\0')
        wait_for(transcript, operation);
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

/* ---- The end of each ------------------------------------------------------------------------- */

void operation_finished(struct world *world, struct node *node, const struct ticket *ticket,
                        const struct core_action_finish *finish)
{
    struct transcript *transcript = transcript_of(world);
    struct operation *operation = operation_of(transcript, ticket->id);
    if (operation == NULL)
        return;
    switch (operation->kind) {
    case OPERATION_WRITE:
        write_finished(transcript, operation, node, finish);
        break;
    case OPERATION_FILL:
        fill_finished(transcript, operation, finish);
        break;
    case OPERATION_READ:
        read_finished(transcript, operation, node, finish);
        break;
    case OPERATION_ORDER:
        order_finished(transcript, operation, finish);
        break;
    case OPERATION_AWAIT:
        await_told(transcript, operation, node, finish);
        break;
    case OPERATION_KINDS:
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
