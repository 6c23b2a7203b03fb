/* The file of `kvctl watch --cursor`: read, replaced. */
#include "cli/keys/watch_cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool watch_cursor_read(struct command_context *ctx, const char *path, struct candor_bytes *out,
                       int *status)
{
    *out = (struct candor_bytes){0};
    if (path == NULL)
        return true;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666); /* before anything is shown */
    if (fd < 0) {
        *status = report_usage(ctx, NULL, "--cursor %s: %s", path, strerror(errno));
        return false;
    }
    close(fd);
    size_t length = 0;
    uint8_t *text = read_whole_file(ctx, path, 4096, &length, status);
    if (text == NULL)
        return false;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    size_t decoded = 0;
    text[length] = '\0';
    if (length == 0) { /* it was just made */
        free(text);
        return true;
    }
    uint8_t *bytes = base64_decode((const char *)text, &decoded);
    free(text);
    *out = (struct candor_bytes){bytes, decoded};
    if (bytes != NULL)
        return true;
    *status = report_usage(ctx, "remove it to begin anew", "%s: it holds no cursor", path);
    return false;
}

int watch_cursor_keep(struct command_context *ctx, struct candor_watch *watch,
                      const char *file_name)
{
    uint8_t cursor[CANDOR_CURSOR_BYTES_MAX];
    if (file_name == NULL)
        return EXIT_DONE;
    size_t length = candor_watch_cursor(watch, cursor);
    if (length == 0)
        return EXIT_DONE;
    char path[4096];
    snprintf(path, sizeof path, "%s.new", file_name);
    char *text = base64_encode(cursor, length);
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fprintf(file, "%s\n", text) > 0;
    written = written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    written = file != NULL && fclose(file) == 0 && written;
    free(text);
    if (written && rename(path, file_name) == 0)
        return EXIT_DONE;
    struct candor_error error;
    candor_error_set(&error, CANDOR_UNKNOWN, CANDOR_REASON_NONE, "%s: %s", file_name,
                     strerror(errno));
    report_error(ctx, &error, "events since the last one kept will be shown again");
    return EXIT_SESSION;
}
