/* The fault proxy: its sockets and its loop. Paths and connections are in fault_link.c, control in
 * fault_control.c. */
#include "cli/faultproxy/fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/faultproxy/fault_internal.h"

#define EVENTS_A_ROUND 64
#define SPARE_DESCRIPTORS 64 /* for control, epoll, the standard three */
#define PORT_ATTEMPTS 256

/* ---- Addresses ---- */

static bool is_ipc(const char *address)
{
    return strncmp(address, "ipc://", 6) == 0;
}

static bool resolve_ipc(const char *path, struct socket_address *out)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return false;
    memcpy(un.sun_path, path, strlen(path));
    memcpy(&out->bytes, &un, sizeof un);
    out->length = sizeof un;
    return true;
}

/* "host" and "port" of scheme://host:port, the host without brackets. Checked by topology_load()
 * already. */
static void split_host(const char *address, char host[LIMIT_ADDRESS_BYTES], char port[8])
{
    const char *begin = strstr(address, "://");
    ASSERT(begin != NULL);
    begin += 3;
    const char *colon = strrchr(begin, ':');
    ASSERT(colon != NULL);
    bool bracketed = *begin == '[';
    snprintf(host, LIMIT_ADDRESS_BYTES, "%.*s", (int)(colon - begin) - 2 * bracketed,
             begin + bracketed);
    snprintf(port, 8, "%s", colon + 1);
}

static enum candor_code resolve(const char *address, struct socket_address *out,
                                struct candor_error *err)
{
    char host[LIMIT_ADDRESS_BYTES];
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    memset(out, 0, sizeof *out);
    if (is_ipc(address) && resolve_ipc(address + 6, out))
        return CANDOR_OK;
    split_host(address, host, port);
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0)
        return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE, "%s: %s", address,
                                gai_strerror(failed));
    memcpy(&out->bytes, found->ai_addr, found->ai_addrlen);
    out->length = found->ai_addrlen;
    freeaddrinfo(found);
    return CANDOR_OK;
}

static const char *address_of(const struct topology_node *node, enum fault_kind kind)
{
    return kind == FAULT_PEER ? node->peer : kind == FAULT_STREAM ? node->stream : node->heartbeat;
}

/* A node that is not up yet must find its port free. */
static bool topology_uses_port(const struct topology *topology, uint16_t port)
{
    char host[LIMIT_ADDRESS_BYTES];
    char text[8];
    for (uint32_t i = 0; i < topology->node_count; i++) {
        const struct topology_node *node = &topology->nodes[i];
        const char *const addresses[] = {node->rpc, node->peer, node->stream, node->heartbeat};
        for (size_t a = 0; a < sizeof addresses / sizeof addresses[0]; a++) {
            if (is_ipc(addresses[a]))
                continue;
            split_host(addresses[a], host, text);
            if (strtoul(text, NULL, 10) == port)
                return true;
        }
    }
    return false;
}

/* ---- Listeners ---- */

