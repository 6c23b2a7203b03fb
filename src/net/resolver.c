/* net/names.h in the place of NNG's resolver, at link time (-Wl,--wrap=nni_resolv_ip; see
 * CMakeLists.txt).
 *
 * A dialer asks before each of its attempts, and leaves in `out` what it was told the last time: so
 * each dialer goes through the addresses of its host in turn, without a memory of its own here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>

#include "net/resolver.h"

void __real_nni_resolv_ip(const char *host, const char *service, int family, bool passive,
                          nng_sockaddr *out, nng_aio *aio);
void __wrap_nni_resolv_ip(const char *host, const char *service, int family, bool passive,
                          nng_sockaddr *out, nng_aio *aio);
int nni_aio_begin(nng_aio *aio);
int nni_aio_schedule(nng_aio *aio, void (*cancel)(nng_aio *aio, void *closure, int error),
                     void *closure);
void nni_aio_finish(nng_aio *aio, int error, size_t count);
void nni_aio_finish_error(nng_aio *aio, int error);

struct resolution {
    struct names_query query; /* first: names.c gives a pointer to it */
    nng_aio *aio;             /* its key */
    char host[LIMIT_ADDRESS_BYTES];
    uint16_t port; /* in the order of the network */
    int family;
    bool passive;
    nng_sockaddr *out;
};

/* ---- Addresses as NNG has them --------------------------------------------------------------- */

static void to_nng(const struct sockaddr_storage *address, uint16_t port, nng_sockaddr *out)
{
    memset(out, 0, sizeof *out);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        out->s_in.sa_family = NNG_AF_INET;
        out->s_in.sa_port = port;
        out->s_in.sa_addr = v4->sin_addr.s_addr;
        return;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    out->s_in6.sa_family = NNG_AF_INET6;
    out->s_in6.sa_port = port;
    out->s_in6.sa_scope = v6->sin6_scope_id;
    memcpy(out->s_in6.sa_addr, &v6->sin6_addr, sizeof out->s_in6.sa_addr);
}

bool resolver_address(const nng_sockaddr *address, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = address->s_in.sa_addr};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_scope_id = address->s_in6.sa_scope};
    memset(out, 0, sizeof *out);
    if (address->s_family == NNG_AF_INET) {
        memcpy(out, &v4, sizeof v4);
    } else if (address->s_family == NNG_AF_INET6) {
        memcpy(&v6.sin6_addr, address->s_in6.sa_addr, sizeof v6.sin6_addr);
        memcpy(out, &v6, sizeof v6);
    }
    return out->ss_family != AF_UNSPEC;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static void keep_family(const struct host_addresses *addresses, int family,
                        struct host_addresses *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < addresses->count; i++) {
        int own = addresses->at[i].ss_family == AF_INET ? NNG_AF_INET : NNG_AF_INET6;
        if (family == NNG_AF_UNSPEC || family == own)
            out->at[out->count++] = addresses->at[i];
    }
}

static bool can_be_bound(const struct sockaddr_storage *address)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool bound = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    close(fd);
    return bound;
}

/* The first that is this machine's. None is: the first, whose refusal the listener will tell. */
static const struct sockaddr_storage *choose_own(const struct host_addresses *addresses)
{
    for (uint32_t i = 0; i < addresses->count && addresses->count > 1; i++)
        if (can_be_bound(&addresses->at[i]))
            return &addresses->at[i];
    return &addresses->at[0];
}

static const struct sockaddr_storage *choose(const struct resolution *resolution,
                                             const struct host_addresses *addresses)
{
    struct sockaddr_storage last;
    if (resolution->passive)
        return choose_own(addresses);
    bool tried = resolver_address(resolution->out, &last);
    return names_choose(resolution->host, addresses, tried ? &last : NULL);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static void answered(struct names_query *query, int error, const struct host_addresses *addresses)
{
    struct resolution *resolution = (struct resolution *)query;
    nng_aio *aio = resolution->aio;
    struct host_addresses fitting;
    keep_family(addresses, resolution->family, &fitting);
    bool found = error == 0 && fitting.count > 0;
    if (found)
        to_nng(choose(resolution, &fitting), resolution->port, resolution->out);
    free(resolution); /* before the end: the dialer may ask anew at once */
    if (found)
        nni_aio_finish(aio, 0, 0);
    else
        nni_aio_finish_error(aio, error == EAI_MEMORY ? NNG_ENOMEM : NNG_EADDRINVAL);
}

/* The resolution may be gone already: only what names.c still has is touched. */
static void cancelled(nng_aio *aio, void *closure, int error)
{
    (void)closure;
    struct resolution *resolution = (struct resolution *)names_forget(aio);
    if (resolution == NULL)
        return;
    free(resolution);
    nni_aio_finish_error(aio, error);
}

static bool waits(struct names_query *query)
{
    struct resolution *resolution = (struct resolution *)query;
    return nni_aio_schedule(resolution->aio, cancelled, resolution) == 0;
}

static bool port_of(const char *service, uint16_t *out)
{
    char *end;
    errno = 0;
    unsigned long port = strtoul(service, &end, 10);
    *out = htons((uint16_t)port);
    return errno == 0 && end != service && *end == '\0' && port <= UINT16_MAX;
}

void __wrap_nni_resolv_ip(const char *host, const char *service, int family, bool passive,
                          nng_sockaddr *out, nng_aio *aio)
{
    uint16_t port;
    if (host == NULL || host[0] == '\0' || strlen(host) >= LIMIT_ADDRESS_BYTES || service == NULL ||
        !port_of(service, &port)) {
        __real_nni_resolv_ip(host, service, family, passive, out, aio);
        return;
    }
    if (nni_aio_begin(aio) != 0)
        return;
    struct resolution *resolution = calloc(1, sizeof *resolution);
    if (resolution == NULL) {
        nni_aio_finish_error(aio, NNG_ENOMEM);
        return;
    }
    *resolution = (struct resolution){
        .query = {.key = aio, .waits = waits, .answered = answered},
        .aio = aio,
        .port = port,
        .family = family,
        .passive = passive,
        .out = out,
    };
    memcpy(resolution->host, host, strlen(host));
    if (names_ask(host, &resolution->query))
        return;
    free(resolution);
    nni_aio_finish_error(aio, NNG_ECLOSED);
}
