/* A client: its connections and its session. */
#include "client/internal.h"

#include <stdlib.h>

#include "base/address.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/logging.h"
#include "client/submitted.h"

static enum candor_code check_options(const struct candor_client_options *options,
                                      struct candor_error *err)
{
    struct arguments arguments = {0};
    arguments_client(&arguments, options);
    if (!arguments_good(&arguments, err))
        return err->code;
    if (options->endpoint_count == 0)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "endpoints: at least one is needed");
    if (options->endpoint_count > LIMIT_NODES)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "endpoints: %zu are more than the limit of %d",
                                options->endpoint_count, LIMIT_NODES);
    if (options->message_bytes > LIMIT_MESSAGE_BYTES_MAX)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "message_bytes: %zu is more than the limit of %u",
                                options->message_bytes, LIMIT_MESSAGE_BYTES_MAX);
    if (options->operations > LIMIT_CLIENT_OPERATIONS_MAX)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "operations: %u is more than the limit of %u", options->operations,
                                LIMIT_CLIENT_OPERATIONS_MAX);
    return CANDOR_OK;
}

/* ---- Request ids ---- */

static struct identity *identity_new(struct candor_client *client)
{
    struct identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL)
        return NULL;
    random_bytes(identity->id, sizeof identity->id);
    identity->oldest = 1;
    client->ids_drawn++;
    return identity;
}

static bool has_room(const struct identity *identity)
{
    return !identity->retired && identity->newest + 1 - identity->oldest < LANE_WINDOW;
}

static bool is_spent(const struct identity *identity)
{
    return identity->retired && identity->oldest > identity->newest;
}

/* Under the lock. The first that has room, so that as few as possible are used. NULL: there is no
 * memory for another. */
static struct identity *find_identity(struct candor_client *client)
{
    struct identity **at = &client->identities;
    while (*at != NULL && !has_room(*at)) {
        struct identity *identity = *at;
        if (!is_spent(identity)) {
            at = &identity->next;
            continue;
        }
        *at = identity->next;
        free(identity);
    }
    if (*at == NULL)
        *at = identity_new(client);
    return *at;
}

bool client_any_id(struct candor_client *client, uint8_t out[CANDOR_CLIENT_ID_BYTES], bool *others)
{
    pthread_mutex_lock(&client->lock);
    const struct identity *identity = find_identity(client);
    if (identity != NULL)
        memcpy(out, identity->id, CANDOR_CLIENT_ID_BYTES);
    *others = client->ids_drawn > 1;
    pthread_mutex_unlock(&client->lock);
    return identity != NULL;
}

struct identity *client_draw_number(struct candor_client *client, uint64_t *number)
{
    pthread_mutex_lock(&client->lock);
    struct identity *identity = find_identity(client);
    if (identity != NULL) {
        *number = ++identity->newest;
        identity->ended[*number % LANE_WINDOW] = false;
    }
    pthread_mutex_unlock(&client->lock);
    return identity;
}

void client_retire_ids(struct candor_client *client)
{
    for (struct identity *identity = client->identities; identity != NULL;
         identity = identity->next)
        identity->retired = true;
}

static void remove_identity(struct candor_client *client, struct identity *identity)
{
    struct identity **at = &client->identities;
    while (*at != identity)
        at = &(*at)->next;
    *at = identity->next;
    free(identity);
}

void client_end_number(struct candor_client *client, struct identity *identity, uint64_t number,
                       enum candor_reason reason)
{
    pthread_mutex_lock(&client->lock);
    ASSERT(number >= identity->oldest && number <= identity->newest);
    identity->ended[number % LANE_WINDOW] = true;
    while (identity->oldest <= identity->newest && identity->ended[identity->oldest % LANE_WINDOW])
        identity->oldest++;
    if (reason == CANDOR_REASON_REQUEST_ID_REUSED)
        client_retire_ids(client);
    identity->retired = identity->retired || reason == CANDOR_REASON_OUTCOME_UNKNOWN;
    if (is_spent(identity))
        remove_identity(client, identity);
    pthread_mutex_unlock(&client->lock);
}

