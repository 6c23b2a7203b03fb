/* kvctl put. */
#include <stdlib.h>

#include "cli/keys/value.h"
#include "cli/keys/writing.h"

static const struct option_spec put_options[] = {
    WRITE_OPTIONS,
    KEY_OPTION,
    {"value-file", 0, "FILE", false, "Take the value from FILE; - is standard input"},
    VALUE_OPTION,
    TTL_OPTION,
    {0},
};

struct put {
    struct candor_bytes key;
    struct candor_bytes value;
};

static enum candor_code call_put(struct candor_client *client,
                                 const struct candor_write_options *options,
                                 struct candor_result *result, void *closure)
{
    const struct put *put = closure;
    return candor_put(client, put->key, put->value, options, result);
}

static int tell_put(struct command_context *ctx, const struct candor_result *result, void *closure)
{
    const struct put *put = closure;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", put->key.data, put->key.length);
        json_object_set_new(out, "mod_seq", json_u64(result->last.seq));
        json_set_written(out, result);
        output_json(ctx, out);
        return EXIT_DONE;
    }
    print_position(result);
    putchar('\n');
    note_lost(ctx, result);
    return EXIT_DONE;
}

static int run_put(struct command_context *ctx, int argc, char **argv)
{
    int status;
    uint8_t *owned = NULL;
    struct value value = {0};
    struct put put;
    if (!key_operand(ctx, argv[0], &put.key, &owned, &status))
        return status;
    if (value_of_operands(ctx, argc, argv, &value, &status)) {
        put.value = value.bytes;
        status = write_run(
            ctx, &(struct writing){call_put, tell_put, &put, .key = argv[0], .takes_ttl = true});
    }
    free(value.owned);
    free(owned);
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
        "not.\n\n" VALUE_HELP " Without VALUE the value is what is piped in.",
    .examples =
        "kvctl put greeting hello\n"
        "kvctl put image @image.png\n"
        "kvctl put image < image.png\n"
        "date | kvctl put now\n"
        "kvctl put greeting hello --ttl 30s\tdeleted after 30 seconds, or a little later\n"
        "kvctl put mention --literal @somebody\tthe value is @somebody\n"
        "kvctl put -- -key -value\toperands that begin with a dash\n"
        "kvctl put greeting hello --session s.token\ta later `get --session s.token` sees it\n",
    .options = put_options,
    .min_args = 1,
    .max_args = 2,
    .run = run_put,
};
