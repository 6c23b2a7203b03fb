/* Control of the fault proxy: what is asked, is answered. */
#include "cli/faultproxy/fault_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "cli/faultproxy/fault_ask.h"

/* ---- Where ---- */

/* A socket's file that nobody answers at was left by a proxy that was killed. */
static bool clear_way(const struct sockaddr_un *address, struct candor_error *err)
{
    int fd = control_dial(address);
    if (fd >= 0) {
        close(fd);
        candor_error_set(err, CANDOR_ALREADY_EXISTS, CANDOR_REASON_NONE,
                         "a fault proxy runs at %s already", address->sun_path);
        return false;
    }
    struct stat st;
    if (lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(address->sun_path);
    return true;
}

enum candor_code control_open(struct fault_proxy *proxy, struct candor_error *err)
{
    struct sockaddr_un address;
    if (!control_path(proxy->dir, &address, err) || !clear_way(&address, err))
        return err->code;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t former = umask(0077);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                 listen(fd, LIMIT_PROXY_CONTROLS) == 0;
    umask(former);
    if (!bound) {
        candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE, "%s: %s", address.sun_path,
                         strerror(errno));
        if (fd >= 0)
            close(fd);
        return err->code;
    }
    proxy->control_listener = (struct watch){.kind = WATCH_CONTROL_LISTENER, .fd = fd};
    watch_arm(proxy, &proxy->control_listener, EPOLLIN);
    for (size_t i = 0; i < LIMIT_PROXY_CONTROLS; i++)
        proxy->controls[i].watch.fd = -1;
    return CANDOR_OK;
}

void control_close(struct fault_proxy *proxy)
{
    struct sockaddr_un address;
    if (proxy->control_listener.fd < 0)
        return;
    for (size_t i = 0; i < LIMIT_PROXY_CONTROLS; i++) {
        watch_close(proxy, &proxy->controls[i].watch);
        buffer_free(&proxy->controls[i].in);
        buffer_free(&proxy->controls[i].out);
    }
    watch_close(proxy, &proxy->control_listener);
    if (control_path(proxy->dir, &address, NULL))
        unlink(address.sun_path);
}

/* ---- Requests ---- */

__attribute__((format(printf, 1, 2))) static json_t *refusal(const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    json_t *reply = json_object();
    json_object_set_new(reply, "ok", json_false());
    /* A quoted word may have been cut in the middle of a character. */
    json_t *words = json_string(text);
    json_object_set_new(reply, "error", words != NULL ? words : json_string("not understood"));
    return reply;
}

static json_t *list_path(const struct fault_proxy *proxy, uint32_t from, uint32_t to)
{
    json_int_t connections = 0;
    json_int_t held = 0;
    for (const struct link *link = proxy->links; link != NULL; link = link->next) {
        bool dialed = link->route->from == from && link->route->to == to;
        bool answered = link->route->from == to && link->route->to == from;
        if (link->dead || (!dialed && !answered))
            continue;
        connections += dialed;
        held += (json_int_t)link->flow[dialed ? 0 : 1].held_bytes;
    }
    const struct path *path = &proxy->paths[from][to];
    json_t *out = json_object();
    json_object_set_new(out, "from", json_string(proxy->topology.nodes[from].id.text));
    json_object_set_new(out, "to", json_string(proxy->topology.nodes[to].id.text));
    json_object_set_new(out, "cut", json_boolean(path->cut));
    json_object_set_new(out, "delay_ms", json_integer((json_int_t)(path->delay_ns / NS_PER_MS)));
    json_object_set_new(out, "connections", json_integer(connections));
    json_object_set_new(out, "held_bytes", json_integer(held));
    json_object_set_new(out, "forwarded_bytes", json_integer((json_int_t)path->forwarded_bytes));
    return out;
}

