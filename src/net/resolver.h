/* Addresses of NNG as those of net/names.h. The rest of resolver.c takes the place of NNG's
 * resolver when it is linked. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <nng/nng.h>

#include "net/names.h"

/* False: neither IPv4 nor IPv6. The port stays behind. */
bool resolver_address(const nng_sockaddr *address, struct sockaddr_storage *out);

#endif
