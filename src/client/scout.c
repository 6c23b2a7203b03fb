/* What a client that routes its reads knows of the nodes. One thread a client, begun with its first
 * routed read: it asks every known address for its status now and then. So far ways are measured
 * that no read takes, members become known, and a node that comes back is noticed.
 *
 * What it learns stands in the connections, under the client's lock. Its calls are NNG's while they
 * are under way, and come back on NNG's threads. */
#include "client/internal.h"

#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/thread.h"
#include "candor/v1/cluster.pb-c.h"

struct probe {
    struct rpc_exchange exchange;
    struct candor_client *client;
    size_t index;     /* of the connection, whose place is taken meanwhile */
    uint64_t sent_ns; /* the newest; 0: none yet */
    bool under_way;
    Candor__V1__StatusResponse *status; /* what came, until it is learnt from */
};

/* Under the client's lock. */
struct scout {
    pthread_t thread;
    pthread_cond_t changed;
    bool over;
    bool sighted; /* the first round is over */
    size_t under_way;
    bool idle;           /* it waits for the next routed read */
    uint64_t wanted_ns;  /* the newest routed read */
    uint64_t learned_ns; /* newest answer that named the members */
    struct probe probes[CONNECTIONS_MAX];
};

/* ---- Members --------------------------------------------------------------------------------- */

/* Under the lock. An endpoint that is this node's, and answers, is its address: the user knows the
 * way. */
static bool is_known_otherwise(const struct candor_client *client, const char *node)
{
    for (size_t i = 0; i < client->endpoint_count; i++) {
        const struct route_seen *seen = &client->seen[i];
        if (strcmp(seen->node.text, node) == 0 && seen->answered_ns > seen->failed_ns)
            return true;
    }
    return false;
}

/* Not under the lock: a place among the connections may be another's until now. */
static void learn_member(struct candor_client *client, const char *node, const char *address,
                         uint64_t now_ns)
{
    size_t index;
    struct candor_node_id id;
    if (!node_id_parse(node, strlen(node), &id) || !client_check_address(address, NULL))
        return;
    pthread_mutex_lock(&client->lock);
    bool otherwise = is_known_otherwise(client, node);
    pthread_mutex_unlock(&client->lock);
    if (otherwise || !client_connect(client, address, &index, NULL))
        return;
    pthread_mutex_lock(&client->lock);
    struct connection *connection = &client->connections[index];
    if (connection->told_ns == 0 && index >= client->endpoint_count)
        log_debug("member_learned", "node=%s at=%s", node, address);
    connection->told_ns = now_ns;
    client->seen[index].known = true;
    client_give(client, index);
    pthread_mutex_unlock(&client->lock);
}

static void learn_members(struct candor_client *client, const Candor__V1__StatusResponse *status,
                          uint64_t now_ns)
{
    learn_member(client, status->node, status->rpc, now_ns);
    for (size_t i = 0; i < status->n_peers && i < LIMIT_NODES; i++)
        learn_member(client, status->peers[i]->node, status->peers[i]->rpc, now_ns);
}

/* Under the lock. Was a member's address, and those who answer have not named it for long. */
static bool is_gone(const struct candor_client *client, size_t index)
{
    const struct connection *connection = &client->connections[index];
    return index >= client->endpoint_count && connection->told_ns != 0 &&
           saturating_sub(client->scout->learned_ns, connection->told_ns) >
               LIMIT_CLIENT_MEMBER_MS * NS_PER_MS;
}

/* The connection of an address that no member has any more; NULL: there is none. */
static struct rpc_client *take_gone(struct candor_client *client)
{
    struct rpc_client *former = NULL;
    pthread_mutex_lock(&client->lock);
    /* who closes the client has the connections from here on */
    size_t count = atomic_load(&client->closing) ? 0 : client->connection_count;
    for (size_t i = client->endpoint_count; i < count && former == NULL; i++) {
        struct connection *connection = &client->connections[i];
        if (!is_gone(client, i))
            continue;
        client->seen[i].known = false;
        if (connection->users > 0 || connection->rpc == NULL)
            continue;
        log_debug("member_forgotten", "at=%s", connection->address);
        former = connection->rpc;
        counts_keep(client, former);
        connection->rpc = NULL;
        connection->told_ns = 0;
    }
    pthread_mutex_unlock(&client->lock);
    return former;
}

