/* Before a socket is bound: what NNG would do to the place where it is to stand. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <candor/status.h>

/* NNG removes what stands at an ipc:// path when nobody answers there, whatever it is. UNAVAILABLE
 * when that would be anything but a socket; OK for other addresses. Any thread. */
enum candor_code listen_check(const char *address, struct candor_error *err);

/* What nng_listen(), or what comes before it, has refused: UNAVAILABLE, or RESOURCE_EXHAUSTED for
 * want of memory, threads or descriptors. */
enum candor_code listen_refused(const char *address, int nng_error, struct candor_error *err);

#endif
