/* links: node client topology log */
/* Who may hold what at a node: clients, peers and operators have doors of their own, and nobody's
 * waiting takes what another one needs. Whole nodes in one process. */
#include "candor/v1/replication.pb-c.h"
#include "log_faults.h"
#include "node_fixture.h"

/* ---- Calls that wait ------------------------------------------------------------------------- */

/* More than the contexts of a door that keeps one for each call that waits. */
#define CROWD 300

struct waiter {
    struct rpc_exchange exchange;
    atomic_bool done;
    enum candor_code code;
    enum candor_reason reason;
    char value[16];
};

static void got(const Candor__V1__GetResponse *response, void *closure_data)
{
    struct waiter *waiter = ((struct rpc_exchange *)closure_data)->closure_data;
    if (response != NULL && response->item->found)
        memcpy(waiter->value, response->item->value.data, response->item->value.len);
    waiter->code = waiter->exchange.error.code;
    waiter->reason = waiter->exchange.error.reason;
    atomic_store(&waiter->done, true);
}

/* Asks for a key, and does not wait for the answer. */
static void ask(struct rpc_client *rpc, Candor__V1__ReadLevel level, struct waiter *waiter)
{
    char key[] = "k";
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.level = level;
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = (ProtobufCBinaryData){1, (uint8_t *)key};
    get.options = &options;
    waiter->exchange = (struct rpc_exchange){.deadline_ms = 600000, .closure_data = waiter};
    candor__v1__kv__get(rpc_client_service(rpc, &candor__v1__kv__descriptor), &get, got,
                        &waiter->exchange);
}

static struct rpc_client *dial(const char *address)
{
    struct rpc_client *rpc;
    struct candor_error err;
    assert_int_equal(rpc_client_open(address, 1 << 20, &rpc, &err), CANDOR_OK);
    return rpc;
}

static size_t count_done(const struct waiter *waiters)
{
    size_t done = 0;
    for (size_t i = 0; i < CROWD; i++)
        done += atomic_load(&waiters[i].done);
    return done;
}

/* ---- Doors ----------------------------------------------------------------------------------- */

static void each_door_serves_its_own_services_alone(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    const struct topology_node *node = &cluster->topology.nodes[0];
    const struct {
        const char *address;
        const char *method;
        bool served;
    } cases[] = {
        {node->rpc, "/candor.v1.Cluster/Status", true},
        {node->rpc, "/candor.v1.Replication/Attach", false},
        {node->rpc, "/candor.v1.Replication/Vote", false},
        {node->rpc, "/candor.v1.Replication/Snapshot", false},
        {node->peer, "/candor.v1.Replication/Attach", true},
        {node->peer, "/candor.v1.KV/Put", false},
        {node->peer, "/candor.v1.Cluster/Status", false},
        {node->peer, "/candor.v1.Cluster/Promote", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Candor__V1__StatusRequest empty = CANDOR__V1__STATUS_REQUEST__INIT;
        struct rpc_exchange exchange = {.deadline_ms = 20000};
        struct candor_error err = {0};
        enum candor_code code =
            call_at(cases[i].address, cases[i].method, &empty.base, &exchange, NULL, NULL, &err);
        bool unknown = code == CANDOR_UNIMPLEMENTED && err.reason == CANDOR_REASON_UNKNOWN_METHOD;
        if (unknown == cases[i].served)
            fail_msg("%s at %s: %s %s", cases[i].method, cases[i].address, candor_code_name(code),
                     err.message);
    }
    cluster_free(cluster);
}

static enum candor_code attach_as_b(struct cluster *cluster, struct candor_error *err)
{
    char id[] = "b";
    Candor__V1__PeerHeader header = CANDOR__V1__PEER_HEADER__INIT;
    header.config_hash = cluster->nodes[0]->config_hash;
    header.node = id;
    header.store_id = 1;
    header.boot = 1;
    Candor__V1__AttachRequest attach = CANDOR__V1__ATTACH_REQUEST__INIT;
    attach.header = &header;
    struct rpc_exchange exchange = {.deadline_ms = 20000};
    return call_at(cluster->topology.nodes[0].peer, "/candor.v1.Replication/Attach", &attach.base,
                   &exchange, NULL, NULL, err);
}

/* What these reads wait for comes by votes and attaches that are answered at the other door. */
static void peers_are_served_however_many_clients_wait(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "election_timeout: 60s\n");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    candor_client_close(client);
    stop(cluster, 1);
    stop(cluster,
         /* nobody confirms the primary any more: LINEARIZABLE reads wait, until it steps down
         * (R25) */
         2);
    struct waiter *waiters = calloc(CROWD, sizeof *waiters);
    struct rpc_client *rpc = dial(cluster->topology.nodes[0].rpc);
    for (size_t i = 0; i < CROWD; i++)
        ask(rpc, CANDOR__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE, &waiters[i]);
    EVENTUALLY(atomic_load(&cluster->nodes[0]->open_count) >= 256);
    struct candor_error err = {0};
    enum candor_code code = attach_as_b(cluster, &err);
    if (code != CANDOR_OK)
        fail_msg("%s: %s", candor_code_name(code), err.message);
    assert_int_equal(count_done(waiters), 0); /* they waited all the time */
    rpc_client_close(rpc);
    cluster_free(cluster);
    free(waiters);
}