static void drop_gone(struct candor_client *client)
{
    for (struct rpc_client *former; (former = take_gone(client)) != NULL;)
        rpc_client_close(former);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* On NNG's thread. The scout's own takes what it says of members: for that it may have to close
 * another connection. */
static void answered(struct slice response, struct rpc_exchange *exchange)
{
    struct probe *probe = exchange->closure_data;
    struct candor_client *client = probe->client;
    struct scout *scout = client->scout;
    uint64_t now_ns = clock_boot_ns();
    Candor__V1__StatusResponse *status = NULL;
    struct candor_result said = {0};
    if (exchange->reply != NULL)
        convert_freshness(exchange->reply->freshness, &said);
    if (exchange->error.code == CANDOR_OK)
        status = bounded_unpack(&candor__v1__status_response__descriptor, response, NULL);
    pthread_mutex_lock(&client->lock);
    struct route_seen *seen = &client->seen[probe->index];
    if (said.has_freshness)
        route_note_answer(seen, now_ns, now_ns - probe->sent_ns, &said.freshness, &said.token);
    else
        route_note_failure(seen, now_ns);
    if (status != NULL)
        text_copy(seen->zone, sizeof seen->zone, status->zone);
    probe->status = status;
    probe->under_way = false;
    scout->under_way--;
    client_give(client, probe->index);
    pthread_cond_broadcast(&scout->changed);
    pthread_mutex_unlock(&client->lock);
}

/* Takes the place of an address that is to be asked. False: there is none, or the client closes. */
static bool take_due(struct candor_client *client, size_t *index)
{
    struct scout *scout = client->scout;
    uint64_t now_ns = clock_boot_ns();
    bool found = false;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->connection_count && !found && !scout->over; i++) {
        struct probe *probe = &scout->probes[i];
        bool due =
            probe->sent_ns == 0 || now_ns - probe->sent_ns >= LIMIT_CLIENT_PROBE_MS * NS_PER_MS;
        if (!client->seen[i].known || probe->under_way || !due)
            continue;
        found = true;
        *index = i;
        probe->index = i;
        probe->sent_ns = now_ns;
        probe->under_way = true;
        scout->under_way++;
        client_take(client, i);
    }
    pthread_mutex_unlock(&client->lock);
    return found;
}

static void ask(struct candor_client *client, size_t index)
{
    struct probe *probe = &client->scout->probes[index];
    struct candor_error err;
    probe->client = client;
    probe->exchange = (struct rpc_exchange){
        .deadline_ms = LIMIT_CLIENT_PROBE_MS / 2, .class = RPC_ALONE, .closure_data = probe};
    struct rpc_client *rpc = client_open_rpc(client, index, &err);
    probe->sent_ns = clock_boot_ns();
    if (rpc == NULL)
        answered((struct slice){0}, &probe->exchange);
    else
        rpc_client_call(rpc, "/candor.v1.Cluster/Status", (struct slice){0}, answered,
                        &probe->exchange);
}

static void ask_those_that_are_due(struct candor_client *client)
{
    for (size_t index; take_due(client, &index);)
        ask(client, index);
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

/* Under the lock, until `until_ns` at most. */
static void await(struct candor_client *client, uint64_t until_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + saturating_sub(until_ns, clock_boot_ns());
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    pthread_cond_timedwait(&client->scout->changed, &client->lock, &until);
}

/* What the answers say of members, out of the probes. */
static void learn(struct candor_client *client)
{
    struct scout *scout = client->scout;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        pthread_mutex_lock(&client->lock);
        Candor__V1__StatusResponse *status = scout->probes[i].status;
        scout->probes[i].status = NULL;
        pthread_mutex_unlock(&client->lock);
        if (status == NULL)
            continue;
        uint64_t now_ns = clock_boot_ns();
        learn_members(client, status, now_ns);
        candor__v1__status_response__free_unpacked(status, NULL);
        pthread_mutex_lock(&client->lock);
        scout->learned_ns = now_ns;
        pthread_mutex_unlock(&client->lock);
    }
}

/* False: the client closes. */
static bool await_answers(struct candor_client *client)
{
    struct scout *scout = client->scout;
    pthread_mutex_lock(&client->lock);
    while (!scout->over && scout->under_way > 0) /* their deadlines end them */
        pthread_cond_wait(&scout->changed, &client->lock);
    bool goes_on = !scout->over;
    pthread_mutex_unlock(&client->lock);
    return goes_on;
}

/* Under the lock: when the next one is to be asked. */
static uint64_t next_due_ns(const struct candor_client *client)
{
    uint64_t due_ns = UINT64_MAX;
    for (size_t i = 0; i < client->connection_count; i++) {
        const struct probe *probe = &client->scout->probes[i];
        uint64_t its_ns =
            probe->sent_ns == 0 ? 0 : probe->sent_ns + LIMIT_CLIENT_PROBE_MS * NS_PER_MS;
        if (client->seen[i].known && its_ns < due_ns)
            due_ns = its_ns;
    }
    return due_ns;
}

static bool await_next_round(struct candor_client *client)
{
    struct scout *scout = client->scout;
    pthread_mutex_lock(&client->lock);
    uint64_t due_ns = next_due_ns(client);
    if (due_ns > clock_boot_ns()) { /* nobody was learnt who is to be asked yet */
        scout->sighted = true;
        pthread_cond_broadcast(&scout->changed);
    }
    while (!scout->over && due_ns > clock_boot_ns())
        await(client, due_ns);
    scout->idle = clock_boot_ns() - scout->wanted_ns > LIMIT_CLIENT_IDLE_MS * NS_PER_MS;
    while (!scout->over && scout->idle)
        pthread_cond_wait(&scout->changed, &client->lock);
    bool goes_on = !scout->over;
    pthread_mutex_unlock(&client->lock);
    return goes_on;
}