static json_t *list_all(const struct fault_proxy *proxy)
{
    json_t *nodes = json_array();
    json_t *paths = json_array();
    for (uint32_t from = 0; from < proxy->topology.node_count; from++) {
        json_array_append_new(nodes, json_string(proxy->topology.nodes[from].id.text));
        for (uint32_t to = 0; to < proxy->topology.node_count; to++) {
            if (to != from)
                json_array_append_new(paths, list_path(proxy, from, to));
        }
    }
    json_t *reply = json_object();
    json_object_set_new(reply, "ok", json_true());
    json_object_set_new(reply, "nodes", nodes);
    json_object_set_new(reply, "paths", paths);
    return reply;
}

/* NULL: it is known, and its number is in *out. */
static json_t *find_node(const struct fault_proxy *proxy, const json_t *request, const char *member,
                         uint32_t *out)
{
    const char *id = json_string_value(json_object_get(request, member));
    const char *words[LIMIT_NODES + 1] = {NULL};
    if (id == NULL)
        return refusal("member '%s' must be a node's id", member);
    for (uint32_t i = 0; i < proxy->topology.node_count; i++) {
        words[i] = proxy->topology.nodes[i].id.text;
        *out = i;
        if (strcmp(words[i], id) == 0)
            return NULL;
    }
    const char *near = nearest_word(id, words);
    if (near == NULL)
        return refusal("no node '%.40s'", id);
    return refusal("no node '%.40s'; did you mean '%s'?", id, near);
}

/* A member that is true or false, or missing. */
static json_t *read_flag(const json_t *request, const char *member, bool *out)
{
    const json_t *value = json_object_get(request, member);
    *out = json_is_true(value);
    if (value != NULL && !json_is_boolean(value))
        return refusal("member '%s' must be true or false", member);
    return NULL;
}

static json_t *read_delay(const json_t *request, uint64_t *out_ms)
{
    const json_t *value = json_object_get(request, "ms");
    json_int_t ms = json_integer_value(value);
    if (!json_is_integer(value) || ms < 0 || ms > LIMIT_PROXY_DELAY_MS)
        return refusal("member 'ms' must be a number from 0 to %d", LIMIT_PROXY_DELAY_MS);
    *out_ms = (uint64_t)ms;
    return NULL;
}

enum change { CHANGE_CUT, CHANGE_HEAL, CHANGE_DELAY };

static void change_path(struct path *path, enum change change, uint64_t delay_ms)
{
    if (change == CHANGE_DELAY)
        path->delay_ns = delay_ms * NS_PER_MS;
    else
        path->cut = change == CHANGE_CUT;
}

static json_t *change_pair(struct fault_proxy *proxy, const json_t *request, enum change change)
{
    uint32_t from = 0;
    uint32_t to = 0;
    uint64_t delay_ms = 0;
    bool one_way = false;
    json_t *wrong = find_node(proxy, request, "from", &from);
    if (wrong == NULL)
        wrong = find_node(proxy, request, "to", &to);
    if (wrong == NULL)
        wrong = read_flag(request, "one_way", &one_way);
    if (wrong == NULL && change == CHANGE_DELAY)
        wrong = read_delay(request, &delay_ms);
    if (wrong == NULL && from == to)
        wrong = refusal("'%s' has no network to itself", proxy->topology.nodes[from].id.text);
    if (wrong != NULL)
        return wrong;
    change_path(&proxy->paths[from][to], change, delay_ms);
    if (!one_way)
        change_path(&proxy->paths[to][from], change, delay_ms);
    paths_changed(proxy);
    return list_all(proxy);
}

static json_t *heal(struct fault_proxy *proxy, const json_t *request)
{
    bool all;
    json_t *wrong = read_flag(request, "all", &all);
    if (wrong != NULL)
        return wrong;
    if (!all)
        return change_pair(proxy, request, CHANGE_HEAL);
    for (uint32_t from = 0; from < LIMIT_NODES; from++) {
        for (uint32_t to = 0; to < LIMIT_NODES; to++) {
            proxy->paths[from][to].cut = false;
            proxy->paths[from][to].delay_ns = 0;
        }
    }
    paths_changed(proxy);
    return list_all(proxy);
}

