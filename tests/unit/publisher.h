/* A publisher over plain TCP that speaks SP's handshake and no more: what subscribers dial in
 * tests. */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include <pthread.h>
#include <stdatomic.h>

#include "sp_socket.h"

/* A greeting takes up to so long, where connections do not stay. */
#define GREETING_US 300

struct publisher {
    int port;
    int listener;
    /* Connections are kept: the newest until the next. Else each is greeted slowly and is soon
     * gone. */
    atomic_bool stays;
    int kept;
    pthread_t thread;
};

static const uint8_t HANDSHAKE_PUB[8] = {0, 'S', 'P', 0, 0, 0x20, 0, 0};

static void *publisher_thread(void *closure)
{
    struct publisher *publisher = closure;
    struct rng rng;
    rng_seed(&rng, 1);
    for (;;) {
        int fd = accept(publisher->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        bool stays = atomic_load(&publisher->stays);
        if (!stays)
            usleep((useconds_t)rng_below(&rng, GREETING_US));
        send_all(fd, HANDSHAKE_PUB, sizeof HANDSHAKE_PUB);
        if (!stays)
            usleep((useconds_t)rng_below(&rng, GREETING_US));
        if (publisher->kept >= 0)
            close(publisher->kept);
        publisher->kept = stays ? fd : -1;
        if (!stays)
            close(fd);
    }
}

/* At one of this machine's addresses. */
static inline void publisher_start(struct publisher *publisher, const char *host, int port,
                                   bool stays)
{
    publisher->port = port;
    publisher->listener = sp_listen_at(host, port, 10);
    atomic_store(&publisher->stays, stays);
    publisher->kept = -1;
    pthread_create(&publisher->thread, NULL, publisher_thread, publisher);
}

static inline void publisher_stop(struct publisher *publisher)
{
    shutdown(publisher->listener, SHUT_RDWR);
    pthread_join(publisher->thread, NULL);
    if (publisher->kept >= 0)
        sp_reset(publisher->kept);
    close(publisher->listener);
}

#endif