/* ---- Birth and end ---- */

static struct candor_client *client_new(const struct candor_client_options *options)
{
    struct candor_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    pthread_mutex_init(&client->opening, NULL);
    pthread_mutex_init(&client->lock, NULL);
    client->no_redirect = options->no_redirect;
    client->no_coalesce = options->no_coalesce;
    client->clock_drift_ppm = options->clock_drift_ppm;
    client->deadline_ms =
        options->deadline_ms != 0 ? options->deadline_ms : LIMIT_RPC_DEADLINE_MS_DEFAULT;
    client->message_bytes =
        options->message_bytes != 0 ? options->message_bytes : LIMIT_MESSAGE_BYTES_DEFAULT;
    client->operations = options->operations != 0 ? options->operations : LIMIT_CLIENT_OPERATIONS;
    client->account = account_new(client->operations, options->operation_bytes != 0
                                                          ? options->operation_bytes
                                                          : LIMIT_CLIENT_OPERATION_BYTES);
    client->violation = options->violation;
    client->closure = options->closure;
    client->route = options->route;
    text_copy(client->zone, sizeof client->zone, options->zone != NULL ? options->zone : "");
    client->primary = CONNECTIONS_MAX;
    rng_seed(&client->rng, random_u64_nonzero());
    client->identities = identity_new(client);
    if (client->identities == NULL || client->account == NULL || !fork_watch(client)) {
        candor_client_close(client);
        return NULL;
    }
    if (options->client_id != NULL)
        memcpy(client->identities->id, options->client_id, sizeof client->identities->id);
    return client;
}

enum candor_code candor_client_open(const struct candor_client_options *options,
                                    struct candor_client **out, struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    if (out == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "out: NULL");
    *out = NULL;
    enum candor_code code = check_options(options, err);
    if (code != CANDOR_OK)
        return code;
    if (fork_stranded(err))
        return err->code;
    struct candor_client *client = client_new(options);
    if (client == NULL)
        return operation_out_of_memory(err);
    for (size_t i = 0; i < options->endpoint_count && code == CANDOR_OK; i++) {
        size_t index;
        if (client_connect(client, options->endpoints[i], &index, err))
            client_release(client, index);
        else
            code = err->code;
    }
    client->endpoint_count = client->connection_count;
    if (code != CANDOR_OK) {
        candor_client_close(client);
        return code;
    }
    *out = client;
    return CANDOR_OK;
}

void candor_client_close(struct candor_client *client)
{
    if (client == NULL)
        return;
    if (submit_is_callback_of(client)) { /* it would wait for this callback */
        log_error("client_not_closed", "reason=\"a callback of the client cannot close it\"");
        return;
    }
    struct candor_error stranded;
    bool own = !fork_stranded(&stranded); /* else threads and connections are the parent's */
    if (own) {
        agenda_close(client);
        scout_close(client);
    }
    fork_unwatch(client);
    for (size_t i = 0; own && i < client->connection_count; i++) {
        if (client->connections[i].rpc != NULL)
            rpc_client_close(client->connections[i].rpc);
    }
    agenda_free(client);
    scout_free(client, own);
    account_release(client->account);
    while (client->identities != NULL) {
        struct identity *identity = client->identities;
        client->identities = identity->next;
        free(identity);
    }
    pthread_mutex_destroy(&client->lock);
    pthread_mutex_destroy(&client->opening);
    free(client);
}

/* ---- Connections ---- */

