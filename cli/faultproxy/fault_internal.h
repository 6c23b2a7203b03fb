/* The inside of the fault proxy: shared by fault_*.c. */
#ifndef CLI_FAULT_INTERNAL_H
#define CLI_FAULT_INTERNAL_H

#include <sys/epoll.h>
#include <sys/socket.h>

#include <candor/status.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "topology/topology.h"

#define ROUTE_BACKLOG 64

enum fault_kind { FAULT_PEER, FAULT_STREAM, FAULT_HEARTBEAT, FAULT_KINDS };

struct socket_address {
    socklen_t length;
    struct sockaddr_storage bytes;
};

/* A descriptor in epoll. It leaves epoll while nothing is wanted of it: EPOLLHUP cannot be
 * masked. */
enum watch_kind { WATCH_STOP, WATCH_ROUTE, WATCH_LINK, WATCH_CONTROL_LISTENER, WATCH_CONTROL };
struct watch {
    enum watch_kind kind;
    int fd;         /* -1: closed */
    uint32_t armed; /* events that epoll watches for; 0: not in epoll */
    void *owner;
    int side; /* of a link */
};

/* Where `from` dials one address of `to`. */
struct route {
    struct fault_proxy *proxy;
    uint32_t from;
    uint32_t to;
    struct watch listener;
    char address[LIMIT_ADDRESS_BYTES]; /* that `from` dials; of the scheme of the real one */
    struct socket_address target;
};

/* What happens to packets from one node to another. */
struct path {
    bool cut;
    uint64_t delay_ns;
    uint64_t forwarded_bytes;
};

/* Bytes on their way. */
struct chunk {
    struct chunk *next;
    uint64_t due_ns;
    size_t length;
    size_t done;
    uint8_t bytes[];
};

struct flow {
    struct chunk *first;
    struct chunk *last;
    size_t held_bytes;
    bool ended;  /* its source will send nothing more */
    bool closed; /* and its destination was told */
};

/* A connection: side 0 is the dialer (route->from), side 1 the listener (route->to). Flow s comes
 * from side s. */
struct link {
    struct link *next;
    struct link *previous;
    struct route *route;
    struct watch side[2];
    struct flow flow[2];
    bool connecting;
    bool gone[2]; /* that side reset its connection, and nobody may know yet */
    bool dead;    /* closed; freed after the events at hand */
};

struct control {
    struct watch watch;
    struct buffer in;
    struct buffer out;
    bool closing; /* after `out` is written */
};

struct fault_proxy {
    struct topology topology; /* the real one */
    char dir[LIMIT_PATH_BYTES];
    int epoll;
    struct watch stop;
    struct watch control_listener;
    struct control controls[LIMIT_PROXY_CONTROLS];
    struct path paths[LIMIT_NODES][LIMIT_NODES]; /* [from][to] */
    struct route *routes;
    size_t route_count;
    struct link *links;
    size_t link_count;
    size_t link_limit; /* descriptors allow so many; beyond: closed at once */
};

/* ---- fault_watch.c ---- */
/* Brings epoll in step with `wanted`. */
void watch_arm(struct fault_proxy *proxy, struct watch *watch, uint32_t wanted);
void watch_close(struct fault_proxy *proxy, struct watch *watch);

/* ---- fault_link.c ---- */
void route_accept(struct route *route);
void link_event(struct link *link, int side, uint32_t events);
/* After a change of what its network does, and when bytes may have become due. */
void link_refresh(struct link *link);
uint64_t link_next_due_ns(const struct link *link); /* UINT64_MAX: nothing waits for a time */
void links_free_dead(struct fault_proxy *proxy);
void link_close(struct link *link);
/* Applies a change of paths to listeners and links. */
void paths_changed(struct fault_proxy *proxy);

/* ---- fault_control.c ---- */
enum candor_code control_open(struct fault_proxy *proxy, struct candor_error *err);
void control_accept(struct fault_proxy *proxy);
void control_event(struct fault_proxy *proxy, struct control *control, uint32_t events);
void control_close(struct fault_proxy *proxy);

#endif
