/* A socket that one dialer keeps connected: what the dialer of NNG leaves to its user.
 *
 * NNG re-connects by itself (10 to 250 ms apart), but a connect that hangs (SYN_SENT) follows TCP's
 * doubling retries, and a connection whose peer vanished silently stays until TCP gives up: a
 * healed partition would be noticed late. So a connection that is in doubt is dropped, and a dialer
 * that hangs is made anew (only while it has no connection: closing one in mid-handshake can leak).
 *
 * The rule of all that uses NNG here: what can wait in NNG (close, stop, free, wait: they wait for
 * callbacks that run) is never called under a lock that a callback takes, nor on the node thread,
 * nor in a callback. nng_dialer_close() waits for the callbacks of its connection, which take
 * `lock` below: called under it, both would wait for ever, and with them NNG's only reaper. So
 * dropping and dialling anew are asked for from any thread, callbacks included, never wait, and are
 * done by the keeper's thread (net/keeper.h), which holds no lock. */
#ifndef NET_DIALED_H
#define NET_DIALED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

#include "base/types.h"
#include "net/keeper.h"

struct dialed {
    struct chore chore; /* first: the keeper gets a pointer to it */
    nng_socket socket;
    char address[LIMIT_ADDRESS_BYTES];
    char host[LIMIT_ADDRESS_BYTES]; /* "": ipc */
    /* The connection came or went. On a thread of NNG or the keeper, under the lock: hands over,
     * nothing more. May be NULL. */
    void (*changed)(void *closure, bool up);
    void *closure;
    bool keeps;          /* the keeper works for it */
    atomic_bool closing; /* the keeper leaves it alone */

    /* Of the order of a connection's events: `removed`, and the changes of `pipe`. NNG is not
     * called under it. */
    pthread_mutex_t lock;
    uint32_t removed;                 /* newest connection that went */
    atomic_uint_fast32_t pipe;        /* 0: none */
    atomic_uint_fast64_t since_ns;    /* of the last change of `pipe` */
    atomic_uint_fast64_t connections; /* good ones, so far */
    /* Connections since the last good one that greeted in another protocol, and were refused for
     * it. */
    atomic_uint_fast32_t foreign;

    /* What the keeper is asked for. */
    atomic_uint_fast32_t unwanted;    /* a connection to drop; 0: none */
    atomic_uint_fast64_t patience_ns; /* of the last dialed_redial() */
    atomic_uint_fast64_t dialed_ns;   /* written by the keeper, and by the start */
    atomic_bool redial;
    nng_dialer dialer; /* the keeper's */
};

/* Starts dialling in the background. `dialed` must stay where it is until the socket is closed; the
 * socket's other options are set before. Returns an NNG error: a malformed address. The socket
 * stays the caller's in any case. */
int dialed_start(struct dialed *dialed, nng_socket socket, const char *address,
                 void (*changed)(void *closure, bool up), void *closure);
/* Closes the socket and ends what dialed_start() began, even where that failed. No callback runs
 * after it. It waits for callbacks: not from one, nor under a lock that one takes. */
void dialed_close(struct dialed *dialed);

/* The connection's id, 0 when there is none; *since_ns (CLOCK_BOOTTIME): since when. Any thread. */
uint32_t dialed_pipe(struct dialed *dialed, uint64_t *since_ns);
/* Why there is no connection, where that is known: the name does not resolve, the process may not
 * use the socket's file, or what answers speaks SP and is no such socket as this one looks for.
 * PASSING: the name server did not answer; LASTING: waiting does not help. */
enum dialed_obstacle { OBSTACLE_NONE, OBSTACLE_PASSING, OBSTACLE_LASTING };
/* In words at `text`, unless it is NONE. Any thread, never waits. */
enum dialed_obstacle dialed_obstacle(struct dialed *dialed, char *text, size_t size);
/* Asks to drop the connection `pipe` if it is still the one; the dialer re-connects. Any thread,
 * never waits. */
void dialed_drop(struct dialed *dialed, uint32_t pipe);
/* Without a connection for `patience_ns`, and as long after the last dial: asks to dial anew. Any
 * thread, never waits. */
void dialed_redial(struct dialed *dialed, uint64_t patience_ns);

#endif
