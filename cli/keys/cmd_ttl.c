/* kvctl ttl, expire, persist: how long a key will still be there. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/units.h"
#include "cli/keys/reading.h"
#include "cli/keys/writing.h"

/* ---- ttl ---- */

static const struct option_spec ttl_options[] = {READ_OPTIONS, KEY_OPTION, {0}};

static void print_ttl(struct command_context *ctx, const struct candor_result *result)
{
    const struct candor_item *item = &result->items[0];
    char text[UNIT_TEXT_BYTES];
    if (context_json(ctx)) {
        json_t *out = json_item(item, true);
        json_set_answer(out, result);
        ladder_json(ctx, out, result);
        output_json(ctx, out);
        return;
    }
    if (!item->found)
        output_note(ctx, "ttl: no such key");
    else if (!item->has_ttl)
        printf("none\n");
    else
        printf("%s\n", duration_text(item->ttl_ms, text));
    note_freshness(ctx, result);
}

static int read_ttl(struct command_context *ctx, struct candor_bytes key,
                    const struct candor_read_options *options)
{
    int status;
    struct session session;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL || !session_begin(ctx, client, &session, &status))
        return status;
    struct candor_result result;
    if (candor_get(client, key, options, &result) == CANDOR_OK) {
        print_ttl(ctx, &result);
        status = result.items[0].found ? EXIT_DONE : EXIT_NOT_FOUND;
    } else {
        status = report_read(ctx, &result);
    }
    candor_result_free(&result);
    return session_end(ctx, client, &session, status);
}

static int run_ttl(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct candor_bytes key;
    uint8_t *owned = NULL;
    struct candor_read_options options;
    struct ladder_given ladder;
    if (!read_options(ctx, &options, &ladder, &status) ||
        !key_operand(ctx, argv[0], &key, &owned, &status))
        return status;
    status = read_ttl(ctx, key, &options);
    free(owned);
    return status;
}

const struct command command_ttl = {
    .name = "ttl",
    .group = GROUP_KEYS,
    .args = "KEY",
    .summary = "Show how long a key will still be there",
    .description =
        "Prints how long, or `none` when the key does not end. The primary deletes a key when its "
        "time is over, by the time of the log: not before, and perhaps a little later; `0ms` says "
        "that the delete is on its way. Exit status 1: there is no such key.",
    .examples = "kvctl ttl lock\n"
                "kvctl ttl lock --level linearizable\n",
    .options = ttl_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_ttl,
};

/* ---- expire, persist ---- */

struct expiry {
    const char *command;
    struct candor_bytes key;
    uint64_t ttl_ms; /* 0: the key does not end */
    uint64_t expect_mod_seq;
};

static enum candor_code call_expire(struct candor_client *client,
                                    const struct candor_write_options *options,
                                    struct candor_result *result, void *closure)
{
    const struct expiry *expiry = closure;
    return candor_expire(client, expiry->key, expiry->ttl_ms, expiry->expect_mod_seq, options,
                         result);
}

static int expiry_status(const struct candor_result *result)
{
    if (result->succeeded)
        return EXIT_DONE;
    return result->items[0].found ? EXIT_CONFLICT : EXIT_NOT_FOUND;
}

static int tell_expiry(struct command_context *ctx, const struct candor_result *result,
                       void *closure)
{
    const struct expiry *expiry = closure;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", expiry->key.data, expiry->key.length);
        json_object_set_new(out, "succeeded", json_boolean(result->succeeded));
        if (!result->succeeded)
            json_object_set_new(out, "item", json_item(&result->items[0], false));
        json_set_written(out, result);
        output_json(ctx, out);
    } else if (result->succeeded) {
        print_position(result);
        putchar('\n');
    } else if (result->items[0].found) {
        output_note(ctx, "%s: another has written the key since: mod_seq %" PRIu64, expiry->command,
                    result->items[0].mod_seq);
    } else {
        output_note(ctx, "%s: no such key", expiry->command);
    }
    note_lost(ctx, result);
    return expiry_status(result);
}

static int set_expiry(struct command_context *ctx, const char *operand, struct expiry *expiry)
{
    int status;
    uint8_t *owned = NULL;
    if (!option_number(ctx, "expect-mod-seq", 1, UINT64_MAX, &expiry->expect_mod_seq) ||
        !key_operand(ctx, operand, &expiry->key, &owned, &status))
        return EXIT_USAGE;
    status = write_run(ctx, &(struct writing){call_expire, tell_expiry, expiry, .key = operand});
    free(owned);
    return status;
}

static const struct option_spec expire_options[] = {
    {"expect-mod-seq", 0, "N", false, "Only if the key was written last at position N"},
    WRITE_OPTIONS,
    KEY_OPTION,
    {0},
};

static int run_expire(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    struct expiry expiry = {.command = "expire"};
    if (!duration_parse(argv[1], &expiry.ttl_ms) || expiry.ttl_ms == 0)
        return report_usage(ctx, "`kvctl persist KEY` ends a TTL",
                            "DURATION '%s' is none: write it as 500ms, 30s, 10m or 2h", argv[1]);
    return set_expiry(ctx, argv[0], &expiry);
}

const struct command command_expire = {
    .name = "expire",
    .group = GROUP_KEYS,
    .args = "KEY DURATION",
    .summary = "Give a key a TTL",
    .description =
        "From now on the key is there for DURATION, and no shorter; then it is deleted. Its value "
        "and mod_seq stay as they are, and a watch does not tell of it. Exit status 1: there is no "
        "such key; 6: another has written it since --expect-mod-seq.\n\nWho holds a lock with a "
        "TTL cannot know that he still holds it when he acts: what the lock guards must be told "
        "its mod_seq, and refuse a lower one.",
    .examples = "kvctl expire greeting 10m\n"
                "kvctl expire lock 10s --expect-mod-seq 1042\tholds on to a lock\n",
    .options = expire_options,
    .min_args = 2,
    .max_args = 2,
    .run = run_expire,
};

static int run_persist(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    struct expiry expiry = {.command = "persist"};
    return set_expiry(ctx, argv[0], &expiry);
}

const struct command command_persist = {
    .name = "persist",
    .group = GROUP_KEYS,
    .args = "KEY",
    .summary = "End the TTL of a key: it stays",
    .description = "The key is there until somebody deletes it. Its value and mod_seq stay as they "
                   "are. Exit status 1: there is no such key.",
    .examples = "kvctl persist greeting\n",
    .options = expire_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_persist,
};
