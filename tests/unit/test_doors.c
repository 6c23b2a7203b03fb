/* links: node client topology log */
/* Who may hold what at a node: clients, peers and operators have doors of their own, and nobody's waiting takes
 * what another one needs. Whole nodes in one process. */
#include "node_fixture.h"

/* ---- Calls that wait ------------------------------------------------------------------------------------- */

/* More than the contexts of a door that keeps one for each call that waits. */
#define CROWD 300

struct waiter {
    struct rpc_exchange exchange;
    atomic_bool done;
    enum candor_code code;
    enum candor_reason reason;
};

static void got(const Candor__V1__GetResponse *response, void *closure_data)
{
    (void)response;
    struct waiter *waiter = ((struct rpc_exchange *)closure_data)->closure_data;
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

/* ---- Doors ----------------------------------------------------------------------------------------------- */

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
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    candor_client_close(client);
    stop(cluster, 1);
    stop(cluster, 2); /* nobody confirms the primary any more: LINEARIZABLE reads wait */
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

int main(void)
{
    logging_set_level(getenv("CANDOR_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_door_serves_its_own_services_alone),
        cmocka_unit_test(peers_are_served_however_many_clients_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
