/* Waiting for the own name to resolve and for the own port to be free. */
#include "net/own_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/types.h"
#include "net/names.h"

#define PAUSE_MS 50
#define LOOKUP_MS 250          /* of waiting for an answer before `ended` is asked again */
#define LOG_NS (10 * NS_PER_S) /* between two lines that say the same */

struct await {
    const char *address;
    char host[LIMIT_ADDRESS_BYTES];
    uint16_t port;
    uint64_t refused_since_ns; /* 0: not refused yet */
    uint64_t logged_ns;        /* 0: no line yet */
};

/* 0, or errno. */
static int try_to_bind(const struct sockaddr_storage *address, uint16_t port)
{
    struct sockaddr_storage at = *address;
    int on = 1;
    if (at.ss_family == AF_INET)
        ((struct sockaddr_in *)&at)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)&at)->sin6_port = htons(port);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* not known: the listener will see */
    if (fd < 0)
        return 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* as NNG does */
    int error = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 ? 0 : errno;
    close(fd);
    return error;
}

/* As the listener will: the first that is this machine's. */
static int try_all(const struct host_addresses *addresses, uint16_t port)
{
    int error = EADDRNOTAVAIL;
    for (uint32_t i = 0; i < addresses->count && error == EADDRNOTAVAIL; i++)
        error = try_to_bind(&addresses->at[i], port);
    return error;
}

static void tell(struct await *await, const char *event, const char *why)
{
    uint64_t now_ns = clock_boot_ns();
    if (await->logged_ns != 0 && now_ns - await->logged_ns < LOG_NS)
        return;
    await->logged_ns = now_ns;
    log_warn(event, "address=%s why=\"%s\" retry_ms=%d", await->address, why, PAUSE_MS);
}

static bool refused_too_long(struct await *await)
{
    uint64_t now_ns = clock_boot_ns();
    if (await->refused_since_ns == 0)
        await->refused_since_ns = now_ns;
    return now_ns - await->refused_since_ns >= LIMIT_ADDRESS_WAIT_MS * NS_PER_MS;
}

static void pause_a_moment(void)
{
    struct timespec pause = {.tv_nsec = PAUSE_MS * NS_PER_MS};
    nanosleep(&pause, NULL);
}

/* CANCELLED stands for: not yet. */
static enum candor_code attempt(struct await *await, struct candor_error *err)
{
    struct host_addresses addresses;
    int failure = names_within(await->host, LOOKUP_MS, &addresses);
    if (failure != 0) {
        tell(await, "own_name_unresolved", gai_strerror(failure));
        return CANDOR_CANCELLED;
    }
    int error = try_all(&addresses, await->port);
    if (error == 0)
        return CANDOR_OK;
    bool passing = error == EADDRINUSE || error == EADDRNOTAVAIL;
    if (!passing || refused_too_long(await))
        return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                                "cannot listen on %s: %s%s", await->address, strerror(error),
                                passing ? ", also after some seconds" : "");
    tell(await, "own_address_refused", strerror(error));
    return CANDOR_CANCELLED;
}

enum candor_code own_address_await(const char *address, const struct own_address_wait *wait,
                                   struct candor_error *err)
{
    struct await await = {.address = address};
    if (!names_host_of(address, await.host) || !names_port_of(address, &await.port))
        return CANDOR_OK;
    for (;;) {
        enum candor_code code = attempt(&await, err);
        if (code != CANDOR_CANCELLED)
            return code;
        if (wait->ended != NULL && wait->ended(wait->closure))
            return candor_error_set(err, CANDOR_CANCELLED, CANDOR_REASON_SHUTTING_DOWN,
                                    "ended while waiting for %s", address);
        pause_a_moment();
    }
}
