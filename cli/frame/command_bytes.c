/* Bytes in and out: base64 and whole files. */
#include "cli/frame/context.h"

#include <errno.h>
#include <mbedtls/base64.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"

char *base64_encode(const void *bytes, size_t length)
{
    size_t room = (length + 2) / 3 * 4 + 1;
    char *out = malloc(room);
    ASSERT(out != NULL);
    size_t written = 0;
    ASSERT(mbedtls_base64_encode((unsigned char *)out, room, &written, bytes, length) == 0);
    out[written] = '\0';
    return out;
}

uint8_t *base64_decode(const char *text, size_t *out_length)
{
    size_t length = strlen(text);
    size_t room = length / 4 * 3 + 4;
    uint8_t *out = malloc(room);
    ASSERT(out != NULL);
    *out_length = 0;
    if (mbedtls_base64_decode(out, room - 1, out_length, (const unsigned char *)text, length) !=
        0) {
        free(out);
        return NULL;
    }
    out[*out_length] = '\0';
    return out;
}

uint8_t *read_whole_file(struct command_context *ctx, const char *path, size_t limit_bytes,
                         size_t *out_length, int *status)
{
    bool standard = strcmp(path, "-") == 0;
    struct buffer buffer = {0};
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (file == NULL) {
        *status = report_usage(ctx, NULL, "%s: %s", path, strerror(errno));
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
        *status = report_usage(ctx, NULL, "%s: %s", path, strerror(errno));
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
