/* Options of the TCP sockets that NNG opens, at link time (-Wl,--wrap=nni_posix_pfd_init; see
 * CMakeLists.txt): every socket, dialled or accepted, comes by nni_posix_pfd_init() before it is
 * used, and NNG has no options for these.
 *
 * A peer that vanished without a word (its machine died, a cable was cut) is noticed: keepalive,
 * and a limit on how long what was sent may stay unanswered. NNG itself has no limit, and TCP's own
 * is a quarter of an hour.
 *
 * The port that the kernel draws for an outgoing connection may be one at which a node of this
 * machine is about to listen, even the one that is dialled: then the dialer meets itself. NNG drops
 * that connection (its two ends speak the same half of a protocol), but the port would stay taken
 * for the minute of TIME_WAIT. With SO_REUSEADDR at both, who listens gets it. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/limits.h"

struct nni_posix_pfd;
int __real_nni_posix_pfd_init(struct nni_posix_pfd **out, int fd);
int __wrap_nni_posix_pfd_init(struct nni_posix_pfd **out, int fd);

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/* What fails is left as it was: the connection works without. */
static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static void set_options(int fd)
{
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, LIMIT_TCP_IDLE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, LIMIT_TCP_PROBE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, LIMIT_TCP_PROBES);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, LIMIT_TCP_UNANSWERED_MS);
}

/* NNG switches keepalive off again where its own option is not set, dialled or accepted. */
struct nni_tcp_conn;
void __real_nni_posix_tcp_start(struct nni_tcp_conn *connection, int nodelay, int keepalive);
void __wrap_nni_posix_tcp_start(struct nni_tcp_conn *connection, int nodelay, int keepalive);

void __wrap_nni_posix_tcp_start(struct nni_tcp_conn *connection, int nodelay, int keepalive)
{
    (void)keepalive;
    __real_nni_posix_tcp_start(connection, nodelay, 1);
}

int __wrap_nni_posix_pfd_init(struct nni_posix_pfd **out, int fd)
{
    int domain = option_of(fd, SO_DOMAIN);
    if ((domain == AF_INET || domain == AF_INET6) && option_of(fd, SO_ACCEPTCONN) == 0)
        set_options(fd);
    return __real_nni_posix_pfd_init(out, fd);
}
