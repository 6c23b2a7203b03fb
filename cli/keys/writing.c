/* What writing commands share: options of a write, and its outcome, shown. */
#include "cli/keys/writing.h"

#include <string.h>

static struct candor_write_options write_options(const struct command_context *ctx)
{
    static const char *const names[] = {"default", "local", "majority", "all"};
    struct candor_write_options options = {.ack = CANDOR_ACK_DEFAULT};
    const char *ack = option_text(ctx, "ack");
    for (int i = CANDOR_ACK_LOCAL; ack != NULL && i <= CANDOR_ACK_ALL; i++) {
        if (strcmp(ack, names[i]) == 0)
            options.ack = (enum candor_ack)i;
    }
    return options;
}

int write_run(struct command_context *ctx, const struct writing *writing)
{
    int status;
    struct session session;
    struct candor_write_options options = write_options(ctx);
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        return status;
    struct candor_result result;
    if (writing->call(client, &options, &result, writing->closure) == CANDOR_OK)
        status = writing->tell(ctx, &result, writing->closure);
    else
        status = report_result(ctx, &result.error, &result, NULL);
    candor_result_free(&result);
    return session_end(ctx, client, &session, status);
}

const char *ack_text(enum candor_ack ack)
{
    static const char *const texts[] = {"NONE", "LOCAL", "MAJORITY", "ALL"};
    return texts[ack];
}

void print_position(const struct candor_result *result)
{
    printf("seq %llu, epoch %llu, %s%s", (unsigned long long)result->last.seq,
           (unsigned long long)result->last.epoch.term, ack_text(result->ack),
           result->replayed ? ", by an earlier attempt" : "");
}

void note_lost(struct command_context *ctx, const struct candor_result *result)
{
    if (result->session_lost)
        output_note(
            ctx, "part of what this session saw was rolled back; `kvctl rollback ls` shows what");
}

void json_set_written(json_t *object, const struct candor_result *result)
{
    json_object_set_new(object, "pos", json_pos(&result->last));
    json_object_set_new(object, "ack", json_string(ack_text(result->ack)));
    json_object_set_new(object, "replayed", json_boolean(result->replayed));
    json_set_answer(object, result);
}