static void *run(void *closure)
{
    struct candor_client *client = closure;
    bool goes_on = true;
    while (goes_on) {
        ask_those_that_are_due(client);
        goes_on = await_answers(client);
        learn(client);
        if (goes_on)
            drop_gone(client);
        goes_on = goes_on && await_next_round(client);
    }
    return NULL;
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

static struct scout *scout_new(void)
{
    struct scout *scout = calloc(1, sizeof *scout);
    pthread_condattr_t monotonic;
    if (scout == NULL)
        return NULL;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&scout->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return scout;
}

static void discard(struct scout *scout)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (scout->probes[i].status != NULL)
            candor__v1__status_response__free_unpacked(scout->probes[i].status, NULL);
    free(scout);
}

/* Under the lock. Without memory or a thread reads are routed by what they themselves show. */
static void begin(struct candor_client *client)
{
    for (size_t i = 0; i < client->endpoint_count; i++)
        client->seen[i].known = true;
    atomic_store(&client->routes, true);
    client->scout = scout_new();
    if (client->scout == NULL)
        return;
    fork_note_connected();
    if (thread_begin(&client->scout->thread, run, client))
        return;
    pthread_cond_destroy(&client->scout->changed);
    discard(client->scout);
    client->scout = NULL;
}

/* Under the lock. */
static void await_first_sights(struct candor_client *client, const struct call *call)
{
    uint64_t deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : client->deadline_ms;
    uint64_t most_ms = min_u64(LIMIT_CLIENT_FIRST_SIGHT_MS, deadline_ms / 4);
    uint64_t until_ns = clock_boot_ns() + most_ms * NS_PER_MS;
    while (!client->scout->sighted && !client->scout->over && clock_boot_ns() < until_ns)
        await(client, until_ns);
}

/* Under the lock. */
static void want(struct scout *scout)
{
    scout->wanted_ns = clock_boot_ns();
    if (!scout->idle)
        return;
    scout->idle = false;
    pthread_cond_broadcast(&scout->changed);
}

void scout_enlist(struct candor_client *client, struct call *call, bool may_wait)
{
    struct candor_error stranded;
    if (call->route == CANDOR_ROUTE_DEFAULT)
        call->route = client->route;
    bool several = client->endpoint_count > 1;
    call->routed = call->route != CANDOR_ROUTE_DEFAULT || (call->rungs != NULL && several);
    if (!call->routed || fork_stranded(&stranded))
        return;
    pthread_mutex_lock(&client->lock);
    if (client->scout == NULL && !atomic_load(&client->closing))
        begin(client);
    if (client->scout != NULL)
        want(client->scout);
    if (client->scout != NULL && may_wait && !submit_within_callback())
        await_first_sights(client, call);
    pthread_mutex_unlock(&client->lock);
}

void scout_close(struct candor_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct scout *scout = client->scout;
    if (scout != NULL) {
        scout->over = true;
        pthread_cond_broadcast(&scout->changed);
    }
    pthread_mutex_unlock(&client->lock);
    if (scout != NULL)
        pthread_join(scout->thread, NULL);
}

void scout_free(struct candor_client *client, bool own)
{
    if (client->scout != NULL && own)
        pthread_cond_destroy(&client->scout->changed);
    if (client->scout != NULL)
        discard(client->scout);
}

/* ---- For operations -------------------------------------------------------------------------- */

size_t scout_choose(struct candor_client *client, const struct call *call)
{
    const struct candor_rung single = {.level = call->level,
                                       .max_staleness_ms = call->max_staleness_ms};
    struct route_want want = {.route = call->route,
                              .zone = client->zone,
                              .rungs = call->rungs != NULL ? call->rungs : &single,
                              .rung_count = call->rungs != NULL ? call->rung_count : 1,
                              .token = call->asked,
                              .now_ns = clock_boot_ns()};
    if (call->route == CANDOR_ROUTE_ANY)
        want.draw = rng_below(&client->rng, UINT64_MAX);
    size_t chosen = route_choose(client->seen, client->connection_count, &want);
    return chosen < client->connection_count ? chosen : client->nearest;
}

/* The way of a read is not measured by it: it may have waited, at the node or for a message. */
void scout_note(struct operation *operation, uint64_t received_ns)
{
    struct candor_client *client = operation->client;
    const struct candor_result *result = operation->result;
    if (!atomic_load_explicit(&client->routes, memory_order_relaxed))
        return;
    enum candor_code code = result->error.code;
    bool silent = code == CANDOR_UNAVAILABLE || code == CANDOR_DEADLINE_EXCEEDED;
    bool leaves = result->error.reason == CANDOR_REASON_SHUTTING_DOWN;
    pthread_mutex_lock(&client->lock);
    struct route_seen *seen = &client->seen[operation->target];
    if (result->has_freshness)
        route_note_answer(seen, received_ns, 0, &result->freshness, &result->token);
    if (leaves || (silent && !operation->answered))
        route_note_failure(seen, received_ns + leaves);
    pthread_mutex_unlock(&client->lock);
}
