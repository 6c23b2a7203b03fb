/* What writing commands share: options of a write, and its outcome, shown. */
#include "cli/keys/writing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "topology/topology.h"

#define SHOWN_KEY_BYTES 80

struct candor_write_options write_options(const struct command_context *ctx)
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

size_t write_batch_bytes(struct command_context *ctx)
{
    const struct topology *topology = context_topology(ctx, NULL);
    return (topology != NULL ? topology->limit_message_bytes : LIMIT_MESSAGE_BYTES_DEFAULT) / 4;
}

/* A node calls the field by its name, "key: ..."; which key that was is known here. */
static void name_key(struct candor_error *error, const char *key)
{
    static const char field[] = "key: ";
    if (key == NULL || strncmp(error->message, field, strlen(field)) != 0)
        return;
    int shown = (int)strnlen(key, SHOWN_KEY_BYTES);
    bool cut = key[shown] != '\0';
    while (cut && shown > 0 && ((unsigned char)key[shown] & 0xC0) == 0x80)
        shown--;                                             /* not within a character */
    char said[sizeof error->message - SHOWN_KEY_BYTES - 16]; /* what may be left out of it */
    snprintf(said, sizeof said, "%s", error->message + strlen(field));
    snprintf(error->message, sizeof error->message, "key '%.*s%s': %s", shown, key,
             cut ? "..." : "", said);
}

/* Zero would be a key that never ends, which nobody means who says --ttl. */
static bool read_ttl(struct command_context *ctx, uint64_t *out)
{
    if (!option_duration_ms(ctx, "ttl", out))
        return false;
    if (*out != 0 || !option_given(ctx, "ttl"))
        return true;
    report_usage(ctx, "leave --ttl out for a key that stays", "--ttl: a key cannot end at once");
    return false;
}

static int report_refused(struct command_context *ctx, const struct writing *writing,
                          struct candor_result *result)
{
    const char *hint = writing->hint != NULL ? writing->hint(&result->error) : NULL;
    name_key(&result->error, writing->key);
    return report_result(ctx, &result->error, result, hint);
}

int write_run(struct command_context *ctx, const struct writing *writing)
{
    int status;
    struct session session;
    struct candor_write_options options = write_options(ctx);
    if (writing->takes_ttl && !read_ttl(ctx, &options.ttl_ms))
        return EXIT_USAGE;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        return status;
    struct candor_result result;
    if (writing->call(client, &options, &result, writing->closure) == CANDOR_OK)
        status = writing->tell(ctx, &result, writing->closure);
    else
        status = report_refused(ctx, writing, &result);
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
    printf("seq %" PRIu64 ", epoch %" PRIu64 ", %s%s", result->last.seq, result->last.epoch.term,
           ack_text(result->ack), result->replayed ? ", by an earlier attempt" : "");
}

void note_lost(struct command_context *ctx, const struct candor_result *result)
{
    if (result->session_lost)
        output_note(
            ctx, "part of what this session saw was rolled back; `kvctl rollback ls` shows what");
}

/* As `kvctl await` takes it. */
static json_t *json_token(const struct candor_token *token)
{
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    size_t length = candor_token_export(token, bytes);
    if (length == 0)
        return json_null();
    char *text = base64_encode(bytes, length);
    json_t *out = json_string(text);
    free(text);
    return out;
}

void json_set_written(json_t *object, const struct candor_result *result)
{
    json_object_set_new(object, "pos", json_pos(&result->last));
    json_object_set_new(object, "ack", json_string(ack_text(result->ack)));
    json_object_set_new(object, "replayed", json_boolean(result->replayed));
    json_object_set_new(object, "token", json_token(&result->token));
    json_set_answer(object, result);
}
