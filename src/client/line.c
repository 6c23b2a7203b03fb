/* Who may be asked of one node at a time. A connection takes LIMIT_RPC_CLIENT_CALLS, and refuses
 * what is beyond: submitted operations wait for their turn instead, first come, first served, and
 * leave the last places to blocking calls, which have a thread each that can wait and come back. */
#include "base/clock.h"
#include "client/submitted.h"

/* The difference covers, beside blocking calls, replies whose callbacks run: NNG's threads, at most
 * 16, keep their places until the callbacks return. */
#define ASKED_MOST (LIMIT_RPC_CLIENT_CALLS - 64)

static void append(struct connection *connection, struct submitted *submitted)
{
    submitted->next = NULL;
    submitted->previous = connection->line_last;
    if (connection->line_last != NULL)
        connection->line_last->next = submitted;
    else
        connection->line_first = submitted;
    connection->line_last = submitted;
}

void line_remove(struct connection *connection, struct submitted *submitted)
{
    if (submitted->previous != NULL)
        submitted->previous->next = submitted->next;
    else
        connection->line_first = submitted->next;
    if (submitted->next != NULL)
        submitted->next->previous = submitted->previous;
    else
        connection->line_last = submitted->previous;
}

enum admission line_enter(struct operation *operation, uint64_t until_ns, struct rpc_client **rpc)
{
    struct candor_client *client = operation->client;
    struct submitted *submitted = (struct submitted *)operation;
    enum admission admission = ADMISSION_GO;
    pthread_mutex_lock(&client->lock);
    struct connection *connection = &client->connections[operation->target];
    *rpc = connection->rpc;
    if (*rpc == NULL) {
        admission = ADMISSION_UNOPENED;
    } else if (!operation->lined) {
        /* goes */
    } else if (atomic_load(&client->closing)) {
        admission = ADMISSION_CLOSED;
    } else if (connection->asked < ASKED_MOST) {
        connection->asked++;
    } else {
        admission = ADMISSION_WAITS;
        operation->stage = STAGE_LINED;
        operation->resume_ns = until_ns;
        append(connection, submitted);
        agenda_put_locked(submitted);
    }
    pthread_mutex_unlock(&client->lock);
    return admission;
}

struct operation *line_leave(struct operation *operation, struct rpc_client **rpc)
{
    if (!operation->lined)
        return NULL;
    struct candor_client *client = operation->client;
    pthread_mutex_lock(&client->lock);
    struct connection *connection = &client->connections[operation->target];
    struct submitted *next = connection->line_first;
    *rpc = connection->rpc;
    if (next != NULL) {
        line_remove(connection, next);
        agenda_remove_locked(next);
    } else {
        connection->asked--;
    }
    pthread_mutex_unlock(&client->lock);
    return next == NULL ? NULL : &next->operation;
}
