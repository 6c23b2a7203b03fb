/* What takes time to notice: idle connections, memory to give back. */
#include "rpc/tend.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "net/guard.h"
#include "net/message_memory.h"
#include "rpc/connection.h"
#include "rpc/context.h"

#define BATCH 64 /* connections looked at in one go */
/* Memory goes back to the system once a peak of this much has passed. */
#define PEAK_BYTES ((size_t)8 << 20)
#define CALL_BYTES ((size_t)4 << 10)

/* ---- Connections ----------------------------------------------------------------------------- */

static void close_idle(struct rpc_server *server, uint64_t now_ns)
{
    uint32_t pipes[BATCH];
    size_t excess = guard_excess();
    size_t most = excess < LIMIT_RPC_EVICTIONS ? excess : LIMIT_RPC_EVICTIONS;
    size_t count = connections_idle(server, now_ns, most, pipes, BATCH);
    for (size_t i = 0; i < count; i++)
        nng_pipe_close((nng_pipe){.id = pipes[i]});
    if (count > 0 && excess > 0)
        log_info("idle_connections_closed", "count=%zu why=\"descriptors are short\"", count);
}

static void close_stuck(struct rpc_server *server, uint64_t now_ns)
{
    uint32_t pipes[BATCH];
    size_t count = message_memory_stuck(server->budget, now_ns, pipes, BATCH);
    for (size_t i = 0; i < count; i++) {
        log_info("message_stuck", "pipe=%" PRIu32, pipes[i]);
        nng_pipe_close((nng_pipe){.id = pipes[i]});
    }
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Half of those that nobody has needed since the last look. */
static void free_idle_contexts(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    uint32_t count = (server->idle_least + 1) / 2;
    struct rpc_context *first = NULL;
    for (; count > 0 && server->idle != NULL; count--) {
        struct rpc_context *context = server->idle;
        server->idle = context->next_idle;
        server->idle_count--;
        rpc_context_forget(context);
        context->next_idle = first;
        first = context;
    }
    server->idle_least = server->idle_count;
    pthread_mutex_unlock(&server->lock);
    while (first != NULL) {
        struct rpc_context *next = first->next_idle;
        rpc_context_free(first);
        first = next;
    }
}

static size_t memory_of(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t contexts = server->all_count;
    pthread_mutex_unlock(&server->lock);
    return budget_used(server->budget) + contexts * CALL_BYTES;
}

static void give_memory_back(struct rpc_server *server)
{
    size_t now_bytes = memory_of(server);
    if (now_bytes > server->peak_bytes)
        server->peak_bytes = now_bytes;
    if (server->peak_bytes < PEAK_BYTES || now_bytes > server->peak_bytes / 4)
        return;
    server->peak_bytes = now_bytes;
    malloc_trim(0);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void tend(struct rpc_server *server)
{
    uint64_t now_ns = clock_boot_ns();
    guard_tend(now_ns);
    close_idle(server, now_ns);
    close_stuck(server, now_ns);
    free_idle_contexts(server);
    give_memory_back(server);
}

static void *tend_thread(void *closure)
{
    struct rpc_server *server = closure;
    pthread_mutex_lock(&server->tend_lock);
    while (!server->tend_ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LIMIT_RPC_TEND_MS * (long)NS_PER_MS;
        until.tv_sec += until.tv_nsec / (long)NS_PER_S;
        until.tv_nsec %= (long)NS_PER_S;
        pthread_cond_clockwait(&server->tend_end, &server->tend_lock, CLOCK_MONOTONIC, &until);
        if (server->tend_ending)
            break;
        pthread_mutex_unlock(&server->tend_lock);
        tend(server);
        pthread_mutex_lock(&server->tend_lock);
    }
    pthread_mutex_unlock(&server->tend_lock);
    return NULL;
}

bool tend_begin(struct rpc_server *server)
{
    pthread_mutex_init(&server->tend_lock, NULL);
    pthread_cond_init(&server->tend_end, NULL);
    server->tended = pthread_create(&server->tender, NULL, tend_thread, server) == 0;
    return server->tended;
}

void tend_end(struct rpc_server *server)
{
    if (!server->tended)
        return;
    pthread_mutex_lock(&server->tend_lock);
    server->tend_ending = true;
    pthread_cond_signal(&server->tend_end);
    pthread_mutex_unlock(&server->tend_lock);
    pthread_join(server->tender, NULL);
    server->tended = false;
    pthread_cond_destroy(&server->tend_end);
    pthread_mutex_destroy(&server->tend_lock);
}
