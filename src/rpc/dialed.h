/* A socket that one dialer keeps connected: what the dialer of NNG leaves to its user.
 *
 * NNG re-connects by itself (10 to 250 ms apart), but a connect that hangs (SYN_SENT) follows TCP's doubling retries,
 * and a connection whose peer vanished silently stays until TCP gives up: a healed partition would be noticed late.
 * So a connection that is in doubt is dropped, and a dialer that hangs is made anew (only while it has no connection:
 * closing one in mid-handshake can leak). Threads: any, but not from `changed` or another NNG callback. */
#ifndef RPC_DIALED_H
#define RPC_DIALED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

#include "base/types.h"

struct dialed {
    nng_socket socket;
    char address[LIMIT_ADDRESS_BYTES];
    /* The connection came or went. On an NNG thread, under the lock: hands over, nothing more. May be NULL. */
    void (*changed)(void *closure, bool up);
    void *closure;
    pthread_mutex_t lock; /* before any lock of NNG */
    nng_dialer dialer;
    uint64_t dialed_ns;
    uint32_t removed;              /* newest connection that went */
    atomic_uint_fast32_t pipe;     /* 0: none */
    atomic_uint_fast64_t since_ns; /* of the last change of `pipe` */
};

/* Starts dialling in the background. `dialed` must stay where it is until the socket is closed; the socket's other
 * options are set before. Returns an NNG error: a malformed address. The socket stays the caller's in any case. */
int dialed_start(struct dialed *dialed, nng_socket socket, const char *address,
                 void (*changed)(void *closure, bool up), void *closure);
/* After nng_close() of the socket. */
void dialed_free(struct dialed *dialed);

/* The connection's id, 0 when there is none; *since_ns (CLOCK_BOOTTIME): since when. */
uint32_t dialed_pipe(struct dialed *dialed, uint64_t *since_ns);
/* Drops the connection `pipe` if it is still the one; the dialer re-connects. */
void dialed_drop(struct dialed *dialed, uint32_t pipe);
/* Without a connection for `patience_ns`, and as long after the last dial: dials anew. */
void dialed_redial(struct dialed *dialed, uint64_t patience_ns);

#endif