static bool find_connection(const struct candor_client *client, const char *address, size_t *index)
{
    for (size_t i = 0; i < client->connection_count; i++) {
        if (strcmp(client->connections[i].address, address) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool client_check_address(const char *address, struct candor_error *err)
{
    struct address_problem why;
    if (address_check(address, &why))
        return true;
    candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "endpoint: %s; %s", why.what,
                     why.hint);
    return false;
}

/* Under the lock. Endpoints stay. NULL: calls are under way at all others, or the client closes. */
static struct connection *longest_unused(struct candor_client *client)
{
    struct connection *found = NULL;
    if (atomic_load(&client->closing))
        return NULL;
    for (size_t i = client->endpoint_count; i < client->connection_count; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->users == 0 && (found == NULL || connection->used < found->used))
            found = connection;
    }
    return found;
}

/* Under the lock. A new place, or that of an address that is forgotten for it, whose connection
 * `*former` is for the caller to close. False: there is none. */
static bool find_place(struct candor_client *client, size_t *index, struct rpc_client **former)
{
    *former = NULL;
    *index = client->connection_count;
    if (client->connection_count < CONNECTIONS_MAX) {
        client->connection_count++;
        return true;
    }
    struct connection *connection = longest_unused(client);
    if (connection == NULL)
        return false;
    *index = (size_t)(connection - client->connections);
    *former = connection->rpc;
    if (*former != NULL)
        counts_keep(client, *former);
    connection->rpc = NULL;
    connection->told_ns = 0;
    client->seen[*index] = (struct route_seen){0};
    if (client->primary == *index)
        client->primary = CONNECTIONS_MAX;
    return true;
}

void client_take(struct candor_client *client, size_t index)
{
    client->connections[index].users++;
    client->connections[index].used = ++client->uses;
}

void client_move(struct candor_client *client, size_t *index, size_t to)
{
    ASSERT_U64(client->connections[*index].users, >, 0);
    client_take(client, to);
    client->connections[*index].users--;
    *index = to;
}

void client_give(struct candor_client *client, size_t index)
{
    ASSERT_U64(client->connections[index].users, >, 0);
    client->connections[index].users--;
}

void client_release(struct candor_client *client, size_t index)
{
    pthread_mutex_lock(&client->lock);
    client_give(client, index);
    pthread_mutex_unlock(&client->lock);
}

bool client_connect(struct candor_client *client, const char *address, size_t *index,
                    struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    if (!client_check_address(address, err))
        return false;
    struct rpc_client *former = NULL;
    pthread_mutex_lock(&client->lock);
    bool good = find_connection(client, address, index);
    if (!good && find_place(client, index, &former)) {
        text_copy(client->connections[*index].address, LIMIT_ADDRESS_BYTES, address);
        good = true;
    }
    if (good)
        client_take(client, *index);
    pthread_mutex_unlock(&client->lock);
    /* no call uses it */
    if (former != NULL)
        rpc_client_close(former);
    if (!good)
        candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "calls are under way at %zu different addresses: no room for %s",
                         CONNECTIONS_MAX, address);
    return good;
}

struct rpc_client *client_rpc(struct candor_client *client, size_t index)
{
    pthread_mutex_lock(&client->lock);
    ASSERT_U64(index, <, client->connection_count);
    struct rpc_client *rpc = client->connections[index].rpc;
    pthread_mutex_unlock(&client->lock);
    return rpc;
}

/* Opening waits in NNG when it fails: not under the lock that NNG's threads take. */
struct rpc_client *client_open_rpc(struct candor_client *client, size_t index,
                                   struct candor_error *err)
{
    pthread_mutex_lock(&client->opening);
    struct rpc_client *rpc = client_rpc(client, index);
    if (rpc == NULL) {
        struct connection *connection = &client->connections[index];
        pthread_mutex_lock(&client->lock);
        fork_note_connected();
        pthread_mutex_unlock(&client->lock);
        rpc_client_open(connection->address, client->message_bytes, &rpc, err);
        pthread_mutex_lock(&client->lock);
        connection->rpc = rpc;
        pthread_mutex_unlock(&client->lock);
    }
    pthread_mutex_unlock(&client->opening);
    return rpc;
}

