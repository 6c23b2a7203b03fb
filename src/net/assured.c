/* Reserves of memory, each freed when the last of what was given from it has come back. */
#include "net/assured.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <nng/nng.h>

#define DIAL_RESERVE_BYTES ((size_t)16 << 10)
#define PIPE_RESERVE_BYTES ((size_t)32 << 10)

struct nni_pipe;
int __real_nni_pipe_create_dialer(struct nni_pipe **out, void *dialer, void *connection);
int __wrap_nni_pipe_create_dialer(struct nni_pipe **out, void *dialer, void *connection);

void __real_nni_tcp_dial(void *dialer, const nng_sockaddr *address, nng_aio *aio);
void __wrap_nni_tcp_dial(void *dialer, const nng_sockaddr *address, nng_aio *aio);
void __real_nng_stream_dialer_dial(nng_stream_dialer *dialer, nng_aio *aio);
void __wrap_nng_stream_dialer_dial(nng_stream_dialer *dialer, nng_aio *aio);
int nni_aio_begin(nng_aio *aio);
void nni_aio_finish_error(nng_aio *aio, int error);

struct reserve {
    struct reserve *outer; /* of this thread */
    struct reserve *next;  /* in the list of those that something was given from */
    size_t size;
    size_t used;
    size_t given; /* and not come back; and 1 until the end. Under the lock. */
    bool listed;
    alignas(max_align_t) uint8_t bytes[];
};

static _Thread_local struct reserve *current;
static _Thread_local bool refuses;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reserve *list;
static atomic_uint listed_count; /* mostly 0: then nobody looks */

bool assured_begin(size_t reserve_bytes)
{
    struct reserve *reserve = calloc(1, sizeof *reserve + reserve_bytes);
    if (reserve == NULL)
        return false;
    reserve->outer = current;
    reserve->size = reserve_bytes;
    reserve->given = 1;
    current = reserve;
    return true;
}

/* Under the lock. */
static void unlist(struct reserve *reserve)
{
    struct reserve **at = &list;
    while (*at != reserve)
        at = &(*at)->next;
    *at = reserve->next;
    atomic_fetch_sub(&listed_count, 1);
}

static void give_back(struct reserve *reserve)
{
    pthread_mutex_lock(&lock);
    bool last = --reserve->given == 0;
    if (last && reserve->listed)
        unlist(reserve);
    pthread_mutex_unlock(&lock);
    if (last)
        free(reserve);
}

void assured_end(void)
{
    struct reserve *reserve = current;
    current = reserve->outer;
    give_back(reserve);
}

void *assured_memory(size_t bytes)
{
    struct reserve *reserve = current;
    size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (reserve == NULL || rounded < bytes || rounded > reserve->size - reserve->used)
        return NULL;
    void *memory = reserve->bytes + reserve->used;
    pthread_mutex_lock(&lock);
    reserve->used += rounded;
    reserve->given++;
    if (!reserve->listed) {
        reserve->listed = true;
        reserve->next = list;
        list = reserve;
        atomic_fetch_add(&listed_count, 1);
    }
    pthread_mutex_unlock(&lock);
    return memory;
}

bool assured_refuses(void)
{
    return refuses;
}

bool assured_return(void *memory)
{
    if (atomic_load_explicit(&listed_count, memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&lock);
    struct reserve *reserve = list;
    while (reserve != NULL && ((uintptr_t)memory < (uintptr_t)reserve->bytes ||
                               (uintptr_t)memory >= (uintptr_t)reserve->bytes + reserve->size))
        reserve = reserve->next;
    pthread_mutex_unlock(&lock);
    if (reserve == NULL)
        return false;
    give_back(reserve);
    return true;
}

/* ---- Where NNG needs it ---------------------------------------------------------------------- */

/* False: there is no memory, and the dialer is told so. */
static bool begin_dial(nng_aio *aio)
{
    if (assured_begin(DIAL_RESERVE_BYTES))
        return true;
    if (nni_aio_begin(aio) == 0)
        nni_aio_finish_error(aio, NNG_ENOMEM);
    return false;
}

void __wrap_nni_tcp_dial(void *dialer, const nng_sockaddr *address, nng_aio *aio)
{
    if (!begin_dial(aio))
        return;
    __real_nni_tcp_dial(dialer, address, aio);
    assured_end();
}

/* Sockets of the file system are dialled here at once. */
void __wrap_nng_stream_dialer_dial(nng_stream_dialer *dialer, nng_aio *aio)
{
    if (!begin_dial(aio))
        return;
    __real_nng_stream_dialer_dial(dialer, aio);
    assured_end();
}

/* Its first allocation, the pipe itself, may fail: it closes the connection then, and no other
 * could. */
int __wrap_nni_pipe_create_dialer(struct nni_pipe **out, void *dialer, void *connection)
{
    bool assured = assured_begin(PIPE_RESERVE_BYTES);
    refuses = !assured;
    int error = __real_nni_pipe_create_dialer(out, dialer, connection);
    refuses = false;
    if (assured)
        assured_end();
    return error;
}
