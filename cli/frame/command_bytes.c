/* Whole files, and standard input. */
#include "cli/frame/context.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

bool input_take(struct command_context *ctx, int *status)
{
    if (!ctx->input_taken && !ctx->defaults->owns_input) {
        ctx->input_taken = true;
        if (isatty(STDIN_FILENO))
            output_note(ctx, "reading from the terminal; ^D ends it");
        return true;
    }
    if (ctx->input_taken)
        *status = report_usage(ctx, "give the others as @FILE", "standard input is taken twice");
    else
        *status = report_usage(ctx, "name a file", "standard input holds the shell's lines");
    return false;
}

bool input_is_piped(const struct command_context *ctx)
{
    struct stat input;
    return !ctx->input_taken && !ctx->defaults->owns_input && fstat(STDIN_FILENO, &input) == 0 &&
           (S_ISFIFO(input.st_mode) || S_ISREG(input.st_mode) || S_ISSOCK(input.st_mode));
}

uint8_t *read_whole_file(struct command_context *ctx, const char *path, size_t limit_bytes,
                         size_t *out_length, int *status)
{
    bool standard = strcmp(path, "-") == 0;
    struct buffer buffer = {0};
    if (standard && !input_take(ctx, status))
        return NULL;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (file == NULL) {
        *status = report_usage(ctx, "name a file that can be read, or - for standard input",
                               "%s: %s", path, strerror(errno));
        return NULL;
    }
    uint8_t chunk[65536];
    size_t got;
    *status = EXIT_DONE;
    while (*status == EXIT_DONE && (got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        if (buffer.length + got > limit_bytes)
            *status =
                report_usage(ctx, NULL, "%s: more than the limit of %zu bytes", path, limit_bytes);
        else
            buffer_put(&buffer, chunk, got);
    }
    if (*status == EXIT_DONE && ferror(file))
        *status = report_usage(ctx, "name a file that can be read, or - for standard input",
                               "%s: %s", path, strerror(errno));
    if (!standard)
        fclose(file);
    if (*status != EXIT_DONE) {
        buffer_free(&buffer);
        return NULL;
    }
    *out_length = buffer.length;
    buffer_put_u8(&buffer, 0);
    return buffer.bytes;
}