static json_t *answer(struct fault_proxy *proxy, const uint8_t *line, size_t length)
{
    json_error_t why;
    json_t *request = json_loadb((const char *)line, length, JSON_REJECT_DUPLICATES, &why);
    const char *op = json_string_value(json_object_get(request, "op"));
    json_t *reply;
    if (request == NULL)
        reply = refusal("not JSON: %s", why.text);
    else if (op == NULL)
        reply = refusal("member 'op' must be cut, heal, delay or list");
    else if (strcmp(op, "cut") == 0)
        reply = change_pair(proxy, request, CHANGE_CUT);
    else if (strcmp(op, "delay") == 0)
        reply = change_pair(proxy, request, CHANGE_DELAY);
    else if (strcmp(op, "heal") == 0)
        reply = heal(proxy, request);
    else if (strcmp(op, "list") == 0)
        reply = list_all(proxy);
    else
        reply = refusal("unknown op '%.40s'; it is cut, heal, delay or list", op);
    json_decref(request);
    return reply;
}

/* ---- Connections ---- */

static void control_drop(struct fault_proxy *proxy, struct control *control)
{
    watch_close(proxy, &control->watch);
    buffer_free(&control->in);
    buffer_free(&control->out);
    control->closing = false;
}

static void control_say(struct control *control, json_t *reply)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    ASSERT(text != NULL);
    buffer_put(&control->out, text, strlen(text));
    buffer_put_u8(&control->out, '\n');
    free(text);
    json_decref(reply);
}

static void buffer_cut(struct buffer *buffer, size_t front)
{
    ASSERT_U64(front, <=, buffer->length);
    memmove(buffer->bytes, buffer->bytes + front, buffer->length - front);
    buffer->length -= front;
}

/* One request at a time: the next waits until its answer is taken, so `out` holds one answer at
 * most. */
static void control_answer(struct fault_proxy *proxy, struct control *control)
{
    if (control->closing || control->out.length > 0 || control->in.length == 0)
        return;
    uint8_t *end = memchr(control->in.bytes, '\n', control->in.length);
    size_t length = end != NULL ? (size_t)(end - control->in.bytes) : control->in.length;
    if (length > LIMIT_PROXY_LINE_BYTES) {
        control_say(control, refusal("a request has at most %d bytes", LIMIT_PROXY_LINE_BYTES));
        control->closing = true;
        return;
    }
    if (end == NULL)
        return;
    control_say(control, answer(proxy, control->in.bytes, length));
    buffer_cut(&control->in, length + 1);
}

/* False: the other end is gone. */
static bool control_send(struct control *control)
{
    if (control->out.length == 0)
        return !control->closing;
    ssize_t sent = send(control->watch.fd, control->out.bytes, control->out.length,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer_cut(&control->out, (size_t)sent);
    return control->out.length > 0 || !control->closing;
}

static bool control_receive(struct control *control)
{
    uint8_t bytes[LIMIT_PROXY_LINE_BYTES];
    ssize_t got = recv(control->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0)
        buffer_put(&control->in, bytes, (size_t)got);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void control_event(struct fault_proxy *proxy, struct control *control, uint32_t events)
{
    if (control->watch.fd < 0)
        return;
    bool good = true;
    if ((control->watch.armed & EPOLLIN) != 0 && (events & ~(uint32_t)EPOLLOUT) != 0)
        good = control_receive(control);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        good = false;
    bool moved = true;
    while (good && moved) {
        size_t waiting = control->in.length;
        control_answer(proxy, control);
        good = control_send(control);
        moved = control->in.length < waiting && control->out.length == 0;
    }
    if (!good) {
        control_drop(proxy, control);
        return;
    }
    watch_arm(proxy, &control->watch, control->out.length > 0 ? EPOLLOUT : EPOLLIN);
}

/* The directory and the socket's mode keep others out; who comes in all the same is refused. */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

void control_accept(struct fault_proxy *proxy)
{
    int fd = accept4(proxy->control_listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (size_t i = 0; i < LIMIT_PROXY_CONTROLS && is_ours(fd); i++) {
        struct control *control = &proxy->controls[i];
        if (control->watch.fd >= 0)
            continue;
        control->watch = (struct watch){.kind = WATCH_CONTROL, .fd = fd, .owner = control};
        watch_arm(proxy, &control->watch, EPOLLIN);
        return;
    }
    close(fd);
}
