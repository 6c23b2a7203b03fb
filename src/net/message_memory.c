/* NNG's allocator, wrapped: messages counted against a server's budget. */
#include "net/message_memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/types.h"
#include "net/assured.h"
#include "net/nng_fixes.h"

#define BUCKETS 1024
#define COUNTED_BYTES ((size_t)16 << 10)
#define SERVERS 64

void *__real_nni_alloc(size_t bytes);
void *__wrap_nni_alloc(size_t bytes);
void *__real_nni_zalloc(size_t bytes);
void *__wrap_nni_zalloc(size_t bytes);
void __real_nni_free(void *memory, size_t bytes);
void __wrap_nni_free(void *memory, size_t bytes);
int __real_nni_msg_alloc(nng_msg **out, size_t bytes);
int __wrap_nni_msg_alloc(nng_msg **out, size_t bytes);
int __real_nng_msg_alloc(nng_msg **out, size_t bytes);
int __wrap_nng_msg_alloc(nng_msg **out, size_t bytes);

/* ---- Servers --------------------------------------------------------------------------------- */

/* A place is taken again once its server has ended and all of its memory has been freed. */
static struct server_memory {
    struct budget budget; /* first */
    atomic_uint socket;   /* 0: none */
    bool taken;
} servers[SERVERS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct budget *message_memory_begin(nng_socket socket, size_t limit_bytes)
{
    struct server_memory *server = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SERVERS && server == NULL; i++)
        if (!servers[i].taken && budget_used(&servers[i].budget) == 0)
            server = &servers[i];
    ASSERT(server != NULL); /* a process has a few */
    server->taken = true;
    server->budget.limit_bytes = limit_bytes;
    pthread_mutex_unlock(&lock);
    atomic_store(&server->socket, (unsigned)nng_socket_id(socket));
    return &server->budget;
}

void message_memory_end(struct budget *budget)
{
    struct server_memory *server = (struct server_memory *)budget;
    atomic_store(&server->socket, 0);
    pthread_mutex_lock(&lock);
    server->taken = false;
    pthread_mutex_unlock(&lock);
}

static struct budget *budget_of(uint32_t socket)
{
    for (size_t i = 0; i < SERVERS && socket != 0; i++)
        if (atomic_load_explicit(&servers[i].socket, memory_order_relaxed) == socket)
            return &servers[i].budget;
    return NULL;
}

/* ---- The table of bodies --------------------------------------------------------------------- */

struct body {
    struct body *next;
    const void *memory;
    size_t bytes;
    struct budget *budget;
    uint32_t pipe;
    uint64_t since_ns;
};

static struct body *buckets[BUCKETS]; /* under `lock` */
static atomic_size_t body_count;

static struct body **bucket_of(const void *memory)
{
    return &buckets[((uintptr_t)memory >> 12) % BUCKETS];
}

static void remember(struct body *body)
{
    atomic_fetch_add(&body_count, 1);
    pthread_mutex_lock(&lock);
    struct body **bucket = bucket_of(body->memory);
    body->next = *bucket;
    *bucket = body;
    pthread_mutex_unlock(&lock);
}

static struct body *forget(const void *memory)
{
    if (atomic_load_explicit(&body_count, memory_order_relaxed) == 0)
        return NULL;
    pthread_mutex_lock(&lock);
    struct body **at = bucket_of(memory);
    while (*at != NULL && (*at)->memory != memory)
        at = &(*at)->next;
    struct body *body = *at;
    if (body != NULL)
        *at = body->next;
    pthread_mutex_unlock(&lock);
    if (body != NULL)
        atomic_fetch_sub(&body_count, 1);
    return body;
}

static uint64_t allowed_ns(size_t bytes)
{
    return LIMIT_RPC_MESSAGE_MS * NS_PER_MS + bytes * NS_PER_S / LIMIT_RPC_MESSAGE_BYTES_PER_S;
}

size_t message_memory_stuck(const struct budget *budget, uint64_t now_ns, uint32_t *out,
                            size_t most)
{
    size_t count = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct body *body = buckets[i]; body != NULL && count < most; body = body->next)
            /* saturating: another thread may have allocated it since the caller took the time */
            if (body->budget == budget &&
                saturating_sub(now_ns, body->since_ns) > allowed_ns(body->bytes))
                out[count++] = body->pipe;
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- NNG's allocator ------------------------------------------------------------------------- */

/* For whom this thread allocates a message; no budget: for nobody that counts. */
struct purpose {
    struct budget *budget;
    uint32_t pipe;
    size_t pass_bytes;
};
static _Thread_local struct purpose purpose;
/* This thread is in a call of ours, not in NNG's own code for what it receives. */
static _Thread_local bool our_own;

static bool count(size_t bytes)
{
    if (bytes > purpose.pass_bytes)
        return budget_take(purpose.budget, bytes);
    budget_count(purpose.budget, bytes);
    return true;
}

static void *alloc_counted(size_t bytes)
{
    if (!count(bytes))
        return NULL;
    struct body *body = malloc(sizeof *body);
    void *memory = body == NULL ? NULL : __real_nni_zalloc(bytes);
    if (memory == NULL) {
        free(body);
        budget_give(purpose.budget, bytes);
        return NULL;
    }
    *body = (struct body){.memory = memory,
                          .bytes = bytes,
                          .budget = purpose.budget,
                          .pipe = purpose.pipe,
                          .since_ns = clock_boot_ns()};
    remember(body);
    return memory;
}

/* Weak, both: a test of lacking memory puts its own in this place. */
__attribute__((weak)) void *__wrap_nni_zalloc(size_t bytes)
{
    bool counted = bytes >= COUNTED_BYTES && purpose.budget != NULL;
    if (assured_refuses())
        return NULL;
    void *memory = counted ? alloc_counted(bytes) : __real_nni_zalloc(bytes);
    return memory != NULL ? memory : assured_memory(bytes);
}

__attribute__((weak)) void *__wrap_nni_alloc(size_t bytes)
{
    if (assured_refuses())
        return NULL;
    void *memory = __real_nni_alloc(bytes);
    return memory != NULL ? memory : assured_memory(bytes);
}

void __wrap_nni_free(void *memory, size_t bytes)
{
    if (assured_return(memory))
        return;
    struct body *body = bytes >= COUNTED_BYTES ? forget(memory) : NULL;
    if (body != NULL) {
        budget_give(body->budget, body->bytes);
        free(body);
    }
    __real_nni_free(memory, bytes);
}

/* NNG's transports call this with the length that the peer has announced. */
int __wrap_nni_msg_alloc(nng_msg **out, size_t bytes)
{
    if (bytes < COUNTED_BYTES || our_own)
        return __real_nni_msg_alloc(out, bytes);
    struct purpose outer = purpose;
    uint32_t socket;
    uint32_t pipe;
    if (nng_fixes_receiving(&socket, &pipe))
        purpose = (struct purpose){.budget = budget_of(socket), .pipe = pipe};
    int error = __real_nni_msg_alloc(out, bytes);
    purpose = outer;
    return error;
}

int __wrap_nng_msg_alloc(nng_msg **out, size_t bytes)
{
    our_own = true;
    int error = __real_nng_msg_alloc(out, bytes);
    our_own = false;
    return error;
}

int message_memory_alloc(nng_msg **out, size_t bytes, struct budget *budget, uint32_t pipe)
{
    purpose =
        (struct purpose){.budget = budget, .pipe = pipe, .pass_bytes = LIMIT_RPC_REPLY_PASS_BYTES};
    int error = nng_msg_alloc(out, bytes);
    purpose = (struct purpose){0};
    return error;
}
