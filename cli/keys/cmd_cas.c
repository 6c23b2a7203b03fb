/* kvctl cas, incr. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/keys/value.h"
#include "cli/keys/writing.h"

/* ---- cas ---- */

static const struct option_spec cas_options[] = {
    {"expect", 0, "VALUE", false, "Write if the key has this value"},
    {"expect-absent", 0, NULL, false, "Write if there is no such key"},
    {"expect-mod-seq", 0, "N", false, "Write if the key was written last at position N"},
    {"value-file", 0, "FILE", false, "Take the new value from FILE; - is standard input"},
    VALUE_OPTION,
    TTL_OPTION,
    WRITE_OPTIONS,
    KEY_OPTION,
    {0},
};

struct cas {
    struct candor_bytes key;
    struct candor_bytes value;
    struct candor_expect expect;
};

/* `expected` holds the bytes of --expect. */
static bool read_expect(struct command_context *ctx, struct candor_expect *out,
                        struct value *expected)
{
    int status;
    *out = (struct candor_expect){0};
    const char *value = option_text(ctx, "expect");
    bool absent = option_given(ctx, "expect-absent");
    bool mod_seq = option_given(ctx, "expect-mod-seq");
    if ((value != NULL) + absent + mod_seq != 1) {
        report_usage(ctx, NULL,
                     "give exactly one of --expect, --expect-absent and --expect-mod-seq");
        return false;
    }
    if (value != NULL) {
        out->kind = CANDOR_EXPECT_VALUE;
        if (!value_take(ctx, value, expected, &status))
            return false;
        out->value = expected->bytes;
    } else if (absent) {
        out->kind = CANDOR_EXPECT_ABSENT;
    } else {
        out->kind = CANDOR_EXPECT_MOD_SEQ;
    }
    return option_number(ctx, "expect-mod-seq", 0, UINT64_MAX, &out->mod_seq);
}

static enum candor_code call_cas(struct candor_client *client,
                                 const struct candor_write_options *options,
                                 struct candor_result *result, void *closure)
{
    struct cas *cas = closure;
    return candor_cas(client, cas->key, &cas->expect, cas->value, options, result);
}

static void note_unexpected(struct command_context *ctx, const struct candor_item *item)
{
    if (item->found)
        output_note(ctx,
                    "cas: not written: the key is not as expected; mod_seq %" PRIu64
                    ", version %" PRIu64,
                    item->mod_seq, item->version);
    else
        output_note(ctx, "cas: not written: there is no such key");
}

static int tell_cas(struct command_context *ctx, const struct candor_result *result, void *closure)
{
    struct cas *cas = closure;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", cas->key.data, cas->key.length);
        json_object_set_new(out, "succeeded", json_boolean(result->succeeded));
        if (!result->succeeded)
            json_object_set_new(out, "item", json_item(&result->items[0], false));
        json_set_written(out, result);
        output_json(ctx, out);
    } else if (result->succeeded) {
        print_position(result);
        putchar('\n');
    } else {
        note_unexpected(ctx, &result->items[0]);
    }
    note_lost(ctx, result);
    return result->succeeded ? EXIT_DONE : EXIT_CONFLICT;
}

static int swap(struct command_context *ctx, const char *operand, struct cas *cas)
{
    int status;
    uint8_t *owned = NULL;
    if (!key_operand(ctx, operand, &cas->key, &owned, &status))
        return status;
    status = write_run(
        ctx, &(struct writing){call_cas, tell_cas, cas, .key = operand, .takes_ttl = true});
    free(owned);
    return status;
}

static int run_cas(struct command_context *ctx, int argc, char **argv)
{
    int status = EXIT_USAGE;
    struct cas cas = {0};
    struct value expected = {0};
    struct value value = {0};
    if (read_expect(ctx, &cas.expect, &expected) &&
        value_of_operands(ctx, argc, argv, &value, &status)) {
        cas.value = value.bytes;
        status = swap(ctx, argv[0], &cas);
    }
    free(expected.owned);
    free(value.owned);
    return status;
}

const struct command command_cas = {
    .name = "cas",
    .group = GROUP_KEYS,
    .args = "KEY [VALUE]",
    .summary = "Write a key if it is as expected",
    .description =
        "Compares and swaps, atomically, at the primary. If several clients try this at "
        "once, only one succeeds. Exit status 6: the key was not as expected, and nothing "
        "was written; -o json shows what is there instead. With --ack majority the answer "
        "can no longer be rolled back, whichever it is.\n\n" VALUE_HELP,
    .examples = "kvctl cas lock --expect-absent me\ttakes a lock that nobody holds\n"
                "kvctl cas lock --expect-absent me --ttl 10s\tand lets go of it by itself\n"
                "kvctl cas colour --expect red blue\n"
                "kvctl cas page --expect-mod-seq 1042 @page.html\n",
    .options = cas_options,
    .min_args = 1,
    .max_args = 2,
    .run = run_cas,
};

