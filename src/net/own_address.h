/* What a process that will listen at an address waits for first, because waiting helps: its name
 * may not resolve yet (a name server, a container's network that starts after it), and the port may
 * be held for a moment by the process that had it before or by an outgoing connection (one to
 * itself, if the kernel drew that very port). */
#ifndef NET_OWN_ADDRESS_H
#define NET_OWN_ADDRESS_H

#include <stdbool.h>

#include <candor/status.h>

struct own_address_wait {
    /* Asked some times a second: true ends the wait. May be NULL. */
    bool (*ended)(void *closure);
    void *closure;
};

/* Returns when `address` could be bound a moment ago. CANCELLED: the wait was ended. UNAVAILABLE:
 * it is in use or not this machine's for LIMIT_ADDRESS_WAIT_MS, or may not be bound. A name that
 * does not resolve is waited for without a limit. Both are told in the log. What is no TCP address
 * is not waited for. */
enum candor_code own_address_await(const char *address, const struct own_address_wait *wait,
                                   struct candor_error *err);

#endif