static bool token_equal(const struct candor_token *a, const struct candor_token *b)
{
    return a->cluster_id == b->cluster_id && candor_pos_compare(&a->pos, &b->pos) == 0;
}

/* R43: the newest position that the session wrote or read. It never goes back, and a position of
 * another epoch takes its place only where the answering node has judged it: else nobody knows
 * whether that epoch's history holds what the session saw (I8). */
void client_see_token(struct candor_client *client, const struct candor_token *asked,
                      const struct candor_token *token)
{
    if (token->cluster_id == 0)
        return;
    pthread_mutex_lock(&client->lock);
    struct candor_token *own = &client->token;
    bool newer =
        own->cluster_id == token->cluster_id && candor_pos_compare(&token->pos, &own->pos) > 0;
    bool same_epoch = candor_epoch_compare(&token->pos.epoch, &own->pos.epoch) == 0 &&
                      (token->origin == own->origin || token->origin == 0 || own->origin == 0);
    if (own->cluster_id == 0 || (newer && (same_epoch || token_equal(own, asked))))
        *own = *token;
    pthread_mutex_unlock(&client->lock);
}

void client_lose_token(struct candor_client *client, const struct candor_token *lost,
                       const struct candor_token *token)
{
    pthread_mutex_lock(&client->lock);
    if (token_equal(&client->token, lost))
        client->token = *token;
    pthread_mutex_unlock(&client->lock);
}

void candor_client_token(struct candor_client *client, struct candor_token *out)
{
    if (client == NULL || out == NULL)
        return;
    pthread_mutex_lock(&client->lock);
    *out = client->token;
    pthread_mutex_unlock(&client->lock);
}

enum candor_code candor_client_join(struct candor_client *client, const struct candor_token *token,
                                    struct candor_error *err)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_need(&arguments, "token", token);
    if (token != NULL)
        arguments_epoch(&arguments, "token", &token->pos.epoch);
    if (!arguments_good(&arguments, err))
        return CANDOR_INVALID_ARGUMENT;
    enum candor_code code = CANDOR_OK;
    pthread_mutex_lock(&client->lock);
    struct candor_token *own = &client->token;
    if (token->cluster_id != 0 && own->cluster_id != 0 && own->cluster_id != token->cluster_id)
        code = candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_FOREIGN_CLUSTER,
                                "the token is of another cluster than the client's session");
    else if (token->cluster_id != 0 &&
             (own->cluster_id == 0 || candor_pos_compare(&token->pos, &own->pos) > 0))
        *own = *token;
    pthread_mutex_unlock(&client->lock);
    return code;
}

void candor_client_restart_session(struct candor_client *client, const struct candor_token *token)
{
    static const struct candor_token nothing;
    struct arguments arguments = {0};
    if (token != NULL)
        arguments_epoch(&arguments, "token", &token->pos.epoch);
    if (client == NULL || arguments.what != NULL)
        return;
    pthread_mutex_lock(&client->lock);
    client->token = token == NULL ? nothing : *token;
    pthread_mutex_unlock(&client->lock);
}

uint64_t candor_client_violations(struct candor_client *client)
{
    if (client == NULL)
        return 0;
    pthread_mutex_lock(&client->lock);
    uint64_t count = client->violations;
    pthread_mutex_unlock(&client->lock);
    return count;
}

void candor_result_free(struct candor_result *result)
{
    if (result == NULL)
        return;
    if (result->memory != NULL)
        protobuf_c_message_free_unpacked(result->memory, NULL);
    free(result->items);
    free(result->found);
    free(result->lost_writes);
    free(result->missed);
    result->missed = NULL;
    result->missed_count = 0;
    result->lost_writes = NULL;
    result->lost_write_count = 0;
    result->memory = NULL;
    result->items = NULL;
    result->item_count = 0;
    result->found = NULL;
    result->found_count = 0;
}
