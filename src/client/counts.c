/* How often a client has done what. */
#include "client/internal.h"

#include "rpc/rpc.h"

void counts_add(atomic_uint_fast64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static void add_connection(struct connection_counts *to, const struct rpc_client *rpc)
{
    uint64_t messages;
    uint64_t connections;
    rpc_client_counts(rpc, &messages, &connections);
    to->messages += messages;
    to->connections += connections;
    to->reconnects += saturating_sub(connections, 1);
}

void counts_keep(struct candor_client *client, const struct rpc_client *former)
{
    add_connection(&client->former, former);
}

void candor_client_counters(struct candor_client *client, struct candor_counters *out)
{
    if (out == NULL)
        return;
    *out = (struct candor_counters){0};
    if (client == NULL)
        return;
    const struct counts *counts = &client->counts;
    uint64_t ended = atomic_load(&counts->ended); /* before what has begun: never more than that */
    out->calls = atomic_load(&counts->calls);
    out->in_flight = saturating_sub(out->calls, ended);
    out->failed = atomic_load(&counts->failed);
    out->attempts = atomic_load(&counts->attempts);
    out->retries = atomic_load(&counts->retries);
    out->redirects = atomic_load(&counts->redirects);
    pthread_mutex_lock(&client->lock);
    struct connection_counts all = client->former;
    for (size_t i = 0; i < client->connection_count; i++)
        if (client->connections[i].rpc != NULL)
            add_connection(&all, client->connections[i].rpc);
    out->violations = client->violations;
    pthread_mutex_unlock(&client->lock);
    out->messages = all.messages;
    out->connections = all.connections;
    out->reconnects = all.reconnects;
}
