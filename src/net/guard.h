/* Descriptors of a process that listens: a reserve for its own files, and an end for connections
 * that never speak.
 *
 * accept() and close() are wrapped at link time (src/net/CMakeLists.txt), because NNG 1.5.2 takes
 * every connection up to the limit of descriptors, and holds it without a limit of time. A node
 * that then opens a segment of its log or its vote has none left.
 *
 *   - A connection whose descriptor would fall into the reserve is closed at once; the log says so,
 *     and when the kernel gives none at all.
 *   - One that has not sent its SP handshake after LIMIT_HANDSHAKE_MS is closed; near the reserve,
 *     much sooner. That a peer is gone without a word is noticed by sockets.c.
 *
 * Any thread. Its lock is a leaf, and held over system calls that do not wait. */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* Raises the soft limit of descriptors towards the hard one, to LIMIT_DESCRIPTORS at most. Returns
 * the limit. */
size_t guard_raise_limit(void);
/* Closes connections that have not spoken in time. Every LIMIT_RPC_TEND_MS. */
void guard_tend(uint64_t now_ns);
/* How many connections had better go, so that new ones find room below the reserve. */
size_t guard_excess(void);

struct guard_counts {
    uint64_t refused; /* would have taken from the reserve, or found no descriptor at all */
    uint64_t silent;  /* closed without a handshake */
};
struct guard_counts guard_counts(void);

#endif
