/* Asking a fault proxy over its control socket. */
#include "cli/faultproxy/fault_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"

#define ASK_TIMEOUT_NS (5 * NS_PER_S)
#define REPLY_BYTES_MAX (4u << 20) /* 32 * 31 paths of at most 4 KiB */

bool control_path(const char *dir, struct sockaddr_un *out, struct candor_error *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(out->sun_path, sizeof out->sun_path, "%s/fault.sock", dir);
    if (length >= 0 && (size_t)length < sizeof out->sun_path)
        return true;
    candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                     "%s: too long for a socket's path", dir);
    return false;
}

int control_dial(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool exchange(int fd, const char *line, struct buffer *reply)
{
    size_t length = strlen(line);
    if (send(fd, line, length, MSG_NOSIGNAL) != (ssize_t)length)
        return false;
    uint64_t until = clock_boot_ns() + ASK_TIMEOUT_NS;
    while (reply->length == 0 || reply->bytes[reply->length - 1] != '\n') {
        uint64_t left_ms = ns_to_ms_up(saturating_sub(until, clock_boot_ns()));
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (left_ms == 0 || reply->length > REPLY_BYTES_MAX ||
            (poll(&wait, 1, (int)left_ms) < 0 && errno != EINTR))
            return false;
        uint8_t bytes[65536];
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (got > 0)
            buffer_put(reply, bytes, (size_t)got);
    }
    return true;
}

static enum candor_code read_reply(const struct buffer *bytes, json_t **reply,
                                   struct candor_error *err)
{
    *reply = json_loadb((const char *)bytes->bytes, bytes->length, 0, NULL);
    if (json_is_true(json_object_get(*reply, "ok")))
        return CANDOR_OK;
    const char *why = json_string_value(json_object_get(*reply, "error"));
    if (why != NULL)
        candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s", why);
    else
        candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                         "the fault proxy's answer cannot be read");
    json_decref(*reply);
    *reply = NULL;
    return err->code;
}

enum candor_code fault_proxy_ask(const char *dir, json_t *request, json_t **reply,
                                 struct candor_error *err)
{
    struct sockaddr_un address;
    struct buffer bytes = {0};
    char *text = json_dumps(request, JSON_COMPACT);
    char *line = NULL;
    ASSERT(text != NULL && asprintf(&line, "%s\n", text) > 0);
    json_decref(request);
    *reply = NULL;
    enum candor_code code = CANDOR_OK;
    int fd = -1;
    if (!control_path(dir, &address, err)) {
        code = err->code;
    } else if ((fd = control_dial(&address)) < 0) {
        code = candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE,
                                "no fault proxy runs in %s", dir);
    } else if (!exchange(fd, line, &bytes)) {
        code = candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                                "the fault proxy in %s does not answer", dir);
    } else {
        code = read_reply(&bytes, reply, err);
    }
    if (fd >= 0)
        close(fd);
    buffer_free(&bytes);
    free(line);
    free(text);
    return code;
}
