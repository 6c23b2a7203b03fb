/* Who is connected, what each holds, who is gone. */
#include "rpc/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

/* ---- The table ------------------------------------------------------------------------------- */

static struct connection **bucket_of(struct rpc_server *server, uint32_t pipe)
{
    return &server->buckets[pipe % CONNECTION_BUCKETS];
}

static struct connection *find(struct rpc_server *server, uint32_t pipe)
{
    struct connection *at = *bucket_of(server, pipe);
    while (at != NULL && at->pipe != pipe)
        at = at->next;
    return at;
}

static void unhash(struct rpc_server *server, struct connection *connection)
{
    struct connection **at = bucket_of(server, connection->pipe);
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
}

static void order_last(struct rpc_server *server, struct connection *connection)
{
    connection->newer = NULL;
    connection->older = server->newest;
    if (server->newest != NULL)
        server->newest->newer = connection;
    else
        server->oldest = connection;
    server->newest = connection;
}

static void order_remove(struct rpc_server *server, struct connection *connection)
{
    if (connection->newer != NULL)
        connection->newer->older = connection->older;
    else
        server->newest = connection->older;
    if (connection->older != NULL)
        connection->older->newer = connection->newer;
    else
        server->oldest = connection->newer;
}

static void used_now(struct rpc_server *server, struct connection *connection)
{
    connection->used_ns = clock_boot_ns();
    if (server->newest == connection)
        return;
    order_remove(server, connection);
    order_last(server, connection);
}

static void release(struct connection *connection)
{
    ASSERT_U64(connection->references, >, 0);
    if (--connection->references == 0)
        free(connection);
}

/* ---- Who is gone ----------------------------------------------------------------------------- */

static void list_call(struct rpc_call *call)
{
    struct connection *connection = call->connection;
    call->previous = NULL;
    call->next = connection->first;
    if (call->next != NULL)
        call->next->previous = call;
    connection->first = call;
    call->listed = true;
}

static void unlist_call(struct rpc_call *call)
{
    if (!call->listed)
        return;
    if (call->next != NULL)
        call->next->previous = call->previous;
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        call->connection->first = call->next;
    call->listed = false;
}

/* The call that this thread is telling; NULL once that has been finished by who was told. */
static _Thread_local struct rpc_call *telling;

/* The call stays what it is meanwhile: connection_finished() waits, unless who is told finishes
 * it. */