static int listen_tcp_once(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0 &&
        getsockname(fd, (struct sockaddr *)&in, &length) == 0 && listen(fd, ROUTE_BACKLOG) == 0) {
        *port = ntohs(in.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A port of the topology that the kernel hands out is held until another one was found: it would
 * come again. */
static int listen_tcp(struct route *route, const char *real)
{
    int held[PORT_ATTEMPTS];
    int held_count = 0;
    uint16_t port = 0;
    int fd = listen_tcp_once(&port);
    while (fd >= 0 && topology_uses_port(&route->proxy->topology, port)) {
        held[held_count++] = fd;
        fd = held_count < PORT_ATTEMPTS ? listen_tcp_once(&port) : -1;
    }
    while (held_count > 0)
        close(held[--held_count]);
    int scheme = (int)(strstr(real, "://") - real);
    snprintf(route->address, sizeof route->address, "%.*s://127.0.0.1:%u", scheme, real, port);
    return fd;
}

static int listen_ipc(struct route *route, enum fault_kind kind)
{
    static const char letters[] = {'p', 's', 'h'};
    struct socket_address address = {0};
    char path[LIMIT_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%u-%u-%c.sock", route->proxy->dir, route->from, route->to,
             letters[kind]);
    if (!resolve_ipc(path, &address)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(route->address, sizeof route->address, "ipc://%.120s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address.bytes, address.length) == 0 &&
        listen(fd, ROUTE_BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static enum candor_code open_route(struct fault_proxy *proxy, uint32_t from, uint32_t to,
                                   enum fault_kind kind, struct candor_error *err)
{
    const char *real = address_of(&proxy->topology.nodes[to], kind);
    struct route *route = &proxy->routes[proxy->route_count++];
    *route = (struct route){.proxy = proxy, .from = from, .to = to};
    route->listener = (struct watch){.kind = WATCH_ROUTE, .fd = -1, .owner = route};
    if (resolve(real, &route->target, err) != CANDOR_OK)
        return err->code;
    int fd = is_ipc(real) ? listen_ipc(route, kind) : listen_tcp(route, real);
    if (fd < 0)
        return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                                "cannot listen for %s: %s", real, strerror(errno));
    route->listener.fd = fd;
    return CANDOR_OK;
}

static enum candor_code open_routes(struct fault_proxy *proxy, struct candor_error *err)
{
    uint32_t nodes = proxy->topology.node_count;
    enum candor_code code = CANDOR_OK;
    ASSERT_U64(nodes, >, 0);
    proxy->routes = calloc((size_t)nodes * nodes * FAULT_KINDS, sizeof *proxy->routes);
    ASSERT(proxy->routes != NULL);
    for (uint32_t from = 0; from < nodes; from++) {
        for (uint32_t to = 0; to < nodes; to++) {
            for (int kind = 0; from != to && kind < FAULT_KINDS && code == CANDOR_OK; kind++)
                code = open_route(proxy, from, to, (enum fault_kind)kind, err);
        }
    }
    return code;
}

/* ---- Life ---- */

/* A connection takes two descriptors. */
static size_t find_link_limit(size_t routes)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)saturating_sub(limit.rlim_cur, routes + SPARE_DESCRIPTORS) / 2;
}

enum candor_code fault_proxy_open(const struct topology *topology, const char *dir,
                                  struct fault_proxy **out, struct candor_error *err)
{
    struct candor_error own;
    err = err != NULL ? err : &own;
    struct fault_proxy *proxy = calloc(1, sizeof *proxy);
    ASSERT(proxy != NULL);
    ASSERT_U64(topology->node_count, <=, LIMIT_NODES);
    proxy->topology = *topology;
    snprintf(proxy->dir, sizeof proxy->dir, "%s", dir);
    proxy->control_listener.fd = -1;
    proxy->epoll = epoll_create1(EPOLL_CLOEXEC);
    proxy->stop = (struct watch){.kind = WATCH_STOP, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    ASSERT(proxy->epoll >= 0 && proxy->stop.fd >= 0);
    watch_arm(proxy, &proxy->stop, EPOLLIN);
    size_t routes = (size_t)topology->node_count * topology->node_count * FAULT_KINDS;
    proxy->link_limit = find_link_limit(routes);

    enum candor_code code = control_open(proxy, err);
    if (code == CANDOR_OK)
        code = open_routes(proxy, err);
    if (code != CANDOR_OK) {
        fault_proxy_close(proxy);
        return code;
    }
    paths_changed(proxy);
    *out = proxy;
    return CANDOR_OK;
}

void fault_proxy_close(struct fault_proxy *proxy)
{
    if (proxy == NULL)
        return;
    for (struct link *link = proxy->links; link != NULL; link = link->next)
        link_close(link);
    proxy->link_limit = SIZE_MAX; /* nobody is let in again */
    links_free_dead(proxy);
    for (size_t i = 0; i < proxy->route_count; i++) {
        struct route *route = &proxy->routes[i];
        if (route->listener.fd >= 0 && is_ipc(route->address))
            unlink(route->address + 6);
        watch_close(proxy, &route->listener);
    }
    control_close(proxy);
    watch_close(proxy, &proxy->stop);
    close(proxy->epoll);
    free(proxy->routes);
    free(proxy);
}

static void set_address(struct topology_node *node, size_t kind, const char *address)
{
    char *fields[FAULT_KINDS] = {node->peer, node->stream, node->heartbeat};
    snprintf(fields[kind], LIMIT_ADDRESS_BYTES, "%s", address);
}

void fault_proxy_topology(const struct fault_proxy *proxy, uint32_t self, struct topology *out)
{
    ASSERT_U64(self, <, proxy->topology.node_count);
    *out = proxy->topology;
    for (size_t i = 0; i < proxy->route_count; i++) {
        const struct route *route = &proxy->routes[i];
        if (route->from == self)
            set_address(&out->nodes[route->to], i % FAULT_KINDS, route->address);
    }
}

void fault_proxy_stop(struct fault_proxy *proxy)
{
    static const uint64_t one = 1;
    ssize_t ignored = write(proxy->stop.fd, &one, sizeof one); /* full: it is set already */
    (void)ignored;
}

/* ---- The loop ---- */

static void dispatch(struct fault_proxy *proxy, struct watch *watch, uint32_t events)
{
    switch (watch->kind) {
    case WATCH_ROUTE:
        route_accept(watch->owner);
        break;
    case WATCH_LINK:
        link_event(watch->owner, watch->side, events);
        break;
    case WATCH_CONTROL_LISTENER:
        control_accept(proxy);
        break;
    case WATCH_CONTROL:
        control_event(proxy, watch->owner, events);
        break;
    case WATCH_STOP:
        break;
    }
}

/* Milliseconds until the next delayed bytes are due, rounded up; -1: none wait. */
static int wait_ms(const struct fault_proxy *proxy)
{
    uint64_t due = UINT64_MAX;
    for (const struct link *link = proxy->links; link != NULL; link = link->next)
        due = min_u64(due, link_next_due_ns(link));
    if (due == UINT64_MAX)
        return -1;
    return (int)ns_to_ms_up(saturating_sub(due, clock_boot_ns()));
}

static void send_due(struct fault_proxy *proxy)
{
    for (struct link *link = proxy->links; link != NULL; link = link->next) {
        if (!link->dead && (link->flow[0].first != NULL || link->flow[1].first != NULL))
            link_refresh(link);
    }
}

void fault_proxy_run(struct fault_proxy *proxy)
{
    struct epoll_event events[EVENTS_A_ROUND];
    bool stopped = false;
    while (!stopped) {
        int count = epoll_wait(proxy->epoll, events, EVENTS_A_ROUND, wait_ms(proxy));
        ASSERT(count >= 0 || errno == EINTR);
        for (int i = 0; i < count; i++) {
            struct watch *watch = events[i].data.ptr;
            stopped = stopped || watch->kind == WATCH_STOP;
            dispatch(proxy, watch, events[i].events);
        }
        send_due(proxy);
        links_free_dead(proxy);
    }
}
