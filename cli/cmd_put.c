/* kvctl put, del. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/reading.h"

#define WRITE_OPTIONS                                                                              \
    {"ack", 'a', "local|majority|all", false,                                                      \
     "How durable it must be before it is acknowledged; default: local"},                          \
        SESSION_OPTIONS,                                                                           \
        {"no-redirect", 0, NULL, false, "Report a redirect instead of following it"}, KEY_OPTION

static const struct option_spec put_options[] = {
    WRITE_OPTIONS,
    {"value-file", 'f', "FILE", false, "Take the value from FILE; - is standard input"},
    {0},
};

static const char *const ack_names[] = {"default", "local", "majority", "all"};

static struct candor_write_options write_options(const struct command_context *ctx)
{
    struct candor_write_options options = {.ack = CANDOR_ACK_DEFAULT};
    const char *ack = option_text(ctx, "ack");
    for (int i = CANDOR_ACK_LOCAL; ack != NULL && i <= CANDOR_ACK_ALL; i++) {
        if (strcmp(ack, ack_names[i]) == 0)
            options.ack = (enum candor_ack)i;
    }
    return options;
}

static const char *ack_text(enum candor_ack ack)
{
    static const char *const texts[] = {"NONE", "LOCAL", "MAJORITY", "ALL"};
    return texts[ack];
}

static void print_written(struct command_context *ctx, struct candor_bytes key,
                          const struct candor_result *result)
{
    bool deleted = result->found_count > 0;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", key.data, key.length);
        if (deleted)
            json_object_set_new(out, "found", json_boolean(result->found[0]));
        json_object_set_new(out, "mod_seq", json_u64(result->last.seq));
        json_object_set_new(out, "pos", json_pos(&result->last));
        json_object_set_new(out, "ack", json_string(ack_text(result->ack)));
        json_set_answer(out, result);
        output_json(ctx, out);
        return;
    }
    printf("seq %llu, epoch %llu, %s%s\n", (unsigned long long)result->last.seq,
           (unsigned long long)result->last.epoch.term, ack_text(result->ack),
           deleted && !result->found[0] ? "; there was no such key" : "");
    if (result->session_lost)
        output_note(
            ctx, "part of what this session saw was rolled back; `kvctl rollback ls` shows what");
}

/* A NULL value deletes. */
static int write_key(struct command_context *ctx, const char *operand,
                     const struct candor_bytes *value)
{
    int status;
    struct candor_bytes key;
    uint8_t *owned = NULL;
    struct session session;
    struct candor_write_options options = write_options(ctx);
    if (!key_operand(ctx, operand, &key, &owned, &status))
        return status;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        goto cleanup;

    struct candor_result result;
    enum candor_code code = value != NULL ? candor_put(client, key, *value, &options, &result)
                                          : candor_delete(client, key, &options, &result);
    if (code == CANDOR_OK)
        print_written(ctx, key, &result);
    else
        status = report_result(ctx, &result.error, &result, NULL);
    candor_result_free(&result);
    status = session_end(ctx, client, &session, status);
cleanup:
    free(owned);
    return status;
}

static int run_put(struct command_context *ctx, int argc, char **argv)
{
    const char *file = option_text(ctx, "value-file");
    if (file != NULL && argc == 2)
        return report_usage(ctx, NULL, "both a VALUE and --value-file are given");
    if (file == NULL && argc == 1)
        return report_usage(ctx, "give it behind the key, or from a file by --value-file",
                            "no VALUE");
    if (file == NULL) {
        struct candor_bytes value = candor_text(argv[1]);
        return write_key(ctx, argv[0], &value);
    }
    int status;
    size_t length;
    uint8_t *bytes = read_whole_file(ctx, file, LIMIT_VALUE_BYTES_MAX, &length, &status);
    if (bytes == NULL)
        return status;
    struct candor_bytes value = {bytes, length};
    status = write_key(ctx, argv[0], &value);
    free(bytes);
    return status;
}

const struct command command_put = {
    .name = "put",
    .group = GROUP_KEYS,
    .args = "KEY [VALUE]",
    .summary = "Write a key",
    .description =
        "Writes at the primary, wherever it is, and prints the position of the write and how "
        "durable "
        "it is. LOCAL means durable on the primary alone: a failover to a node that had not "
        "received "
        "it rolls it back, and archives it.\n\n"
        "When the connection dies or the deadline passes after the write was sent, nobody knows "
        "whether it was done: exit status 5, reason OUTCOME_UNKNOWN.",
    .examples =
        "kvctl put greeting hello\n"
        "kvctl put image --value-file image.png\n"
        "date | kvctl put now --value-file -\n"
        "kvctl put -- -key -value\toperands that begin with a dash\n"
        "kvctl put greeting hello --session s.token\ta later `get --session s.token` sees it\n",
    .options = put_options,
    .min_args = 1,
    .max_args = 2,
    .run = run_put,
};

/* ---- del ---- */

static const struct option_spec del_options[] = {WRITE_OPTIONS, {0}};

static int run_del(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    return write_key(ctx, argv[0], NULL);
}

const struct command command_del = {
    .name = "del",
    .group = GROUP_KEYS,
    .args = "KEY",
    .summary = "Delete a key",
    .description =
        "Deletes at the primary and prints the position of the deletion. Deleting what is "
        "not there is no failure; the answer says so.",
    .examples = "kvctl del greeting\n",
    .options = del_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_del,
};