static void tell(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    struct rpc_call *outer = telling;
    telling = call;
    call->gone(call, call->gone_closure);
    bool finished = telling == NULL;
    telling = outer;
    if (finished)
        return;
    pthread_mutex_lock(&server->lock);
    call->gone_state = GONE_TOLD;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* The next call of the connection that wants to be told. */
static struct rpc_call *next_to_tell(struct connection *connection)
{
    struct rpc_call *call = connection->first;
    if (call == NULL)
        return NULL;
    unlist_call(call);
    call->gone_state = GONE_TELLING;
    return call;
}

void rpc_call_when_gone(struct rpc_call *call, void (*gone)(struct rpc_call *call, void *closure),
                        void *closure)
{
    struct rpc_server *server = call->server;
    call->watched = true;
    pthread_mutex_lock(&server->lock);
    ASSERT(call->gone_state == GONE_UNWATCHED); /* asked before */
    call->gone = gone;
    call->gone_closure = closure;
    bool now = atomic_load(&call->connection->gone);
    call->gone_state = now ? GONE_TELLING : GONE_WATCHED;
    if (!now)
        list_call(call);
    pthread_mutex_unlock(&server->lock);
    if (now)
        tell(call);
}

bool rpc_call_gone(const struct rpc_call *call)
{
    return atomic_load(&call->connection->gone);
}

bool connection_finished(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    if (!call->watched) /* nobody else looks at it */
        return atomic_load(&call->connection->gone);
    pthread_mutex_lock(&server->lock);
    unlist_call(call);
    if (telling == call)
        telling = NULL;
    else
        while (call->gone_state == GONE_TELLING)
            pthread_cond_wait(&server->changed, &server->lock);
    call->gone_state = GONE_UNWATCHED;
    call->watched = false;
    bool gone = atomic_load(&call->connection->gone);
    pthread_mutex_unlock(&server->lock);
    return gone;
}

/* ---- What each holds ------------------------------------------------------------------------- */

/* Three quarters of the limit are shared out: a connection may hold as many calls as there is room
 * left beside all of them, so one alone may take half, and n that take what they can leave a share
 * of 1 / (n + 1). The last quarter is kept for connections that have no call yet. There are fewer
 * connections than that (LIMIT_RPC_CONNECTIONS), so each can always have one call, whatever the
 * others do. */
static enum admission admit(const struct rpc_server *server, const struct connection *connection)
{
    uint32_t limit = server->options.calls;
    uint32_t shared = limit - limit / 4;
    uint32_t room = shared > server->calls ? shared - server->calls : 0;
    if (connection->calls >= 2 * LIMIT_RPC_CONNECTION_CALLS)
        return ADMISSION_CLOSE;
    if (server->calls >= limit || connection->calls >= LIMIT_RPC_CONNECTION_CALLS)
        return ADMISSION_REFUSE;
    return connection->calls == 0 || connection->calls < room ? ADMISSION_RUN : ADMISSION_REFUSE;
}

enum admission connection_arrived(struct rpc_context *context, uint32_t pipe)
{
    struct rpc_server *server = context->call.server;
    struct connection *connection = find(server, pipe);
    if (connection == NULL)
        return ADMISSION_GONE;
    enum admission admission = admit(server, connection);
    connection->references++;
    connection->calls++;
    server->calls++;
    context->weight = 1;
    context->call.connection = connection;
    context->call.gone_state = GONE_UNWATCHED;
    used_now(server, connection);
    return admission;
}

bool connection_grow(struct rpc_context *context, uint32_t count)
{
    struct rpc_server *server = context->call.server;
    struct connection *connection = context->call.connection;
    pthread_mutex_lock(&server->lock);
    bool room = connection->calls + count <= 2 * LIMIT_RPC_CONNECTION_CALLS &&
                admit(server, connection) == ADMISSION_RUN;
    if (room) {
        context->weight += count;
        connection->calls += count;
        server->calls += count;
    }
    pthread_mutex_unlock(&server->lock);
    return room;
}

void connection_left(struct rpc_context *context)
{
    struct rpc_server *server = context->call.server;
    struct connection *connection = context->call.connection;
    ASSERT(!context->call.listed);
    ASSERT_U64(connection->calls, >=, context->weight);
    connection->calls -= context->weight;
    server->calls -= context->weight;
    if (!atomic_load(&connection->gone))
        used_now(server, connection);
    context->call.connection = NULL;
    release(connection);
}

/* ---- Coming and going ------------------------------------------------------------------------ */

static void read_address(nng_pipe pipe, uint8_t out[16])
{
    nng_sockaddr address;
    memset(out, 0, 16);
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0)
        return;
    static const uint8_t loopback[16] = {[15] = 1};
    if (address.s_family == NNG_AF_INET6 && memcmp(address.s_in6.sa_addr, loopback, 16) != 0)
        memcpy(out, address.s_in6.sa_addr, 16);
    else if (address.s_family == NNG_AF_INET && *(uint8_t *)&address.s_in.sa_addr != 127)
        memcpy(out, &address.s_in.sa_addr, 4);
}

/* The one idle for longest, of all or (`address` not NULL) of one address. */
static struct connection *longest_idle(struct rpc_server *server, const uint8_t *address)
{
    struct connection *at = server->oldest;
    while (at != NULL && (at->calls > 0 || at->leaving ||
                          (address != NULL && memcmp(at->address, address, 16) != 0)))
        at = at->newer;
    return at;
}

