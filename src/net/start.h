/* The start of NNG, where there is room for it.
 *
 * NNG 1.5.2 starts its threads with the first socket. When one of them cannot be had it takes down
 * what it has not set up yet: the process crashes, aborts or hangs (nni_init calls nni_fini). So a
 * program that may be short of memory or threads starts it by itself, before anything else takes
 * them. */
#ifndef NET_START_H
#define NET_START_H

#include <stdbool.h>

/* False: as many threads as NNG starts cannot be had, and nothing was started. Before the first
 * socket; the threads inherit the caller's signal mask and scheduling. */
bool net_start(void);

#endif
