/* Names of hosts: looked up on threads of their own, remembered. */
#include "net/names.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/thread.h"
#include "base/types.h"

/* What is known of a name. */
struct host {
    char name[LIMIT_ADDRESS_BYTES]; /* "": the place is free */
    struct host_addresses addresses;
    int error; /* EAI_* of the last lookup; 0: found, or not ended yet */
    uint64_t known_ns;
    uint64_t asked_ns;
    bool looking; /* a thread is at it: the place is not given away */
    struct names_query *waiting;
    struct sockaddr_storage worked;
    uint32_t attempts; /* still to begin with `worked` */
    bool doubted; /* an attempt hung since something worked: the first is no better than another */
};

static int look_up(const char *host, struct host_addresses *out);

static struct {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t ended; /* a lookup */
    struct host hosts[LIMIT_HOSTS];
    uint32_t lookups;
    names_lookup lookup;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .lookup = look_up};

/* ---- Addresses ------------------------------------------------------------------------------- */

bool names_numeric(const char *host, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        memcpy(out, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        memcpy(out, &v6, sizeof v6);
    return out->ss_family != AF_UNSPEC;
}

bool names_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    const struct sockaddr_in6 *one = (const struct sockaddr_in6 *)a;
    const struct sockaddr_in6 *other = (const struct sockaddr_in6 *)b;
    return memcmp(&one->sin6_addr, &other->sin6_addr, sizeof one->sin6_addr) == 0 &&
           one->sin6_scope_id == other->sin6_scope_id;
}

bool names_host_of(const char *address, char out[LIMIT_ADDRESS_BYTES])
{
    const char *scheme_end = strstr(address, "://");
    if (scheme_end == NULL || strncmp(address, "ipc", 3) == 0)
        return false;
    const char *host = scheme_end + 3;
    bool bracketed = *host == '[';
    host += bracketed;
    size_t length = bracketed ? strcspn(host, "]") : strcspn(host, ":/");
    if (length == 0 || length >= LIMIT_ADDRESS_BYTES)
        return false;
    memcpy(out, host, length);
    out[length] = '\0';
    return true;
}

static void keep(struct host_addresses *out, const struct addrinfo *found)
{
    bool usable = (found->ai_family == AF_INET || found->ai_family == AF_INET6) &&
                  found->ai_addrlen <= sizeof out->at[0];
    if (!usable || out->count == LIMIT_HOST_ADDRESSES)
        return;
    struct sockaddr_storage *at = &out->at[out->count];
    memset(at, 0, sizeof *at);
    memcpy(at, found->ai_addr, found->ai_addrlen);
    for (uint32_t i = 0; i < out->count; i++)
        if (names_same_address(&out->at[i], at))
            return;
    out->count++;
}

bool names_port_of(const char *address, uint16_t *out)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    *out = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX && *end == '\0';
}

static int look_up(const char *host, struct host_addresses *out)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    out->count = 0;
    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0)
        return error;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        keep(out, at);
    freeaddrinfo(found);
    return out->count > 0 ? 0 : EAI_NONAME;
}

/* ---- The table. All under the lock ----------------------------------------------------------- */

static struct host *find(const char *name)
{
    for (uint32_t i = 0; i < LIMIT_HOSTS && name[0] != '\0'; i++)
        if (strcmp(names.hosts[i].name, name) == 0)
            return &names.hosts[i];
    return NULL;
}

/* In a free place, or that of the name which was asked for longest ago. NULL: all are being looked
 * up. */
static struct host *find_or_add(const char *name)
{
    struct host *host = find(name);
    if (host != NULL)
        return host;
    for (uint32_t i = 0; i < LIMIT_HOSTS; i++) {
        struct host *at = &names.hosts[i];
        if (!at->looking && (host == NULL || at->asked_ns < host->asked_ns))
            host = at;
    }
    if (host == NULL)
        return NULL;
    *host = (struct host){0};
    strncpy(host->name, name, sizeof host->name - 1);
    return host;
}

static struct names_query *unlink_query(struct host *host, const void *key)
{
    struct names_query **at = &host->waiting;
    while (*at != NULL && (*at)->key != key)
        at = &(*at)->next;
    struct names_query *found = *at;
    if (found != NULL)
        *at = found->next;
    return found;
}