static uint32_t count_of(const struct rpc_server *server, const uint8_t address[16])
{
    uint32_t count = 0;
    for (const struct connection *at = server->oldest; at != NULL; at = at->newer)
        count += memcmp(at->address, address, 16) == 0;
    return count;
}

/* False: there is no room for a connection of that address. *evicted is to be closed for it, 0:
 * none is. */
static bool make_room(struct rpc_server *server, const uint8_t address[16], uint32_t *evicted)
{
    uint32_t limit = server->options.connections;
    uint32_t each = limit - limit / 3;
    *evicted = 0;
    if (server->connection_count < each)
        return true;
    bool crowded = count_of(server, address) >= each;
    if (!crowded && server->connection_count < limit)
        return true;
    struct connection *idle = longest_idle(server, crowded ? address : NULL);
    if (idle == NULL || server->evictions == 0)
        return false;
    server->evictions--;
    idle->leaving = true;
    *evicted = idle->pipe;
    return true;
}

size_t connections_idle(struct rpc_server *server, uint64_t now_ns, size_t most, uint32_t *out,
                        size_t room)
{
    size_t count = 0;
    pthread_mutex_lock(&server->lock);
    server->evictions = LIMIT_RPC_EVICTIONS;
    uint64_t idle_ns = server->options.idle_ms * NS_PER_MS;
    for (struct connection *at = server->oldest; at != NULL && count < room; at = at->newer) {
        if (at->calls > 0 || at->leaving)
            continue;
        bool long_idle = saturating_sub(now_ns, at->used_ns) >= idle_ns;
        /* they are in the order of their last use */
        if (!long_idle && most == 0)
            break;
        if (!long_idle)
            most--;
        at->leaving = true;
        out[count++] = at->pipe;
    }
    pthread_mutex_unlock(&server->lock);
    return count;
}

/* Before the connection may send anything. Closing another one from here only marks it. */
static void added(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    (void)event;
    struct rpc_server *server = closure;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        nng_pipe_close(pipe);
        return;
    }
    read_address(pipe, connection->address);
    connection->pipe = (uint32_t)nng_pipe_id(pipe);
    connection->references = 1;
    connection->used_ns = clock_boot_ns();
    pthread_mutex_lock(&server->lock);
    uint32_t evicted;
    bool room = make_room(server, connection->address, &evicted);
    connection->leaving = !room;
    struct connection **bucket = bucket_of(server, connection->pipe);
    connection->next = *bucket;
    *bucket = connection;
    order_last(server, connection);
    server->connection_count++;
    pthread_mutex_unlock(&server->lock);
    if (evicted != 0)
        nng_pipe_close((nng_pipe){.id = evicted});
    if (!room)
        nng_pipe_close(pipe);
}

static void removed(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    (void)event;
    struct rpc_server *server = closure;
    pthread_mutex_lock(&server->lock);
    struct connection *connection = find(server, (uint32_t)nng_pipe_id(pipe));
    if (connection == NULL) { /* there was no memory for it */
        pthread_mutex_unlock(&server->lock);
        return;
    }
    atomic_store(&connection->gone, true);
    unhash(server, connection);
    order_remove(server, connection);
    server->connection_count--;
    struct rpc_call *call;
    while ((call = next_to_tell(connection)) != NULL) {
        pthread_mutex_unlock(&server->lock);
        tell(call);
        pthread_mutex_lock(&server->lock);
    }
    release(connection);
    pthread_mutex_unlock(&server->lock);
}

int connections_watch(struct rpc_server *server)
{
    int error = nng_pipe_notify(server->socket, NNG_PIPE_EV_ADD_PRE, added, server);
    if (error == 0)
        error = nng_pipe_notify(server->socket, NNG_PIPE_EV_REM_POST, removed, server);
    return error;
}

void connections_free(struct rpc_server *server)
{
    ASSERT_U64(server->connection_count, ==, 0);
}
