/* NNG started with threads and memory that are there. */
#include "net/start.h"

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/types.h"
#include "net/assured.h"

#define START_RESERVE_BYTES ((size_t)256 << 10)
#define SOCKET_RESERVE_BYTES ((size_t)64 << 10)

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *closure);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *closure);

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER; /* before `lock` */
static bool started;

/* ---- Threads that were made before ----------------------------------------------------------- */

/* One that waits for what it shall do: `run`, or, when `over`, nothing. */
struct parked {
    pthread_t id;
    void *(*run)(void *);
    void *closure;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct parked parked[LIMIT_LIBRARY_THREADS];
static uint32_t parked_count;
static uint32_t given_count; /* the first ones, to NNG */
static bool over;
/* This thread starts NNG: what it wants are parked ones. */
static _Thread_local bool takes_parked;

static void *wait_for_work(void *closure)
{
    struct parked *self = closure;
    pthread_mutex_lock(&lock);
    while (self->run == NULL && !over)
        pthread_cond_wait(&changed, &lock);
    struct parked own = *self;
    pthread_mutex_unlock(&lock);
    return own.run != NULL ? own.run(own.closure) : NULL;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *closure)
{
    if (!takes_parked || given_count == parked_count)
        return __real_pthread_create(thread, attributes, run, closure);
    pthread_mutex_lock(&lock);
    struct parked *one = &parked[given_count++];
    *thread = one->id;
    one->run = run;
    one->closure = closure;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* As NNG counts them: tasks (two a processor, 16 at most), expiring aios (one a processor, 256 at
 * most), four resolvers, and one each that polls, reaps and keeps timers. */
static uint32_t threads_of_library(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t count = processors > 0 ? (uint64_t)processors : 1;
    return (uint32_t)(min_u64(2 * count, 16) + min_u64(count, 256) + 7);
}

/* False: not as many can be had. */
static bool park(void)
{
    uint32_t wanted = threads_of_library();
    over = false;
    parked_count = given_count = 0;
    while (parked_count < wanted) {
        struct parked *one = &parked[parked_count];
        *one = (struct parked){0};
        if (__real_pthread_create(&one->id, NULL, wait_for_work, one) != 0)
            return false;
        parked_count++;
    }
    return true;
}

/* Those that were not given end. */
static void release(void)
{
    pthread_mutex_lock(&lock);
    over = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (uint32_t i = given_count; i < parked_count; i++)
        pthread_join(parked[i].id, NULL);
}

/* ---- The start ------------------------------------------------------------------------------- */

static bool start(void)
{
    nng_socket socket;
    if (!assured_begin(START_RESERVE_BYTES))
        return false;
    bool good = park();
    takes_parked = true;
    good = good && nng_pub0_open(&socket) == 0;
    takes_parked = false;
    assured_end();
    release();
    if (good)
        nng_close(socket);
    return good;
}

bool net_start(void)
{
    pthread_mutex_lock(&starting);
    if (!started)
        started = start();
    bool runs = started;
    pthread_mutex_unlock(&starting);
    return runs;
}

int net_open_req(nng_socket *socket)
{
    if (!net_start() || !assured_begin(SOCKET_RESERVE_BYTES))
        return NNG_ENOMEM;
    int error = nng_req0_open(socket);
    assured_end();
    return error;
}
