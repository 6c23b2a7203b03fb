/* kvctl put, del. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/keys/writing.h"

static const struct option_spec put_options[] = {
    WRITE_OPTIONS,
    KEY_OPTION,
    {"value-file", 0, "FILE", false, "Take the value from FILE; - is standard input"},
    {0},
};

struct written {
    struct candor_bytes key;
    const struct candor_bytes *value; /* NULL: deleted */
};

static enum candor_code call_write(struct candor_client *client,
                                   const struct candor_write_options *options,
                                   struct candor_result *result, void *closure)
{
    const struct written *written = closure;
    return written->value != NULL
               ? candor_put(client, written->key, *written->value, options, result)
               : candor_delete(client, written->key, options, result);
}

static int tell_written(struct command_context *ctx, const struct candor_result *result,
                        void *closure)
{
    const struct written *written = closure;
    bool deleted = written->value == NULL;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", written->key.data, written->key.length);
        if (deleted)
            json_object_set_new(out, "found", json_boolean(result->found[0]));
        json_object_set_new(out, "mod_seq", json_u64(result->last.seq));
        json_set_written(out, result);
        output_json(ctx, out);
        return EXIT_DONE;
    }
    print_position(result);
    printf("%s\n", deleted && !result->found[0] ? "; there was no such key" : "");
    note_lost(ctx, result);
    return EXIT_DONE;
}

/* A NULL value deletes. */
static int write_key(struct command_context *ctx, const char *operand,
                     const struct candor_bytes *value)
{
    int status;
    uint8_t *owned = NULL;
    struct written written = {.value = value};
    if (!key_operand(ctx, operand, &written.key, &owned, &status))
        return status;
    status = write_run(ctx, &(struct writing){call_write, tell_written, &written, .key = operand});
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
                            "missing VALUE");
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
        "Writes at the primary, whichever node that is, and prints the position of the write "
        "and how durable it is. LOCAL means durable on the primary alone: a failover to a "
        "node that had not received the write rolls it back, and archives it.\n\nkvctl "
        "retries until the deadline. The write is done at most once. Exit status 5 with "
        "reason OUTCOME_UNKNOWN: the deadline passed, and the write may have been done or "
        "not.",
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

static const struct option_spec del_options[] = {WRITE_OPTIONS, KEY_OPTION, {0}};

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
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_del,
};
