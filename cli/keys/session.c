/* The file of --session: opened, locked, read, written. */
#include "cli/keys/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/disk.h"

#define SESSION_FILE_BYTES 256 /* base64 of CANDOR_TOKEN_BYTES_MAX and a newline fit */

/* `done`: what became of the command itself. */
static int report_write_failed(struct command_context *ctx, const struct session *session,
                               int number, const char *done)
{
    struct candor_error error;
    candor_error_set(
        &error, disk_error_is_full(number) ? CANDOR_RESOURCE_EXHAUSTED : CANDOR_INTERNAL,
        CANDOR_REASON_NONE, "--session: %s: %s; %s", session->path, strerror(number), done);
    report_error(ctx, &error,
                 "what the session sees from now on may be older than what it saw: make "
                 "room, and begin anew with --new-session");
    return EXIT_SESSION;
}

/* A new file has a line at once, so that an empty one is one that was emptied, and a full disk is
 * noticed before anything is done. */
static bool open_file(struct command_context *ctx, struct session *session, int *status)
{
    session->fd = open(session->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool made = session->fd >= 0;
    if (!made && errno == EEXIST)
        session->fd = open(session->path, O_RDWR | O_CLOEXEC);
    if (session->fd < 0) {
        *status = report_usage(ctx, NULL, "--session: %s: %s", session->path, strerror(errno));
        return false;
    }
    int failed = made ? disk_write_all(session->fd, slice_of("\n", 1), 0) : 0;
    if (failed != 0) {
        unlink(session->path);
        *status = report_write_failed(ctx, session, failed, "nothing was done");
    }
    return failed == 0;
}

static bool lock_file(struct command_context *ctx, struct session *session, int *status)
{
    if (!open_file(ctx, session, status))
        return false;
    int failed = disk_try_lock(session->fd);
    if (failed == EWOULDBLOCK) {
        output_note(ctx, "waiting for another command that holds %s", session->path);
        failed = disk_wait_lock(session->fd, NULL);
    }
    if (failed != 0)
        *status = report_usage(ctx, NULL, "--session: %s: %s", session->path, strerror(failed));
    return failed == 0;
}

static bool read_token(struct command_context *ctx, struct session *session,
                       struct candor_token *token, int *status)
{
    char text[SESSION_FILE_BYTES + 1];
    size_t got = 0;
    int failed = disk_read(session->fd, text, SESSION_FILE_BYTES, 0, &got);
    if (failed != 0) {
        *status = report_usage(ctx, NULL, "--session: %s: %s", session->path, strerror(failed));
        return false;
    }
    text[got] = '\0';
    if (got == 0)
        output_note(ctx,
                    "--session: %s is empty: a session that it held is lost, and a new one begins",
                    session->path);
    bool cut = got > 0 && strcspn(text, "\n") == got; /* the end of the line is its end */
    text[strcspn(text, "\r\n")] = '\0';
    size_t length = 0;
    uint8_t *bytes = base64_decode(text, &length);
    struct candor_bytes view = {bytes, length};
    bool good = !cut && bytes != NULL && candor_token_import(view, token, NULL) == CANDOR_OK;
    free(bytes);
    if (!good)
        *status = report_usage(ctx, "name another file, or begin anew with --new-session",
                               "--session: %s does not hold a session token%s", session->path,
                               cut ? ": it was cut short" : "");
    return good;
}

bool session_begin(struct command_context *ctx, struct candor_client *client,
                   struct session *session, int *status)
{
    *session = (struct session){.fd = -1, .path = option_text(ctx, "session")};
    *status = EXIT_DONE;
    if (session->path == NULL) {
        if (!option_given(ctx, "new-session"))
            return true;
        *status = report_usage(ctx, NULL, "--new-session needs a --session FILE");
        return false;
    }
    struct candor_token token = {0};
    struct candor_error error;
    bool good = lock_file(ctx, session, status) &&
                (option_given(ctx, "new-session") || read_token(ctx, session, &token, status));
    if (good && candor_client_join(client, &token, &error) != CANDOR_OK) {
        *status = report_error(ctx, &error, NULL);
        good = false;
    }
    if (!good && session->fd >= 0)
        close(session->fd);
    return good;
}

int session_end(struct command_context *ctx, struct candor_client *client, struct session *session,
                int status)
{
    if (session->fd < 0)
        return status;
    struct candor_token token;
    candor_client_token(client, &token);
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    size_t length = candor_token_export(&token, bytes);
    char *text = base64_encode(bytes, length);
    char line[SESSION_FILE_BYTES];
    int size = snprintf(line, sizeof line, "%s\n", text);
    free(text);
    int failed = disk_write_all(session->fd, slice_of(line, (size_t)size), 0);
    if (failed == 0 && ftruncate(session->fd, size) != 0)
        failed = errno;
    if (failed != 0) {
        int exit_status =
            report_write_failed(ctx, session, failed,
                                status == EXIT_DONE ? "the command itself was done"
                                                    : "the command itself failed, as told before");
        status = status == EXIT_DONE ? exit_status : status;
    }
    close(session->fd);
    return status;
}