/* A name that is no more is forgotten; a name server that does not answer says nothing. */
static struct names_query *learn(struct host *host, int error,
                                 const struct host_addresses *addresses)
{
    host->error = error;
    if (error == 0)
        host->addresses = *addresses;
    else if (error == EAI_NONAME || error == EAI_NODATA)
        host->addresses.count = 0;
    host->known_ns = clock_boot_ns();
    host->looking = false;
    names.lookups--;
    pthread_cond_broadcast(&names.ended);
    struct names_query *waiting = host->waiting;
    host->waiting = NULL;
    return waiting;
}

/* ---- Looking up ------------------------------------------------------------------------------ */

static void answer(struct names_query *query, const struct host_addresses *known, int error)
{
    query->answered(query, known->count > 0 ? 0 : error, known);
}

static void *lookup_thread(void *closure)
{
    struct host *host = closure; /* stays while `looking` */
    struct host_addresses addresses = {0};
    char name[LIMIT_ADDRESS_BYTES];
    pthread_mutex_lock(&names.lock);
    memcpy(name, host->name, sizeof name);
    names_lookup lookup = names.lookup;
    pthread_mutex_unlock(&names.lock);

    int error = lookup(name, &addresses);

    pthread_mutex_lock(&names.lock);
    struct names_query *waiting = learn(host, error, &addresses);
    struct host_addresses known = host->addresses;
    pthread_mutex_unlock(&names.lock);
    while (waiting != NULL) {
        struct names_query *next = waiting->next; /* the query may be gone when it is answered */
        answer(waiting, &known, error);
        waiting = next;
    }
    return NULL;
}

/* Under the lock. One thread a name, and not more than LIMIT_LOOKUPS: whoever finds none asks again
 * later. */
static bool begin_lookup(struct host *host)
{
    if (host->looking)
        return true;
    if (names.lookups == LIMIT_LOOKUPS)
        return false;
    host->looking = true;
    names.lookups++;
    if (thread_begin(NULL, lookup_thread, host))
        return true;
    host->looking = false;
    names.lookups--;
    return false;
}

/* Under the lock. What is known is good for the moment, and is looked up again when it is not
 * new. */
static bool known_at_once(struct host *host, struct host_addresses *known)
{
    uint64_t now_ns = clock_boot_ns();
    host->asked_ns = now_ns;
    if (host->addresses.count == 0)
        return false;
    if (now_ns - host->known_ns >= LIMIT_HOST_FRESH_MS * NS_PER_MS)
        (void)begin_lookup(host);
    *known = host->addresses;
    return true;
}

enum outcome { ANSWERED, WAITING, GIVEN_UP };

/* Under the lock. ANSWERED: by `known` or `error`. */
static enum outcome take_up(struct host *host, struct names_query *query,
                            struct host_addresses *known, int *error)
{
    if (host != NULL && known_at_once(host, known))
        return ANSWERED;
    if (host == NULL || !begin_lookup(host)) {
        *error = EAI_AGAIN;
        return ANSWERED;
    }
    if (query->waits != NULL && !query->waits(query))
        return GIVEN_UP;
    query->next = host->waiting;
    host->waiting = query;
    return WAITING;
}

bool names_ask(const char *name, struct names_query *query)
{
    struct host_addresses known = {0};
    int error = 0;
    enum outcome outcome = ANSWERED;
    known.count = names_numeric(name, &known.at[0]);
    if (known.count == 0) {
        pthread_mutex_lock(&names.lock);
        outcome = take_up(find_or_add(name), query, &known, &error);
        pthread_mutex_unlock(&names.lock);
    }
    if (outcome == ANSWERED)
        answer(query, &known, error);
    return outcome != GIVEN_UP;
}

struct names_query *names_forget(const void *key)
{
    struct names_query *found = NULL;
    pthread_mutex_lock(&names.lock);
    for (uint32_t i = 0; i < LIMIT_HOSTS && found == NULL; i++)
        found = unlink_query(&names.hosts[i], key);
    pthread_mutex_unlock(&names.lock);
    return found;
}

/* One that waits, on its stack. */
struct waiter {
    struct names_query query; /* first */
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool answered;
    int error;
    struct host_addresses *out;
};

static void wake(struct names_query *query, int error, const struct host_addresses *addresses)
{
    struct waiter *waiter = (struct waiter *)query;
    pthread_mutex_lock(&waiter->lock);
    waiter->error = error;
    *waiter->out = *addresses;
    waiter->answered = true;
    pthread_cond_signal(&waiter->came);
    pthread_mutex_unlock(&waiter->lock);
}

