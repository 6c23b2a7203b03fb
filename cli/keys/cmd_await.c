/* kvctl await: what became of a write, asked later. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/keys/position.h"
#include "cli/keys/session.h"
#include "cli/keys/writing.h"

static const struct option_spec await_options[] = {
    {"level", 'l', "majority|all", false,
     "How safe it must have become: held by a majority of the voters, or by every one; default: "
     "majority"},
    SESSION_OPTIONS,
    {"no-redirect", 0, NULL, false, "Report a redirect instead of following it"},
    {0},
};

static void print_reached(struct command_context *ctx, const struct candor_result *result)
{
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "pos", json_pos(&result->last));
        json_object_set_new(out, "ack", json_string(ack_text(result->ack)));
        json_set_answer(out, result);
        output_json(ctx, out);
        return;
    }
    print_position(result);
    putchar('\n');
    note_freshness(ctx, result);
}

/* The archive is on the node that told of it. */
static int report_rolled_back(struct command_context *ctx, const struct candor_result *result)
{
    char hint[CANDOR_ARCHIVE_ID_BYTES + CANDOR_NODE_ID_BYTES + 128];
    snprintf(hint, sizeof hint, "`kvctl rollback show %s --node %s` shows what was lost with it",
             result->lost_archive, result->freshness.node);
    bool here = result->lost_archive[0] != '\0';
    return report_result(ctx, &result->error, result,
                         here ? hint
                              : "`kvctl rollback ls` shows which node has archived it, once that "
                                "has joined the others");
}

static int tell(struct command_context *ctx, const struct candor_result *result)
{
    if (result->error.code == CANDOR_OK) {
        print_reached(ctx, result);
        return EXIT_DONE;
    }
    if (result->error.reason == CANDOR_REASON_ROLLED_BACK)
        return report_rolled_back(ctx, result);
    if (result->ack != CANDOR_ACK_NONE && context_json(ctx)) /* what is known */
        print_reached(ctx, result);
    return report_result(ctx, &result->error, result, NULL);
}

static int await(struct command_context *ctx, struct position *asked)
{
    static const char majority[] = "majority";
    int status;
    struct session session;
    const char *level = option_text(ctx, "level");
    struct candor_await_options options = {.level = CANDOR_ACK_MAJORITY};
    if (level != NULL && strcmp(level, majority) != 0)
        options.level = CANDOR_ACK_ALL;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        return status;
    struct candor_result result;
    candor_await_commit(client, asked->is_token ? &asked->token : NULL,
                        asked->is_pos ? &asked->token.pos : NULL, &options, &result);
    status = tell(ctx, &result);
    candor_result_free(&result);
    return session_end(ctx, client, &session, status);
}

static int run_await(struct command_context *ctx, int argc, char **argv)
{
    struct position asked = {0};
    if (argc == 0 && !option_given(ctx, "session"))
        return report_usage(ctx,
                            "what `put -o json` tells as its token, a position as g1.t3.a:17, or "
                            "--session FILE",
                            "missing POSITION");
    if (argc > 0 && !position_parse(argv[0], &asked))
        return report_usage(ctx,
                            "write it as a session's token, as a position (g1.t3.a:17), or as a "
                            "seq (17)",
                            "'%s' is no position", argv[0]);
    return await(ctx, &asked);
}

const struct command command_await = {
    .name = "await",
    .group = GROUP_KEYS,
    .args = "[POSITION]",
    .summary = "Wait until a write is safe, or known to be rolled back",
    .description =
        "A write with --ack local is answered at once; this waits for the proof, later, at any "
        "node, also after failovers. POSITION is the `token` that `put -o json` tells, or what a "
        "file of --session holds; or a position as messages show it, g1.t3.a:17 (generation, "
        "epoch, its primary, seq). A seq alone, 17, stands for whatever is committed there, which "
        "need not be the write that was meant. Without POSITION it is all that the session of "
        "--session has written and read.\n\n"
        "Exit status 0: it has reached the level, and prints the position. 6, ROLLED_BACK: "
        "another history is committed in its place; the message names the rollback archive, where "
        "the node that answers has it. 5: not known before the deadline; the message says how far "
        "it has come, and -o json prints that too. 2: no write can have that position. 1: so many "
        "epochs have begun since that nobody can tell.",
    .examples = "kvctl put greeting hello --session s.token\tanswered when the primary has it\n"
                "kvctl await --session s.token --deadline 30s\tno failover takes it back any more\n"
                "kvctl await g1.t3.a:17 --level all\tevery voter has it\n",
    .options = await_options,
    .min_args = 0,
    .max_args = 1,
    .run = run_await,
};
