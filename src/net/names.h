/* Names of hosts, and their numeric addresses.
 *
 * NNG looks names up on four threads for the whole process: four names that hang in DNS keep all
 * others from being dialled, and of a name with several addresses it knows the first. Here each
 * name that is being looked up has a thread of its own (one at most), so that it keeps nobody but
 * itself; its addresses are kept and tried in turn; a numeric address needs neither. What is known
 * is used at once and looked up again behind it, so that a name server that fails later stops
 * nothing. net/resolver.c puts this in the place of NNG's resolver.
 *
 * A host is its spelling: "a.example", "10.0.0.1", "::1". Threads: any. Callbacks run with no lock
 * held. */
#ifndef NET_NAMES_H
#define NET_NAMES_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/limits.h"

/* AF_INET and AF_INET6 alone, with port 0, in the order of getaddrinfo(3). */
struct host_addresses {
    uint32_t count;
    struct sockaddr_storage at[LIMIT_HOST_ADDRESSES];
};

/* Waits for the host's addresses. 0 or EAI_*. */
typedef int (*names_lookup)(const char *host, struct host_addresses *out);
/* For tests, before the first use of a name: `lookup` is asked in place of getaddrinfo(3), from
 * then on. What was known is forgotten. NULL: getaddrinfo(3) again. Returns when no lookup is under
 * way any more. */
void names_replace_lookup(names_lookup lookup);

/* The address that `host` is, when it is a numeric one. */
bool names_numeric(const char *host, struct sockaddr_storage *out);

/* A question, the asker's memory until `answered`. */
struct names_query {
    const void *key; /* of names_forget(): no two questions at once have the same */
    /* Under the lock, when the answer has to be waited for: false gives the question up. May be
     * NULL. */
    bool (*waits)(struct names_query *query);
    /* Once, unless it was given up or forgotten: 0 and at least one address, or EAI_*. On the
     * asker's thread, or a lookup's. */
    void (*answered)(struct names_query *query, int error, const struct host_addresses *addresses);
    struct names_query *next; /* names.c's own */
};

/* False: `waits` gave it up. */
bool names_ask(const char *host, struct names_query *query);
/* The question that still waits under this key, no longer asked; NULL: it is answered, or about to
 * be. */
struct names_query *names_forget(const void *key);

/* Asks and waits so long: 0 and at least one address, or EAI_*; EAI_AGAIN when the time is over. */
int names_within(const char *host, uint32_t ms, struct host_addresses *out);

/* The last lookup that ended found nothing, and no address is known from before: 0 or EAI_*. Never
 * waits. */
int names_failure(const char *host);
/* No address of it is known, and its lookup is under way. Never waits. */
bool names_pending(const char *host);

/* Of several addresses, the one to try after `last` (NULL: none was tried yet): the one that
 * worked, for LIMIT_HOST_ATTEMPTS; then in turn. At least one. */
const struct sockaddr_storage *names_choose(const char *host,
                                            const struct host_addresses *addresses,
                                            const struct sockaddr_storage *last);
/* A connection came to this address, which the next attempts begin with. */
void names_worked(const char *host, const struct sockaddr_storage *address);
/* An attempt hangs: the next begins elsewhere. */
void names_doubt(const char *host);
/* It has several addresses, by the last lookup. */
bool names_several(const char *host);

bool names_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* The host of "tcp://host:port", "tls+tcp://[::1]:7000"; false: it has none. */
bool names_host_of(const char *address, char out[LIMIT_ADDRESS_BYTES]);
/* The port of such an address; false: what stands there is no number from 1 to 65535. */
bool names_port_of(const char *address, uint16_t *out);

#endif
