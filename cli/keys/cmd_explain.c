/* kvctl explain get, explain put. */
#include <stdlib.h>
#include <string.h>

#include "cli/keys/explain.h"
#include "cli/keys/reading.h"
#include "cli/keys/writing.h"

/* Longer than a node lets a LINEARIZABLE read wait for its confirmation. */
#define EXPLAIN_DEADLINE_MS 3000

/* ---- Asking ---- */

/* Exit status 5: no node answered. */
static int ask_and_print(struct explained *explained, Candor__V1__ExplainRequest *request)
{
    struct command_context *ctx = explained->ctx;
    struct node_target targets[LIMIT_NODES];
    int status = EXIT_UNAVAILABLE;
    explained->count = node_targets(ctx, targets, &status);
    if (explained->count == 0)
        return status;
    request->key = (ProtobufCBinaryData){.len = explained->key.length,
                                         .data = (uint8_t *)(uintptr_t)explained->key.data};
    node_call_all(targets, explained->count, "/candor.v1.KV/Explain", &request->base,
                  &candor__v1__explain_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, EXPLAIN_DEADLINE_MS), explained->answers);
    status = EXIT_UNAVAILABLE;
    for (size_t i = 0; i < explained->count; i++)
        if (explain_told(explained, i) != NULL)
            status = EXIT_DONE;
    if (context_json(ctx))
        output_json(ctx, explain_json(explained));
    else
        explain_print(explained);
    if (option_given(ctx, "draw") && !context_json(ctx))
        explain_draw(explained);
    node_answers_free(explained->answers, explained->count);
    return status;
}

/* A token's messages; they point into it. */
struct token_messages {
    Candor__V1__SessionToken token;
    Candor__V1__Pos pos;
    Candor__V1__Epoch epoch;
};

/* NULL: there is none. */
static Candor__V1__SessionToken *token_message(const struct candor_token *token,
                                               struct token_messages *out)
{
    if (token->cluster_id == 0)
        return NULL;
    candor__v1__epoch__init(&out->epoch);
    out->epoch.generation = token->pos.epoch.generation;
    out->epoch.term = token->pos.epoch.term;
    out->epoch.owner = (char *)(uintptr_t)token->pos.epoch.owner.text; /* packing only reads */
    candor__v1__pos__init(&out->pos);
    out->pos.epoch = &out->epoch;
    out->pos.seq = token->pos.seq;
    candor__v1__session_token__init(&out->token);
    out->token.cluster_id = token->cluster_id;
    out->token.pos = &out->pos;
    out->token.origin = token->origin;
    return &out->token;
}

/* The token of --session. False after a report. */
static bool read_session(struct command_context *ctx, struct candor_token *out, int *status)
{
    struct session session;
    *out = (struct candor_token){0};
    if (!option_given(ctx, "session"))
        return true;
    struct candor_client *client = context_client(ctx, status);
    if (client == NULL || !session_begin(ctx, client, &session, status))
        return false;
    candor_client_token(client, out);
    *status = session_end(ctx, client, &session, EXIT_DONE);
    return *status == EXIT_DONE;
}

/* ---- explain get ---- */

#define DRAW_OPTION                                                                                \
    {                                                                                              \
        "draw", 0, NULL, false, "Draw it, too: when the primary was heard, what the bound proves"  \
    }

static const struct option_spec get_options[] = {
    {"level", 'l', "eventual|bounded|session|linearizable", false,
     "What the read asks for; default: eventual, with --max-staleness bounded, with --session "
     "session"},
    {"max-staleness", 'm', "DURATION", false,
     "Only data that are provably no older than this, as in 500ms"},
    SESSION_OPTIONS,
    {"allow-syncing", 0, NULL, false, "Take an answer even from a node that is catching up"},
    KEY_OPTION,
    DRAW_OPTION,
    {0},
};

