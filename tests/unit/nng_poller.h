/* How often NNG's poller is woken: programs that are linked with --wrap=epoll_wait. */
#ifndef NNG_POLLER_H
#define NNG_POLLER_H

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>

#include "base/assert.h"

int __real_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout);
struct nni_posix_pfd;
int nni_posix_pfd_init(struct nni_posix_pfd **out, int fd);
void nni_posix_pfd_fini(struct nni_posix_pfd *pfd);
static atomic_int poller_wakes;

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    int count = __real_epoll_wait(epoll, events, most, timeout);
    atomic_fetch_add(&poller_wakes, 1);
    return count;
}

#define UNCONNECTED_WAKES 500

/* Says how often the poller was woken while it had a socket that is not connected, as a dialer's is
 * whose attempt has failed. */
static inline int keep_an_unconnected_socket(int in, int out, void *closure)
{
    nng_aio *aio;
    struct nni_posix_pfd *pfd;
    ASSERT(nng_aio_alloc(&aio, NULL, NULL) == 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT(fd >= 0 && nni_posix_pfd_init(&pfd, fd) == 0);
    for (int i = 0; i < 100 && atomic_load(&poller_wakes) < UNCONNECTED_WAKES; i++) {
        nng_sleep_aio(2, aio);
        nng_aio_wait(aio);
    }
    int wakes = atomic_load(&poller_wakes);
    nni_posix_pfd_fini(pfd);
    nng_aio_free(aio);
    ASSERT(write(out, &wakes, sizeof wakes) == sizeof wakes);
    (void)in;
    (void)closure;
    return 0;
}

#endif
