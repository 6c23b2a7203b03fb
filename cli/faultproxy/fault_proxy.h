/* A network that can be cut, without root: a TCP forwarder between the nodes of a cluster on this
 * machine.
 *
 * For each ordered pair of nodes (A dials B) and each of B's addresses for nodes (peer, stream,
 * heartbeat) the proxy listens on an address of its own and forwards to B's. A node is started with
 * a topology in which these addresses of the others are the proxy's; clients use `rpc`, which is
 * never changed, so that a node that is cut off can still be asked.
 *
 * A cut is a network that loses packets, not one that closes connections. While packets from A to B
 * vanish:
 * - bytes from A stay where they are: the proxy stops reading, so the kernel's buffers fill up, and
 *   what it holds waits. After the heal they go on, as if TCP had sent them again;
 * - nothing is closed or refused, and no end of a connection is passed on; a new connection between
 *   A and B is not accepted, whoever dials.
 *
 * Threads: fault_proxy_run() by one thread; fault_proxy_stop() by any thread, or from a signal
 * handler. */
#ifndef CLI_FAULT_PROXY_H
#define CLI_FAULT_PROXY_H

#include <candor/status.h>

#include "topology/topology.h"

struct fault_proxy;

/* Listens for every pair, and for control at `<dir>/fault.sock` (fault_ask.h). Ports that the
 * topology uses are avoided. `dir` must be this user's alone. UNAVAILABLE when an address cannot be
 * had or a host cannot be resolved; ALREADY_EXISTS when a proxy already answers in `dir`. */
enum candor_code fault_proxy_open(const struct topology *topology, const char *dir,
                                  struct fault_proxy **out, struct candor_error *err);
/* The topology that node number `self` is to be started with. */
void fault_proxy_topology(const struct fault_proxy *proxy, uint32_t self, struct topology *out);
void fault_proxy_run(struct fault_proxy *proxy);
void fault_proxy_stop(struct fault_proxy *proxy);
/* Closes everything and removes its sockets' files. */
void fault_proxy_close(struct fault_proxy *proxy);

#endif
