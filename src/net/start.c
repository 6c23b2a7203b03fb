/* NNG started while there is room for its threads. */
#include "net/start.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <pthread.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/types.h"

/* As NNG counts them: tasks (two a processor, 16 at most), expiring aios (one a processor, 256 at
 * most), four resolvers, and one each that polls, reaps and keeps timers. */
static uint32_t threads_of_library(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t count = processors > 0 ? (uint64_t)processors : 1;
    return (uint32_t)(min_u64(2 * count, 16) + min_u64(count, 256) + 7);
}

static void *wait_for_all(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

static bool has_room(void)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[LIMIT_LIBRARY_THREADS];
    uint32_t wanted = threads_of_library();
    uint32_t started = 0;
    pthread_mutex_lock(&gate);
    while (started < wanted && pthread_create(&threads[started], NULL, wait_for_all, &gate) == 0)
        started++;
    pthread_mutex_unlock(&gate);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return started == wanted;
}

bool net_start(void)
{
    nng_socket socket;
    if (!has_room() || nng_pub0_open(&socket) != 0)
        return false;
    nng_close(socket);
    return true;
}