/* ---- incr ---- */

static const struct option_spec incr_options[] = {
    {"min", 0, "N", false, "The number must not become less"},
    {"max", 0, "N", false, "The number must not become more"},
    {"initial", 0, "N", false, "What an absent key counts as; default: 0"},
    WRITE_OPTIONS,
    KEY_OPTION,
    {0},
};

struct incr {
    struct candor_bytes key;
    int64_t delta;
    struct candor_bounds bounds;
};

static bool parse_integer(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    const char *digits = text + (text[0] == '-');
    bool sound = digits[0] != '\0' && strspn(digits, "0123456789") == strlen(digits);
    if (!sound || errno != 0)
        return false;
    *out = value;
    return true;
}

static bool integer_option(struct command_context *ctx, const char *name, bool *given, int64_t *out)
{
    const char *text = option_text(ctx, name);
    *given = text != NULL;
    if (text == NULL || parse_integer(text, out))
        return true;
    report_usage(ctx, NULL, "--%s takes a whole number of 64 bits, not '%s'", name, text);
    return false;
}

static enum candor_code call_incr(struct candor_client *client,
                                  const struct candor_write_options *options,
                                  struct candor_result *result, void *closure)
{
    struct incr *incr = closure;
    return candor_increment(client, incr->key, incr->delta, &incr->bounds, options, result);
}

static int tell_incr(struct command_context *ctx, const struct candor_result *result, void *closure)
{
    struct incr *incr = closure;
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_set_bytes(out, "key", incr->key.data, incr->key.length);
        json_object_set_new(out, "number", json_integer(result->number));
        json_set_written(out, result);
        output_json(ctx, out);
    } else {
        printf("%" PRId64 "\n", result->number);
    }
    note_lost(ctx, result);
    return EXIT_DONE;
}

static const char *hint_incr(const struct candor_error *error)
{
    if (error->code == CANDOR_OUT_OF_RANGE)
        return "nothing was written; --min and --max are the bounds";
    if (error->code == CANDOR_FAILED_PRECONDITION && error->reason == CANDOR_REASON_NONE)
        return "nothing was written; `kvctl get` shows the value, `kvctl put` makes it a number";
    return NULL;
}

static int run_incr(struct command_context *ctx, int argc, char **argv)
{
    int status;
    bool has_initial;
    uint8_t *owned = NULL;
    struct incr incr = {.delta = 1};
    struct candor_bounds *bounds = &incr.bounds;
    if (argc == 2 && !parse_integer(argv[1], &incr.delta))
        return report_usage(ctx, NULL, "DELTA is a whole number of 64 bits, not '%s'", argv[1]);
    if (!integer_option(ctx, "min", &bounds->has_min, &bounds->min) ||
        !integer_option(ctx, "max", &bounds->has_max, &bounds->max) ||
        !integer_option(ctx, "initial", &has_initial, &bounds->initial))
        return EXIT_USAGE;
    if (bounds->has_min && bounds->has_max && bounds->min > bounds->max)
        return report_usage(ctx, NULL, "no number is within --min %" PRId64 " and --max %" PRId64,
                            bounds->min, bounds->max);
    if (!key_operand(ctx, argv[0], &incr.key, &owned, &status))
        return status;
    status = write_run(
        ctx, &(struct writing){call_incr, tell_incr, &incr, .key = argv[0], .hint = hint_incr});
    free(owned);
    return status;
}

const struct command command_incr = {
    .name = "incr",
    .group = GROUP_KEYS,
    .args = "KEY [DELTA]",
    .summary = "Add to a number, within bounds",
    .description =
        "Adds DELTA (default: 1) to the number that the key holds as decimal text, atomically at "
        "the primary, and prints the new one. Exit status 6: it would leave its bounds, or the "
        "value is not a number; nothing was written.",
    .examples = "kvctl incr visits\n"
                "kvctl incr stock --min 0 -- -1\ttakes one, unless none is left\n"
                "kvctl incr seats 2 --max 120\n",
    .options = incr_options,
    .min_args = 1,
    .max_args = 2,
    .run = run_incr,
};
