/* Values as commands take them: read. */
#include "cli/keys/value.h"

#include <string.h>

#include "base/limits.h"

static bool read_file(struct command_context *ctx, const char *path, struct value *out, int *status)
{
    out->owned = read_whole_file(ctx, path, LIMIT_VALUE_BYTES_MAX, &out->bytes.length, status);
    out->bytes.data = out->owned;
    return out->owned != NULL;
}

bool value_take(struct command_context *ctx, const char *text, struct value *out, int *status)
{
    *out = (struct value){.bytes = candor_text(text)};
    *status = EXIT_DONE;
    if (option_given(ctx, "literal"))
        return true;
    if (strcmp(text, "-") == 0)
        return read_file(ctx, "-", out, status);
    if (text[0] != '@')
        return true;
    if (text[1] == '@') {
        out->bytes = candor_text(text + 1);
        return true;
    }
    if (text[1] != '\0')
        return read_file(ctx, text + 1, out, status);
    *status = report_usage(ctx, "write @FILE, @@ for the value @, or --literal", "@ names no file");
    return false;
}

bool value_of_operands(struct command_context *ctx, int argc, char **argv, struct value *out,
                       int *status)
{
    const char *file = option_text(ctx, "value-file");
    if (file != NULL && argc >= 2) {
        *status = report_usage(ctx, NULL, "both a VALUE and --value-file are given");
        return false;
    }
    if (file != NULL)
        return read_file(ctx, file, out, status);
    if (argc >= 2)
        return value_take(ctx, argv[1], out, status);
    if (input_is_piped(ctx))
        return read_file(ctx, "-", out, status);
    *status = report_usage(
        ctx, "give it behind the key, @FILE for what a file holds, or pipe it in", "missing VALUE");
    return false;
}