static struct Candor__V1__StatusResponse *status_now(struct cluster *cluster, uint32_t i)
{
    Candor__V1__StatusRequest request = CANDOR__V1__STATUS_REQUEST__INIT;
    struct rpc_exchange exchange = {.deadline_ms = 20000};
    struct candor_error err = {0};
    ProtobufCMessage *response = NULL;
    enum candor_code code = call(cluster, i, "/candor.v1.Cluster/Status", &request.base, &exchange,
                                 &response, &candor__v1__status_response__descriptor, &err);
    if (code != CANDOR_OK)
        fail_msg("status: %s", err.message);
    return (Candor__V1__StatusResponse *)response;
}

static uint64_t waiting_at(struct cluster *cluster, uint32_t i)
{
    Candor__V1__StatusResponse *status = status_now(cluster, i);
    uint64_t waiting = status->waiting_calls;
    candor__v1__status_response__free_unpacked(status, NULL);
    return waiting;
}

static uint64_t cancelled_at(struct cluster *cluster, uint32_t i)
{
    Candor__V1__StatusResponse *status = status_now(cluster, i);
    uint64_t cancelled = status->cancelled_calls;
    candor__v1__status_response__free_unpacked(status, NULL);
    return cancelled;
}

static void put_done(const Candor__V1__PutResponse *response, void *closure_data)
{
    (void)response;
    struct waiter *waiter = ((struct rpc_exchange *)closure_data)->closure_data;
    atomic_store(&waiter->done, true);
}

static void ask_put(struct rpc_client *rpc, struct waiter *waiter)
{
    char key[] = "w";
    Candor__V1__WriteOptions options = CANDOR__V1__WRITE_OPTIONS__INIT;
    options.ack = CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY;
    Candor__V1__PutRequest put = CANDOR__V1__PUT_REQUEST__INIT;
    put.key = put.value = (ProtobufCBinaryData){1, (uint8_t *)key};
    put.options = &options;
    waiter->exchange = (struct rpc_exchange){.deadline_ms = 600000, .closure_data = waiter};
    candor__v1__kv__put(rpc_client_service(rpc, &candor__v1__kv__descriptor), &put, put_done,
                        &waiter->exchange);
}

/* R51. While they wait everybody else is answered; when their connection closes their waits end,
 * long before their deadline, and what they wrote stays written. */
