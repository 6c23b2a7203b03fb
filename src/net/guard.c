/* Descriptors: a reserve, and an end for connections that do not speak. */
#include "net/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/types.h"

#define HANDSHAKE_BYTES 8
#define SETTLED UINT64_MAX /* instead of a time: it has spoken */
#define LOG_AGAIN_NS (60 * NS_PER_S)

int __real_accept(int listener, struct sockaddr *address, socklen_t *length);
int __wrap_accept(int listener, struct sockaddr *address, socklen_t *length);
int __real_close(int fd);
int __wrap_close(int fd);

/* When each descriptor was accepted; 0: it is no connection of ours. Written under the lock. */
static atomic_uint_fast64_t since_ns[LIMIT_DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* No connection has a descriptor from here on. */
static int end_fd;
/* By how much the newest connection, taken or refused, is over the line, less those that have been
 * closed since. */
static atomic_int excess;
static atomic_uint_fast64_t refused_count;
static atomic_uint_fast64_t silent_count;
static atomic_uint_fast64_t logged_ns;

/* ---- Limits ---------------------------------------------------------------------------------- */

static size_t soft_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > LIMIT_DESCRIPTORS)
        return LIMIT_DESCRIPTORS;
    return (size_t)limit.rlim_cur;
}

size_t guard_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < LIMIT_DESCRIPTORS &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur =
            limit.rlim_max < LIMIT_DESCRIPTORS ? limit.rlim_max : (rlim_t)LIMIT_DESCRIPTORS;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* with fewer there are fewer connections */
    }
    return soft_limit();
}

/* The first descriptor of the reserve. */
static int reserve_begin(void)
{
    size_t limit = soft_limit();
    size_t reserve = limit / 4 < LIMIT_DESCRIPTOR_RESERVE ? limit / 4 : LIMIT_DESCRIPTOR_RESERVE;
    return (int)(limit - reserve);
}

/* Connections beyond this line push idle ones out. */
static int pressure_begin(void)
{
    int reserve = reserve_begin();
    return reserve - reserve / 8;
}

size_t guard_excess(void)
{
    int now = atomic_load(&excess);
    return now > 0 ? (size_t)now : 0;
}

struct guard_counts guard_counts(void)
{
    return (struct guard_counts){atomic_load(&refused_count), atomic_load(&silent_count)};
}

/* ---- Coming and going ------------------------------------------------------------------------ */

static void log_refused(const char *why)
{
    uint64_t count = atomic_fetch_add(&refused_count, 1) + 1;
    uint64_t now_ns = clock_boot_ns();
    uint64_t before_ns = atomic_load(&logged_ns);
    if (before_ns != 0 && saturating_sub(now_ns, before_ns) < LOG_AGAIN_NS)
        return;
    if (atomic_compare_exchange_strong(&logged_ns, &before_ns, now_ns))
        log_warn("connections_refused",
                 "refused=%" PRIu64 " why=\"%s\" descriptors=%zu kept_for_files=%zu "
                 "way_out=\"raise the limit of open files (ulimit -n), or close connections\"",
                 count, why, soft_limit(), soft_limit() - (size_t)reserve_begin());
}

static void take(int fd)
{
    pthread_mutex_lock(&lock);
    atomic_store(&since_ns[fd], clock_boot_ns());
    if (fd >= end_fd)
        end_fd = fd + 1;
    atomic_store(&excess, fd - pressure_begin() + 1);
    pthread_mutex_unlock(&lock);
}

/* As accept(), which has no way to say CLOEXEC. Who is refused looks to NNG like who has hung up
 * meanwhile. */
int __wrap_accept(int listener, struct sockaddr *address, socklen_t *length)
{
    int fd = accept4(listener, address, length, SOCK_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
            log_refused(strerror(error));
        errno = error;
        return fd;
    }
    if (fd >= reserve_begin()) {
        __real_close(fd);
        /* However few the newest ones seemed, filling gaps: now there is no place left. */
        atomic_store(&excess, fd - pressure_begin() + 1);
        log_refused("the rest is kept for files");
        errno = ECONNABORTED;
        return -1;
    }
    take(fd);
    return fd;
}

int __wrap_close(int fd)
{
    if (fd >= 0 && fd < LIMIT_DESCRIPTORS && atomic_load(&since_ns[fd]) != 0) {
        pthread_mutex_lock(&lock);
        atomic_store(&since_ns[fd], 0);
        atomic_fetch_sub(&excess, 1);
        pthread_mutex_unlock(&lock);
    }
    return __real_close(fd);
}

/* ---- Who does not speak ---------------------------------------------------------------------- */

/* Not a TCP connection: settled. */
static bool has_spoken(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
           info.tcpi_bytes_received >= HANDSHAKE_BYTES;
}

/* The lock keeps the descriptor from being closed, and given to another file, meanwhile. NNG sees a
 * connection that has ended, and closes it. */
static void look_at(int fd, uint64_t age_ns, uint64_t allowed_ns)
{
    if (has_spoken(fd)) {
        atomic_store(&since_ns[fd], SETTLED);
    } else if (age_ns > allowed_ns) {
        shutdown(fd, SHUT_RDWR);
        atomic_fetch_add(&silent_count, 1);
        atomic_store(&since_ns[fd], SETTLED);
    }
}

void guard_tend(uint64_t now_ns)
{
    uint64_t allowed_ns =
        (guard_excess() > 0 ? LIMIT_HANDSHAKE_PRESSED_MS : LIMIT_HANDSHAKE_MS) * NS_PER_MS;
    int highest = 0;
    pthread_mutex_lock(&lock);
    for (int fd = 0; fd < end_fd; fd++) {
        uint64_t since = atomic_load_explicit(&since_ns[fd], memory_order_relaxed);
        if (since == 0)
            continue;
        highest = fd;
        if (since != SETTLED && now_ns > since)
            look_at(fd, now_ns - since, allowed_ns);
    }
    end_fd = highest + 1;
    pthread_mutex_unlock(&lock);
}
