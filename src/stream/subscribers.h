/* Who is connected to a publisher: how many in all, and from one address. A publisher queues for
 * each of them, so that their number bounds what they can cost; whoever never reads is closed by
 * TCP after LIMIT_TCP_UNANSWERED_MS.
 *
 * Threads: any; the lock is a leaf. */
#ifndef STREAM_SUBSCRIBERS_H
#define STREAM_SUBSCRIBERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

#include "base/limits.h"

struct subscriber {
    uint32_t pipe;
    nng_sockaddr from;
};

struct subscribers {
    char address[LIMIT_ADDRESS_BYTES]; /* of the publisher */
    pthread_mutex_t lock;
    uint32_t count;
    struct subscriber at[LIMIT_STREAM_SUBSCRIBERS];
    uint64_t refused_count; /* since the last line in the log */
    uint64_t logged_ns;
};

void subscribers_init(struct subscribers *subscribers, const char *address);
void subscribers_free(struct subscribers *subscribers);
/* Before it is served. False: there are too many, in all or from its address. */
bool subscribers_add(struct subscribers *subscribers, uint32_t pipe, const nng_sockaddr *from);
bool subscribers_none(struct subscribers *subscribers);
void subscribers_remove(struct subscribers *subscribers, uint32_t pipe);

#endif