static void callers_that_are_gone_wait_no_longer(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "v");
    stop(cluster, 1);
    stop(cluster, 2); /* nobody confirms or acknowledges any more */
    struct waiter *waiters = calloc(2 * (size_t)CROWD, sizeof *waiters);
    struct rpc_client *readers = dial(cluster->topology.nodes[0].rpc);
    struct rpc_client *writers = dial(cluster->topology.nodes[0].rpc);
    for (size_t i = 0; i < CROWD; i++) {
        ask(readers, CANDOR__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE, &waiters[i]);
        ask_put(writers, &waiters[CROWD + i]);
    }
    EVENTUALLY(waiting_at(cluster, 0) == 2 * CROWD);
    assert_true(has(client, "k", "v"));
    assert_int_equal(cancelled_at(cluster, 0), 0);
    rpc_client_close(readers);
    EVENTUALLY(waiting_at(cluster, 0) == CROWD);
    assert_int_equal(cancelled_at(cluster, 0), CROWD);
    rpc_client_close(writers);
    EVENTUALLY(waiting_at(cluster, 0) == 0);
    assert_int_equal(cancelled_at(cluster, 0), 2 * CROWD);
    assert_true(has(client, "w", "w"));
    start(cluster, 1);
    struct candor_write_options majority = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_result result;
    EVENTUALLY(candor_put(client, candor_text("k"), candor_text("x"), &majority, &result) ==
                   CANDOR_OK ||
               (candor_result_free(&result), false));
    candor_result_free(&result);
    candor_client_close(client);
    cluster_free(cluster);
    free(waiters);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct stuck {
    struct job job;
    atomic_bool began;
    atomic_bool let_go;
    atomic_bool gone;
};

static void wait_to_be_let_go(struct job *job)
{
    struct stuck *stuck = (struct stuck *)job;
    atomic_store(&stuck->began, true);
    while (!atomic_load(&stuck->let_go))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store(&stuck->gone, true);
}

/* Every thread of a pool waits for a disk that does not answer. */
static void stop_pool(struct pool *pool, struct stuck *stuck)
{
    for (uint32_t i = 0; i < pool->thread_count; i++) {
        stuck[i].job.run = wait_to_be_let_go;
        assert_true(pool_push(pool, &stuck[i].job));
        EVENTUALLY(atomic_load(&stuck[i].began));
    }
}

/* None of its threads holds a job of `stuck` any more. */
static void let_go(const struct pool *pool, struct stuck *stuck)
{
    for (uint32_t i = 0; i < pool->thread_count; i++)
        atomic_store(&stuck[i].let_go, true);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        EVENTUALLY(atomic_load(&stuck[i].gone));
    memset(stuck, 0, pool->thread_count * sizeof *stuck);
}

/* On a busy machine a primary may lose its majority for a moment. */
static bool is_confirmed(struct candor_client *client, const char *key)
{
    struct candor_read_options options = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_result result;
    enum candor_code code = candor_get(client, candor_text(key), &options, &result);
    candor_result_free(&result);
    return code == CANDOR_OK;
}

enum { ROUND_MS = 2000 };

static bool is_taken_by_majority(struct candor_client *client, const char *key, const char *value)
{
    struct candor_write_options options = {.ack = CANDOR_ACK_MAJORITY, .deadline_ms = ROUND_MS};
    struct candor_result result;
    enum candor_code code =
        candor_put(client, candor_text(key), candor_text(value), &options, &result);
    candor_result_free(&result);
    return code == CANDOR_OK;
}

/* While the lenders stand still: what is put reaches a majority and the replica by the stream, and
 * the replica goes on hearing. Not in a round in which a message was lost, as on a busy machine:
 * the lenders give out what is missing. */
static bool flows_without_lenders(struct node *node, struct candor_client *client,
                                  struct candor_client *replica)
{
    static struct stuck stuck[LIMIT_POOL_THREADS];
    bool flows = false;
    EVENTUALLY(state_of(replica) == CANDOR_STATE_FRESH);
    uint64_t applied = freshness_of(replica).applied_seq;
    stop_pool(&node->lenders, stuck);
    uint64_t give_up_ns = clock_boot_ns() + UINT64_C(1000000) * ROUND_MS;
    if (is_taken_by_majority(client, "k", "w"))
        while (!flows && clock_boot_ns() < give_up_ns)
            flows = freshness_of(replica).applied_seq > applied &&
                    state_of(replica) == CANDOR_STATE_FRESH;
    flows = flows && has(client, "k", "w");
    let_go(&node->lenders, stuck);
    return flows;
}

