/* fork(): a child has a copy of each client, with the same client ids, and none of the threads that
 * NNG runs.
 *
 * Ids: both processes would use the same ones for different writes, so a child draws its own (R46).
 * Connections: those of the parent cannot be used in a child, nor can NNG be started there once it
 * ran in the parent; such a child is told so at once instead of waiting for threads that are not
 * there.
 *
 * Locks: the list's, then those of the clients in the list's order; all are held while the process
 * forks, so that a child finds no client half changed. */
#include "client/internal.h"

#include <stdatomic.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int not_registered; /* the errno of pthread_atfork() */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct candor_client *list;
static atomic_bool connected;  /* NNG runs in this process, or did in the parent */
static atomic_bool stranded;   /* a child, and NNG ran in the parent */
static atomic_uint generation; /* forks between the first process and this one */

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
    for (struct candor_client *client = list; client != NULL; client = client->next)
        pthread_mutex_lock(&client->lock);
}

static void after_fork_in_parent(void)
{
    for (struct candor_client *client = list; client != NULL; client = client->next)
        pthread_mutex_unlock(&client->lock);
    pthread_mutex_unlock(&list_lock);
}

/* No memory is taken or given back here: the next write draws an id. */
static void after_fork_in_child(void)
{
    atomic_fetch_add(&generation, 1);
    if (atomic_load(&connected))
        atomic_store(&stranded, true);
    for (struct candor_client *client = list; client != NULL; client = client->next) {
        client_retire_ids(client);
        rng_seed(&client->rng, random_u64_nonzero());
    }
    after_fork_in_parent();
}

static void register_handlers(void)
{
    not_registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

bool fork_register(void)
{
    pthread_once(&once, register_handlers);
    return not_registered == 0;
}

bool fork_watch(struct candor_client *client)
{
    if (!fork_register())
        return false;
    pthread_mutex_lock(&list_lock);
    client->next = list;
    list = client;
    pthread_mutex_unlock(&list_lock);
    return true;
}

void fork_unwatch(struct candor_client *client)
{
    pthread_mutex_lock(&list_lock);
    struct candor_client **at = &list;
    while (*at != NULL && *at != client)
        at = &(*at)->next;
    if (*at != NULL)
        *at = client->next;
    pthread_mutex_unlock(&list_lock);
}

unsigned fork_generation(void)
{
    return atomic_load(&generation);
}

void fork_note_connected(void)
{
    atomic_store(&connected, true);
}

bool fork_stranded(struct candor_error *error)
{
    if (!atomic_load(&stranded))
        return false;
    candor_error_set(
        error, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
        "this process was forked from one that had made calls, whose connections and threads it "
        "does not have: fork before the first call, or exec()");
    return true;
}
