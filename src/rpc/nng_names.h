/* Addresses of NNG as those of rpc/names.h. The rest of nng_names.c takes the place of NNG's
 * resolver when it is linked. */
#ifndef RPC_NNG_NAMES_H
#define RPC_NNG_NAMES_H

#include <nng/nng.h>

#include "rpc/names.h"

/* False: neither IPv4 nor IPv6. The port stays behind. */
bool names_of_nng(const nng_sockaddr *address, struct sockaddr_storage *out);

#endif