/* Archives, snapshots and cold pages are read by threads of their own: none of them keeps time,
 * votes or writes, nor answers what needs no disk. */
static void readers_that_wait_for_the_disk_hold_up_nobody_else(void **state)
{
    (void)state;
    static struct stuck stuck[2][LIMIT_POOL_THREADS];
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    struct candor_client *replica = client_of(cluster, 1);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "v");

    struct node *node = cluster->nodes[0];
    stop_pool(&node->slow, stuck[0]);
    EVENTUALLY(is_confirmed(client, "k"));
    stop_pool(&node->readers, stuck[1]);
    EVENTUALLY(flows_without_lenders(node, client, replica));
    let_go(&node->slow, stuck[0]);
    let_go(&node->readers, stuck[1]);
    candor_client_close(client);
    candor_client_close(replica);
    cluster_free(cluster);
}

/* ---- Views ----------------------------------------------------------------------------------- */

static uint32_t jobs_of(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    uint32_t count = pool->count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

static void set_full(struct cluster *cluster, uint32_t i, bool full)
{
    log_inject_fault(cluster->nodes[i]->log, 0, full ? ENOSPC : 0, false);
}

/* R32: what a LINEARIZABLE read shows must be committed. While it is not, and may never be, the
 * read must not keep the state from using its free pages again. */
static void a_read_that_waits_for_a_commit_keeps_no_view_open(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    struct candor_client *others[2] = {client_of(cluster, 1), client_of(cluster, 2)};
    must_put(client, "k", "old");
    for (int i = 0; i < 2; i++)
        EVENTUALLY(has(others[i], "k", "old"));
    /* Leadership is confirmed, and the reader that is to go on comes late: what was put meanwhile
     * is not committed. */
    static struct stuck stuck[LIMIT_POOL_THREADS];
    struct node *node = cluster->nodes[0];
    struct waiter waiter = {0};
    struct rpc_client *rpc = dial(cluster->topology.nodes[0].rpc);
    stop_pool(&node->readers, stuck);
    ask(rpc, CANDOR__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE, &waiter);
    EVENTUALLY(jobs_of(&node->readers) == 1);
    set_full(cluster, 1, true); /* they answer heartbeats, and store nothing */
    set_full(cluster, 2, true);
    must_put(client, "k", "new");
    let_go(&node->readers, stuck);
    /* for a moment, since most commits come soon */
    EVENTUALLY(atomic_load(&node->held_views) == 1);
    EVENTUALLY(atomic_load(&node->held_views) == 0);
    assert_false(atomic_load(&waiter.done));
    assert_int_equal(atomic_load(&node->open_count), 1);
    set_full(cluster, 1, false);
    set_full(cluster, 2, false);
    EVENTUALLY(atomic_load(&waiter.done));
    assert_int_equal(waiter.code, CANDOR_OK);
    assert_string_equal(waiter.value, "new");
    assert_int_equal(atomic_load(&node->held_views), 0);
    rpc_client_close(rpc);
    for (int i = 0; i < 2; i++)
        candor_client_close(others[i]);
    candor_client_close(client);
    cluster_free(cluster);
}

int main(void)
{
    logging_set_level(getenv("CANDOR_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_door_serves_its_own_services_alone),
        cmocka_unit_test(peers_are_served_however_many_clients_wait),
        cmocka_unit_test(callers_that_are_gone_wait_no_longer),
        cmocka_unit_test(readers_that_wait_for_the_disk_hold_up_nobody_else),
        cmocka_unit_test(a_read_that_waits_for_a_commit_keeps_no_view_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
