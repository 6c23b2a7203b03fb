/* AwaitCommit: what became of a write, asked later (R70). */
#include "client/internal.h"

#include <stdlib.h>

/* What was asked for, in call.memory. */
struct awaited {
    struct candor_pos pos;
    enum candor_ack level;
};

/* A node is not believed that tells of another position, or of less than was asked for. Beside an
 * error stands how far it has come. */
static bool take_await(const struct call *call, struct slice body, struct candor_result *result)
{
    const struct awaited *awaited = call->memory;
    const Candor__V1__AwaitCommitResponse *response =
        operation_unpack(&candor__v1__await_commit_response__descriptor, body, result);
    if (response == NULL || response->pos == NULL || !convert_pos(response->pos, &result->last))
        return false;
    int level = (int)response->ack;
    bool same =
        result->last.seq == awaited->pos.seq &&
        (epoch_none(awaited->pos.epoch) || candor_pos_compare(&result->last, &awaited->pos) == 0);
    bool known = level >= CANDOR_ACK_LOCAL && level <= CANDOR_ACK_ALL;
    bool enough = result->error.code != CANDOR_OK || level >= (int)awaited->level;
    if (!same || !known || !enough)
        return false;
    result->first = result->last;
    result->ack = (enum candor_ack)level;
    return true;
}

struct await_message {
    Candor__V1__AwaitCommitRequest request;
    struct token_message token;
    Candor__V1__Pos pos;
    Candor__V1__Epoch epoch;
};

static void fill(const struct candor_token *token, const struct candor_pos *pos,
                 struct await_message *message)
{
    Candor__V1__AwaitCommitRequest *request = &message->request;
    candor__v1__await_commit_request__init(request);
    if (token != NULL) {
        request->of_case = CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_TOKEN;
        request->token = convert_token(token, &message->token);
    } else if (epoch_none(pos->epoch)) {
        request->of_case = CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_SEQ;
        request->seq = pos->seq;
    } else {
        request->of_case = CANDOR__V1__AWAIT_COMMIT_REQUEST__OF_POS;
        request->pos = convert_to_pos(pos, &message->pos, &message->epoch);
    }
}

static enum candor_code await_commit(struct candor_client *client, const struct candor_token *token,
                                     const struct candor_pos *pos,
                                     const struct candor_await_options *options,
                                     const struct outlet *outlet)
{
    struct arguments arguments = {0};
    struct candor_token own = {0};
    arguments_need(&arguments, "client", client);
    ARGUMENTS_KNOWN(&arguments, "options", options);
    if (token == NULL && pos == NULL) {
        candor_client_token(client, &own); /* without a client it stays empty */
        token = &own;
    }
    arguments_epoch(&arguments, token != NULL ? "token" : "pos",
                    token != NULL ? &token->pos.epoch : &pos->epoch);
    if (token != NULL && token->cluster_id == 0)
        arguments_wrong(&arguments, "token", "it is empty: nothing was written or read with it");
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/AwaitCommit",
                        .take = take_await,
                        .at_primary = true,
                        .apart = true,
                        .names_client = true};
    struct awaited *awaited = malloc(sizeof *awaited);
    if (awaited == NULL)
        return operation_fail(outlet);
    *awaited = (struct awaited){token != NULL ? token->pos : *pos, CANDOR_ACK_MAJORITY};
    call.memory = (uint8_t *)awaited;
    if (options != NULL && options->level != CANDOR_ACK_DEFAULT)
        awaited->level = options->level;
    if (options != NULL)
        call.deadline_ms = options->deadline_ms;
    struct await_message message;
    fill(token, pos, &message);
    message.request.ack = (Candor__V1__AckLevel)awaited->level;
    return operation_call(client, &call, &message.request.base, outlet);
}

enum candor_code candor_await_commit(struct candor_client *client, const struct candor_token *token,
                                     const struct candor_pos *pos,
                                     const struct candor_await_options *options,
                                     struct candor_result *result)
{
    return await_commit(client, token, pos, options, WAITING(result));
}

enum candor_code
candor_submit_await_commit(struct candor_client *client, const struct candor_token *token,
                           const struct candor_pos *pos, const struct candor_await_options *options,
                           const struct candor_sink *sink, struct candor_error *err)
{
    return await_commit(client, token, pos, options, SUBMITTING(sink, err));
}
