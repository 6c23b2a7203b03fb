/* One thread a client, begun with its first submitted operation. It does what may wait in NNG, and
 * what is due: the ends of pauses, and of the patience of those that wait in a line. */
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/thread.h"
#include "client/submitted.h"

/* A result is in its queue, and may have made room for another operation, a moment before its
 * number is free: as many as there may be threads that deliver. */
#define LEAVING 64

/* Under the client's lock. */
struct agenda {
    uint32_t limit;
    uint32_t count;           /* in flight and not delivered */
    struct submitted **table; /* by number */
    uint32_t *free_numbers;   /* those that are not in use; limit - count of them */
    struct heap due;          /* numbers, by the time when the thread goes on with them */
    bool over;                /* the thread ends */
    pthread_t thread;
    pthread_cond_t changed; /* what the thread waits for */
    pthread_cond_t idle;    /* count is 0, when the client closes */
};

/* ---- The thread ------------------------------------------------------------------------------ */

/* What is due, out of the agenda and out of its line; all, when the client closes. */
static struct submitted *take_due(struct candor_client *client)
{
    struct agenda *agenda = client->agenda;
    const struct heap_entry *first = heap_first(&agenda->due);
    if (first == NULL || (!atomic_load(&client->closing) && first->key > clock_boot_ns()))
        return NULL;
    struct submitted *submitted = agenda->table[first->item];
    heap_remove(&agenda->due, first->item);
    if (submitted->operation.stage == STAGE_LINED)
        line_remove(&client->connections[submitted->operation.target], submitted);
    return submitted;
}

static void await_change(struct candor_client *client)
{
    struct agenda *agenda = client->agenda;
    const struct heap_entry *first = heap_first(&agenda->due);
    if (first == NULL) {
        pthread_cond_wait(&agenda->changed, &client->lock);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + saturating_sub(first->key, clock_boot_ns());
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    pthread_cond_timedwait(&agenda->changed, &client->lock, &until);
}

static void *run(void *closure)
{
    struct candor_client *client = closure;
    pthread_mutex_lock(&client->lock);
    while (!client->agenda->over) {
        struct submitted *due = take_due(client);
        if (due == NULL) {
            await_change(client);
            continue;
        }
        pthread_mutex_unlock(&client->lock);
        engine_resume(&due->operation);
        pthread_mutex_lock(&client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

/* ---- Entering and leaving -------------------------------------------------------------------- */

static void discard(struct agenda *agenda)
{
    heap_free(&agenda->due);
    free(agenda->free_numbers);
    free(agenda->table);
    free(agenda);
}

/* NULL: there is no memory. */
static struct agenda *agenda_new(uint32_t limit)
{
    struct agenda *agenda = calloc(1, sizeof *agenda);
    if (agenda == NULL)
        return NULL;
    agenda->limit = limit;
    agenda->table = calloc(limit, sizeof(void *)); /* pointers */
    agenda->free_numbers = calloc(limit, sizeof *agenda->free_numbers);
    if (agenda->table == NULL || agenda->free_numbers == NULL ||
        !heap_reserve(&agenda->due, limit)) {
        discard(agenda);
        return NULL;
    }
    for (uint32_t i = 0; i < limit; i++)
        agenda->free_numbers[i] = limit - 1 - i;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&agenda->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&agenda->idle, NULL);
    return agenda;
}

/* Under the lock. A child that is forked from here on knows that it does not have the thread. */
static bool begin(struct candor_client *client)
{
    if (client->agenda != NULL)
        return true;
    client->agenda = agenda_new(client->operations + LEAVING);
    if (client->agenda == NULL)
        return false;
    fork_note_connected();
    if (thread_begin(&client->agenda->thread, run, client))
        return true;
    discard(client->agenda);
    client->agenda = NULL;
    return false;
}

bool agenda_enter(struct candor_client *client, struct submitted *submitted,
                  struct candor_error *err)
{
    pthread_mutex_lock(&client->lock);
    bool closing = atomic_load(&client->closing);
    bool good = !closing && begin(client) && client->agenda->count < client->agenda->limit;
    if (good) {
        struct agenda *agenda = client->agenda;
        submitted->number = agenda->free_numbers[agenda->limit - ++agenda->count];
        agenda->table[submitted->number] = submitted;
    }
    pthread_mutex_unlock(&client->lock);
    if (closing)
        candor_error_set(err, CANDOR_CANCELLED, CANDOR_REASON_NONE, "the client is being closed");
    else if (!good)
        candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "no memory or thread for asynchronous operations");
    return good;
}

void agenda_leave(struct candor_client *client, uint32_t number)
{
    pthread_mutex_lock(&client->lock);
    struct agenda *agenda = client->agenda;
    ASSERT_U64(agenda->count, >, 0);
    agenda->table[number] = NULL;
    agenda->free_numbers[agenda->limit - agenda->count--] = number;
    if (agenda->count == 0 && atomic_load(&client->closing))
        pthread_cond_signal(&agenda->idle);
    pthread_mutex_unlock(&client->lock);
}

void agenda_put_locked(struct submitted *submitted)
{
    struct agenda *agenda = submitted->operation.client->agenda;
    heap_put_reserved(&agenda->due, submitted->number, submitted->operation.resume_ns);
    if (heap_first(&agenda->due)->item == submitted->number)
        pthread_cond_signal(&agenda->changed);
}

void agenda_put(struct submitted *submitted)
{
    struct candor_client *client = submitted->operation.client;
    pthread_mutex_lock(&client->lock);
    agenda_put_locked(submitted);
    pthread_mutex_unlock(&client->lock);
}

void agenda_remove_locked(struct submitted *submitted)
{
    heap_remove(&submitted->operation.client->agenda->due, submitted->number);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* No connection is given up from here on (client.c), so these stay. */
static size_t open_connections(struct candor_client *client, struct rpc_client **out)
{
    size_t count = 0;
    for (size_t i = 0; i < client->connection_count; i++) {
        if (client->connections[i].rpc != NULL)
            out[count++] = client->connections[i].rpc;
    }
    return count;
}

void agenda_close(struct candor_client *client)
{
    struct rpc_client *open[CONNECTIONS_MAX];
    pthread_mutex_lock(&client->lock);
    atomic_store(&client->closing, true);
    struct agenda *agenda = client->agenda;
    size_t count = open_connections(client, open);
    if (agenda != NULL)
        pthread_cond_signal(&agenda->changed);
    pthread_mutex_unlock(&client->lock);
    if (agenda == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        engine_cancel(open[i]);
    pthread_mutex_lock(&client->lock);
    while (agenda->count > 0)
        pthread_cond_wait(&agenda->idle, &client->lock);
    agenda->over = true;
    pthread_cond_signal(&agenda->changed);
    pthread_mutex_unlock(&client->lock);
    pthread_join(agenda->thread, NULL);
    pthread_cond_destroy(&agenda->changed);
    pthread_cond_destroy(&agenda->idle);
}

void agenda_free(struct candor_client *client)
{
    if (client->agenda != NULL)
        discard(client->agenda);
}
