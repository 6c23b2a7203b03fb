/* The start of NNG, where there is room for it.
 *
 * NNG 1.5.2 starts its threads with the first socket. When one of them, or memory, cannot be had it
 * takes down what it has not set up yet: the process crashes, aborts or hangs (nni_init calls
 * nni_fini). So it is started here, with threads and memory that were taken before. */
#ifndef NET_START_H
#define NET_START_H

#include <stdbool.h>

#include <nng/nng.h>

/* False: as many threads as NNG starts, memory or descriptors cannot be had, and nothing was
 * started: it may be tried again. True at once when it runs already. Before the first socket; the
 * threads inherit the caller's signal mask and scheduling. Any thread. */
bool net_start(void);

/* Starts it, and opens a REQ socket. An NNG error. */
int net_open_req(nng_socket *socket);

#endif