static int explain_read(struct explained *explained, const struct candor_read_options *options)
{
    static const char *const levels[] = {"EVENTUAL", "EVENTUAL", "BOUNDED", "SESSION",
                                         "LINEARIZABLE"};
    int status = EXIT_DONE;
    struct candor_token token;
    struct token_messages messages;
    if (!read_session(explained->ctx, &token, &status))
        return status;
    Candor__V1__ReadOptions read = CANDOR__V1__READ_OPTIONS__INIT;
    Candor__V1__ExplainRequest request = CANDOR__V1__EXPLAIN_REQUEST__INIT;
    read.level = (Candor__V1__ReadLevel)options->level;
    read.max_staleness_ms = options->max_staleness_ms;
    read.allow_syncing = options->allow_syncing;
    if (options->level == CANDOR_READ_SESSION)
        read.token = token_message(&token, &messages);
    request.of_case = CANDOR__V1__EXPLAIN_REQUEST__OF_READ;
    request.read = &read;
    explained->level = levels[options->level];
    return ask_and_print(explained, &request);
}

static int run_explain_get(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    uint8_t *owned = NULL;
    struct candor_read_options options;
    struct explained explained = {.ctx = ctx};
    if (!level_options(ctx, &options, &status) ||
        !key_operand(ctx, argv[0], &explained.key, &owned, &status))
        return status;
    status = explain_read(&explained, &options);
    free(owned);
    return status;
}

#define EXPLAIN_HELP                                                                               \
    "Asks every node of the topology at the same time and prints a row for each, unreachable "     \
    "ones too: what it would answer now, for how long that stays so if it hears nothing more, "    \
    "and the sentence of the contract by which it is decided. The nodes decide, by the code that " \
    "answers; nothing is read for anybody, written or redirected."

const struct command command_explain_get = {
    .name = "explain get",
    .group = GROUP_KEYS,
    .args = "KEY",
    .summary = "What every node would answer to this read, and why",
    .description =
        EXPLAIN_HELP "\n\nWOULD is what it does: it answers (with the record that wrote KEY, as it "
                     "has it), redirects, refuses, or waits. A SESSION read is not waited for; a "
                     "LINEARIZABLE one is confirmed, for 1s at most. FOR says after how much "
                     "silence of the primary the state or the answer would be THEN.\n\nExit "
                     "status 5: no node answered.",
    .examples = "kvctl explain get greeting\n"
                "kvctl explain get greeting --max-staleness 500ms --draw\n"
                "kvctl explain get greeting --session s.token\twhich nodes have what it has seen\n",
    .options = get_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_explain_get,
};

/* ---- explain put ---- */

static const struct option_spec put_options[] = {
    {"ack", 'a', "local|majority|all", false,
     "How durable it must be before it is acknowledged; default: local"},
    SESSION_OPTIONS,
    KEY_OPTION,
    DRAW_OPTION,
    {0},
};

static int explain_write(struct explained *explained, enum candor_ack ack)
{
    int status = EXIT_DONE;
    struct candor_token token;
    struct token_messages messages;
    if (!read_session(explained->ctx, &token, &status))
        return status;
    Candor__V1__WriteOptions write = CANDOR__V1__WRITE_OPTIONS__INIT;
    Candor__V1__ExplainRequest request = CANDOR__V1__EXPLAIN_REQUEST__INIT;
    write.ack = (Candor__V1__AckLevel)ack;
    write.token = token_message(&token, &messages);
    request.of_case = CANDOR__V1__EXPLAIN_REQUEST__OF_WRITE;
    request.write = &write;
    return ask_and_print(explained, &request);
}

static int run_explain_put(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    uint8_t *owned = NULL;
    enum candor_ack ack = write_options(ctx).ack;
    struct explained explained = {.ctx = ctx, .write = true};
    if (!key_operand(ctx, argv[0], &explained.key, &owned, &status))
        return status;
    ack = ack == CANDOR_ACK_DEFAULT ? CANDOR_ACK_LOCAL : ack;
    explained.level = ack_text(ack);
    status = explain_write(&explained, ack);
    free(owned);
    return status;
}

const struct command command_explain_put = {
    .name = "explain put",
    .group = GROUP_KEYS,
    .args = "KEY",
    .summary = "Who would take this write, and who would have to acknowledge it",
    .description = EXPLAIN_HELP
    "\n\nBelow stand the voters, as the primary sees them: how far each has come, when it was "
    "heard, and whether it can be expected to acknowledge now; and what a failover would do to "
    "the write.\n\nExit status 5: no node answered.",
    .examples = "kvctl explain put greeting\n"
                "kvctl explain put greeting --ack majority --draw\n",
    .options = put_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_explain_put,
};
