/* Subscribers of a publisher, counted by address. */
#include "stream/subscribers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/types.h"

#define LOG_NS (60 * NS_PER_S) /* between two lines about refusals */

void subscribers_init(struct subscribers *subscribers, const char *address)
{
    memset(subscribers, 0, sizeof *subscribers);
    snprintf(subscribers->address, sizeof subscribers->address, "%s", address);
    pthread_mutex_init(&subscribers->lock, NULL);
}

void subscribers_free(struct subscribers *subscribers)
{
    pthread_mutex_destroy(&subscribers->lock);
}

/* Ports apart. Without an address (ipc) they are one. */
static bool same_host(const nng_sockaddr *a, const nng_sockaddr *b)
{
    if (a->s_family != b->s_family)
        return false;
    if (a->s_family == NNG_AF_INET)
        return a->s_in.sa_addr == b->s_in.sa_addr;
    if (a->s_family == NNG_AF_INET6)
        return memcmp(a->s_in6.sa_addr, b->s_in6.sa_addr, sizeof a->s_in6.sa_addr) == 0;
    return true;
}

/* Under the lock. */
static bool has_room(const struct subscribers *subscribers, const nng_sockaddr *from)
{
    uint32_t neighbours = 0;
    for (uint32_t i = 0; i < subscribers->count; i++)
        neighbours += same_host(&subscribers->at[i].from, from);
    return subscribers->count < LIMIT_STREAM_SUBSCRIBERS &&
           neighbours < LIMIT_STREAM_SUBSCRIBERS_OF_ONE;
}

/* Under the lock. How many refusals to tell of now; 0: not yet. */
static uint64_t note_refusal(struct subscribers *subscribers)
{
    uint64_t now_ns = clock_boot_ns();
    subscribers->refused_count++;
    if (subscribers->logged_ns != 0 && now_ns - subscribers->logged_ns < LOG_NS)
        return 0;
    uint64_t count = subscribers->refused_count;
    subscribers->logged_ns = now_ns;
    subscribers->refused_count = 0;
    return count;
}

bool subscribers_add(struct subscribers *subscribers, uint32_t pipe, const nng_sockaddr *from)
{
    pthread_mutex_lock(&subscribers->lock);
    bool room = has_room(subscribers, from);
    if (room)
        subscribers->at[subscribers->count++] = (struct subscriber){.pipe = pipe, .from = *from};
    uint64_t refused = room ? 0 : note_refusal(subscribers);
    pthread_mutex_unlock(&subscribers->lock);
    if (refused > 0)
        log_warn("subscribers_refused",
                 "address=%s count=%" PRIu64 " limit=%d limit_of_one_host=%d", subscribers->address,
                 refused, LIMIT_STREAM_SUBSCRIBERS, LIMIT_STREAM_SUBSCRIBERS_OF_ONE);
    return room;
}

bool subscribers_none(struct subscribers *subscribers)
{
    pthread_mutex_lock(&subscribers->lock);
    bool none = subscribers->count == 0;
    pthread_mutex_unlock(&subscribers->lock);
    return none;
}

void subscribers_remove(struct subscribers *subscribers, uint32_t pipe)
{
    pthread_mutex_lock(&subscribers->lock);
    for (uint32_t i = 0; i < subscribers->count; i++) {
        if (subscribers->at[i].pipe != pipe)
            continue;
        subscribers->at[i] = subscribers->at[--subscribers->count];
        break;
    }
    pthread_mutex_unlock(&subscribers->lock);
}
