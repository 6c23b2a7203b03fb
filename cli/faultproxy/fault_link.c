/* Paths between nodes, and connections on them: what may flow, flows; what is cut, waits. */
#include "cli/faultproxy/fault_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_BYTES 65536

static const struct path *path_of(const struct link *link, int side)
{
    const struct route *route = link->route;
    return side == 0 ? &route->proxy->paths[route->from][route->to]
                     : &route->proxy->paths[route->to][route->from];
}

static bool is_open(const struct link *link, int side)
{
    return !path_of(link, side)->cut;
}

/* ---- Closing ---- */

static void flow_drop(struct flow *flow)
{
    while (flow->first != NULL) {
        struct chunk *chunk = flow->first;
        flow->first = chunk->next;
        free(chunk);
    }
    flow->last = NULL;
    flow->held_bytes = 0;
}

/* A connection that did not end on both sides is reset, so that neither takes what it got for the
 * whole. */
static void link_reset(const struct link *link)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (int side = 0; side < 2; side++)
        setsockopt(link->side[side].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void link_close(struct link *link)
{
    if (link->dead)
        return;
    if (!link->flow[0].closed || !link->flow[1].closed)
        link_reset(link);
    for (int side = 0; side < 2; side++) {
        watch_close(link->route->proxy, &link->side[side]);
        flow_drop(&link->flow[side]);
    }
    link->dead = true;
}

/* `side` has reset its connection: news that travels from it, and is lost with the rest while that
 * is cut. */
static void side_lost(struct link *link, int side)
{
    link->gone[side] = true;
    if (is_open(link, side))
        link_close(link);
}

void links_free_dead(struct fault_proxy *proxy)
{
    bool starved = proxy->link_count >= proxy->link_limit;
    bool freed = false;
    struct link *next;
    for (struct link *link = proxy->links; link != NULL; link = next) {
        next = link->next;
        if (!link->dead)
            continue;
        if (link->previous != NULL)
            link->previous->next = next;
        else
            proxy->links = next;
        if (next != NULL)
            next->previous = link->previous;
        proxy->link_count--;
        free(link);
        freed = true;
    }
    if (starved && freed)
        paths_changed(proxy);
}

/* ---- Flowing ---- */

static void flow_hold(struct flow *flow, const uint8_t *bytes, size_t length, uint64_t due_ns)
{
    struct chunk *chunk = malloc(sizeof *chunk + length);
    ASSERT(chunk != NULL);
    *chunk = (struct chunk){.due_ns = due_ns, .length = length};
    memcpy(chunk->bytes, bytes, length);
    if (flow->last != NULL)
        flow->last->next = chunk;
    else
        flow->first = chunk;
    flow->last = chunk;
    flow->held_bytes += length;
}

/* How many bytes the other side took; 0 when it takes none now, or is lost. */
static size_t flow_send(struct link *link, int from, const uint8_t *bytes, size_t length)
{
    ssize_t sent = send(link->side[!from].fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        side_lost(link, !from);
    if (sent <= 0)
        return 0;
    const struct route *route = link->route;
    uint32_t source = from == 0 ? route->from : route->to;
    uint32_t destination = from == 0 ? route->to : route->from;
    route->proxy->paths[source][destination].forwarded_bytes += (uint64_t)sent;
    return (size_t)sent;
}

static void flow_finish(struct link *link, int from)
{
    struct flow *flow = &link->flow[from];
    if (!flow->ended || flow->closed || flow->first != NULL)
        return;
    flow->closed = true;
    shutdown(link->side[!from].fd, SHUT_WR);
    if (link->flow[!from].closed)
        link_close(link);
}

static void flow_take(struct link *link, int from, const uint8_t *bytes, size_t length)
{
    struct flow *flow = &link->flow[from];
    uint64_t delay_ns = path_of(link, from)->delay_ns;
    size_t sent = 0;
    if (flow->first == NULL && delay_ns == 0)
        sent = flow_send(link, from, bytes, length);
    if (!link->dead && sent < length)
        flow_hold(flow, bytes + sent, length - sent, clock_boot_ns() + delay_ns);
}

static void flow_read(struct link *link, int from)
{
    struct flow *flow = &link->flow[from];
    uint8_t bytes[READ_BYTES];
    size_t room = LIMIT_PROXY_HELD_BYTES - flow->held_bytes;
    ssize_t got =
        recv(link->side[from].fd, bytes, room < sizeof bytes ? room : sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
        flow_take(link, from, bytes, (size_t)got);
    } else if (got == 0) {
        flow->ended = true;
        flow_finish(link, from);
    } else if (errno != EAGAIN && errno != EINTR) {
        side_lost(link, from);
    }
}

/* What may be sent now; NULL: nothing. */
static struct chunk *first_due(const struct flow *flow)
{
    struct chunk *first = flow->first;
    return first != NULL && first->due_ns <= clock_boot_ns() ? first : NULL;
}

static void flow_write(struct link *link, int from)
{
    struct flow *flow = &link->flow[from];
    struct chunk *chunk;
    while (!link->dead && !link->gone[!from] && (chunk = first_due(flow)) != NULL) {
        size_t sent =
            flow_send(link, from, chunk->bytes + chunk->done, chunk->length - chunk->done);
        if (sent == 0)
            return;
        chunk->done += sent;
        flow->held_bytes -= sent;
        if (chunk->done < chunk->length)
            continue;
        flow->first = chunk->next;
        flow->last = flow->first == NULL ? NULL : flow->last;
        free(chunk);
    }
    if (!link->dead)
        flow_finish(link, from);
}

/* ---- Events ---- */

static uint32_t wanted(const struct link *link, int side)
{
    const struct flow *out = &link->flow[side];
    const struct flow *in = &link->flow[!side];
    if (link->connecting)
        return side == 1 && is_open(link, 0) && is_open(link, 1) ? EPOLLOUT : 0;
    if (link->gone[side])
        return 0;
    uint32_t events = 0;
    if (is_open(link, side) && !out->ended && !link->gone[!side] &&
        out->held_bytes < LIMIT_PROXY_HELD_BYTES)
        events |= EPOLLIN;
    if (is_open(link, !side) && first_due(in) != NULL)
        events |= EPOLLOUT;
    return events;
}

void link_refresh(struct link *link)
{
    for (int side = 0; side < 2 && !link->dead && !link->connecting; side++) {
        if (is_open(link, side) && link->gone[side])
            link_close(link);
        else if (is_open(link, side))
            flow_write(link, side);
    }
    for (int side = 0; side < 2 && !link->dead; side++)
        watch_arm(link->route->proxy, &link->side[side], wanted(link, side));
}

static void connected(struct link *link)
{
    int error = 0;
    socklen_t length = sizeof error;
    /* the dialer is reset: nearest to a refusal, its connection being up */
    if (getsockopt(link->side[1].fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0)
        link_close(link);
    else
        link->connecting = false;
}

/* An earlier event of the same round may have cut the path: what is wanted now decides. */
void link_event(struct link *link, int side, uint32_t events)
{
    if (link->dead)
        return;
    uint32_t want = wanted(link, side);
    bool failed = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (link->connecting) {
        if (want != 0)
            connected(link);
    } else {
        if ((want & EPOLLIN) != 0 && (failed || (events & EPOLLIN) != 0))
            flow_read(link, side);
        if (!link->dead && (want & EPOLLOUT) != 0 && (failed || (events & EPOLLOUT) != 0))
            flow_write(link, !side);
    }
    link_refresh(link);
}

uint64_t link_next_due_ns(const struct link *link)
{
    uint64_t due = UINT64_MAX;
    for (int side = 0; side < 2; side++) {
        const struct chunk *first = link->flow[side].first;
        if (first != NULL && is_open(link, side) && first_due(&link->flow[side]) == NULL)
            due = min_u64(due, first->due_ns);
    }
    return due;
}

/* ---- New connections ---- */

static void link_add(struct route *route, int dialer, int listener, bool connecting)
{
    struct fault_proxy *proxy = route->proxy;
    struct link *link = calloc(1, sizeof *link);
    ASSERT(link != NULL);
    link->route = route;
    link->connecting = connecting;
    for (int side = 0; side < 2; side++)
        link->side[side] = (struct watch){
            .kind = WATCH_LINK, .fd = side == 0 ? dialer : listener, .owner = link, .side = side};
    link->next = proxy->links;
    if (link->next != NULL)
        link->next->previous = link;
    proxy->links = link;
    proxy->link_count++;
    link_refresh(link);
}

static void no_delay(int fd)
{
    static const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on); /* a Unix socket has none to switch off */
}

/* The kernel has accepted already: a target that refuses makes the proxy reset the dialer. */
static void dial(struct route *route, int dialer)
{
    const struct socket_address *target = &route->target;
    int fd = socket(target->bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool connecting = false;
    if (fd >= 0) {
        no_delay(fd);
        no_delay(dialer);
        connecting = connect(fd, (const struct sockaddr *)&target->bytes, target->length) != 0;
    }
    if (fd >= 0 && (!connecting || errno == EINPROGRESS)) {
        link_add(route, dialer, fd, connecting);
        return;
    }
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(dialer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(dialer);
    if (fd >= 0)
        close(fd);
}

void route_accept(struct route *route)
{
    struct fault_proxy *proxy = route->proxy;
    /* cut by an earlier event of this round */
    if (route->listener.armed == 0)
        return;
    int fd = accept4(route->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        dial(route, fd);
    /* learned: there is room for no more */
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        proxy->link_limit = proxy->link_count;
    if (proxy->link_count >= proxy->link_limit)
        paths_changed(proxy);
}

/* ---- Paths ---- */

/* While a path is cut the listener's queue has room for one: later dials get no answer at all, as
 * their packets would. */
static void refresh_listener(struct route *route)
{
    struct fault_proxy *proxy = route->proxy;
    ASSERT(proxy != NULL);
    bool cut = proxy->paths[route->from][route->to].cut || proxy->paths[route->to][route->from].cut;
    listen(route->listener.fd, cut ? 0 : ROUTE_BACKLOG);
    watch_arm(proxy, &route->listener, !cut && proxy->link_count < proxy->link_limit ? EPOLLIN : 0);
}

void paths_changed(struct fault_proxy *proxy)
{
    for (size_t i = 0; i < proxy->route_count; i++)
        refresh_listener(&proxy->routes[i]);
    for (struct link *link = proxy->links; link != NULL; link = link->next) {
        if (!link->dead)
            link_refresh(link);
    }
}