/* Waits until it is answered, at most so long. */
static void wait_for_answer(struct waiter *waiter, uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + ms * NS_PER_MS;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    pthread_mutex_lock(&waiter->lock);
    int timed_out = 0;
    while (!waiter->answered && timed_out == 0)
        timed_out = pthread_cond_timedwait(&waiter->came, &waiter->lock, &until);
    pthread_mutex_unlock(&waiter->lock);
}

int names_within(const char *name, uint32_t ms, struct host_addresses *out)
{
    struct waiter waiter = {.query = {.key = &waiter, .answered = wake},
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .came = PTHREAD_COND_INITIALIZER,
                            .error = EAI_AGAIN,
                            .out = out};
    names_ask(name, &waiter.query);
    wait_for_answer(&waiter, ms);
    if (names_forget(&waiter) == NULL) { /* it was answered, or is about to be */
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.answered)
            pthread_cond_wait(&waiter.came, &waiter.lock);
        pthread_mutex_unlock(&waiter.lock);
    }
    pthread_mutex_destroy(&waiter.lock);
    pthread_cond_destroy(&waiter.came);
    return waiter.error;
}

int names_failure(const char *name)
{
    int error = 0;
    pthread_mutex_lock(&names.lock);
    const struct host *host = find(name);
    if (host != NULL && host->addresses.count == 0)
        error = host->error;
    pthread_mutex_unlock(&names.lock);
    return error;
}

bool names_pending(const char *name)
{
    pthread_mutex_lock(&names.lock);
    const struct host *host = find(name);
    bool pending = host != NULL && host->addresses.count == 0 && host->looking;
    pthread_mutex_unlock(&names.lock);
    return pending;
}

void names_replace_lookup(names_lookup lookup)
{
    pthread_mutex_lock(&names.lock);
    while (names.lookups > 0) /* each of them writes into its place of the table when it ends */
        pthread_cond_wait(&names.ended, &names.lock);
    memset(names.hosts, 0, sizeof names.hosts);
    names.lookup = lookup == NULL ? look_up : lookup;
    pthread_mutex_unlock(&names.lock);
}

/* ---- Which of several ------------------------------------------------------------------------ */

static const struct sockaddr_storage *find_address(const struct host_addresses *addresses,
                                                   const struct sockaddr_storage *wanted)
{
    for (uint32_t i = 0; i < addresses->count; i++)
        if (names_same_address(&addresses->at[i], wanted))
            return &addresses->at[i];
    return NULL;
}

static bool take_attempt(const char *name, struct sockaddr_storage *worked, bool *doubted)
{
    pthread_mutex_lock(&names.lock);
    struct host *host = find(name);
    bool taken = host != NULL && host->attempts > 0;
    *doubted = host != NULL && host->doubted;
    if (taken) {
        host->attempts--;
        *worked = host->worked;
    }
    pthread_mutex_unlock(&names.lock);
    return taken;
}

const struct sockaddr_storage *names_choose(const char *name,
                                            const struct host_addresses *addresses,
                                            const struct sockaddr_storage *last)
{
    if (addresses->count <= 1)
        return &addresses->at[0];
    struct sockaddr_storage worked;
    bool doubted;
    const struct sockaddr_storage *good = NULL;
    if (take_attempt(name, &worked, &doubted))
        good = find_address(addresses, &worked);
    if (good != NULL)
        return good;
    const struct sockaddr_storage *before = last == NULL ? NULL : find_address(addresses, last);
    if (before != NULL)
        return &addresses->at[(uint32_t)(before - addresses->at + 1) % addresses->count];
    /* Drawn: dialers that begin anew at the same time do not all come back to the one that
     * hangs. */
    return &addresses->at[doubted ? random_u64_nonzero() % addresses->count : 0];
}

void names_worked(const char *name, const struct sockaddr_storage *address)
{
    pthread_mutex_lock(&names.lock);
    struct host *host = find(name);
    if (host != NULL) {
        host->worked = *address;
        host->attempts = LIMIT_HOST_ATTEMPTS;
        host->doubted = false;
    }
    pthread_mutex_unlock(&names.lock);
}

void names_doubt(const char *name)
{
    pthread_mutex_lock(&names.lock);
    struct host *host = find(name);
    if (host != NULL) {
        host->attempts = 0;
        host->doubted = true;
    }
    pthread_mutex_unlock(&names.lock);
}

bool names_several(const char *name)
{
    pthread_mutex_lock(&names.lock);
    const struct host *host = find(name);
    bool several = host != NULL && host->addresses.count > 1;
    pthread_mutex_unlock(&names.lock);
    return several;
}
